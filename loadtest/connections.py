"""Connections to a service, shared by the calls in turn."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc

from loadtest.addresses import channel_options
from loadtest.errors import LoadRefused, Unreachable
from loadtest.generator import Call
from loadtest.load import Certificates, Load
from loadtest.status_names import GHZ_NAMES
from loadtest.tally import OK, Answer

OWN_CONNECTION = ("grpc.use_local_subchannel_pool", 1)
"""Channels of one process to one address would share a connection else."""
ANY_SIZE = ("grpc.max_receive_message_length", -1)

OK_ANSWER = Answer(OK)

Method = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]


@asynccontextmanager
async def connected(load: Load, *, index: int = 0) -> AsyncIterator[Call]:
    """What makes a process's calls; the connections are there when the block begins.

    Raises:
        Unreachable: one of them was not in time.
        LoadRefused: a certificate's file cannot be read.
    """
    own = len(range(index, load.connections, load.processes)) or 1
    async with AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(_channel(load)) for _ in range(own)]
        try:
            ready = asyncio.gather(*(channel.channel_ready() for channel in channels))
            await asyncio.wait_for(ready, load.connect_timeout_s)
        except TimeoutError:
            raise Unreachable(load.address, load.connect_timeout_s) from None
        yield _caller(load, channels)


def _channel(load: Load) -> grpc.aio.Channel:
    options = [OWN_CONNECTION, ANY_SIZE, *channel_options(load.address)]
    if load.certificates is None:
        return grpc.aio.insecure_channel(load.address, options=options)
    if load.certificates.name:
        name = ("grpc.ssl_target_name_override", load.certificates.name)
        return grpc.aio.secure_channel(
            load.address, _credentials(load.certificates), options=[*options, name]
        )
    return grpc.aio.secure_channel(load.address, _credentials(load.certificates), options=options)


def _credentials(certificates: Certificates) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        root_certificates=_content("cacert", certificates.authority),
        private_key=_content("key", certificates.key),
        certificate_chain=_content("cert", certificates.own),
    )


def _content(option: str, path: str) -> bytes | None:
    try:
        return Path(path).read_bytes() if path else None
    except OSError as error:
        raise LoadRefused([f"{option}: {path}: {error.strerror}"]) from None


def _caller(load: Load, channels: list[grpc.aio.Channel]) -> Call:
    methods: list[Method] = [channel.unary_unary(load.path) for channel in channels]
    timeout_s = None if math.isinf(load.timeout_s) else load.timeout_s
    metadata = load.metadata or None
    requests, processes = load.requests, load.processes

    async def call(number: int) -> Answer:
        method = methods[number // processes % len(methods)]
        try:
            await method(requests[number % len(requests)], timeout=timeout_s, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            name = GHZ_NAMES[error.code()]
            return Answer(name, f"rpc error: code = {name} desc = {error.details()}")
        return OK_ANSWER

    return call

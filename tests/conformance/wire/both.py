"""The same handlers behind gRPC's own server and behind ours, and what a client is told by each."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple, TypeAlias, TypeVar

import grpc

from service.wire.limits import ConnectionLimits
from service.wire.server import WireServer

METHOD = "/wire.Test/Call"
"""Where the handler of a test is."""
MAX_MESSAGE_BYTES = 2**24

T = TypeVar("T")
Metadata: TypeAlias = tuple[tuple[str, str | bytes], ...]
Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"
Server: TypeAlias = grpc.aio.Server | WireServer


class Outcome(NamedTuple):
    """All that a client is told of one call."""

    code: grpc.StatusCode
    details: str
    initial: Metadata
    trailing: Metadata
    messages: tuple[bytes, ...]


class Served(NamedTuple):
    """One of the two servers, running."""

    server: Server
    address: str
    is_ours: bool


class Options(NamedTuple):
    """Of both servers."""

    max_message_bytes: int = MAX_MESSAGE_BYTES
    max_connection_age_s: float | None = None


DEFAULT = Options()


def grpcio_server(options: Options) -> grpc.aio.Server:
    """gRPC's own: what clients rely on."""
    own = [
        ("grpc.max_receive_message_length", options.max_message_bytes),
        ("grpc.max_send_message_length", options.max_message_bytes),
        ("grpc.so_reuseport", 0),
    ]
    if options.max_connection_age_s is not None:
        own.append(("grpc.max_connection_age_ms", round(1000 * options.max_connection_age_s)))
    return grpc.aio.server(options=own)


def wire_server(options: Options) -> WireServer:
    """Ours."""
    return WireServer(
        max_message_bytes=options.max_message_bytes,
        limits=ConnectionLimits(max_age_s=options.max_connection_age_s or 0.0),
    )


Ask: TypeAlias = Callable[[Served], Awaitable[Outcome]]
"""What a client does at a server, and is told."""


@asynccontextmanager
async def served(
    make: Callable[[Options], Server], handler: Any, options: Options
) -> AsyncIterator[Served]:
    """One server with the handler at METHOD."""
    server = make(options)
    service, _, method = METHOD[1:].partition("/")
    generic = grpc.method_handlers_generic_handler(service, {method: handler})
    server.add_generic_rpc_handlers((generic,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield Served(server, f"127.0.0.1:{port}", isinstance(server, WireServer))
    finally:
        await server.stop(0)


async def alike(
    handler: Any, ask: Callable[[Served], Awaitable[T]], options: Options = DEFAULT
) -> T:
    """What both servers come to for a client; fails where they differ.

    Args:
        handler: of METHOD, as `grpc.unary_unary_rpc_method_handler` makes it.
        ask: what the client does at a server, and what it is told.
        options: of both servers.
    """
    async with served(grpcio_server, handler, options) as oracle:
        expected = await ask(oracle)
    async with served(wire_server, handler, options) as ours:
        told = await ask(ours)
    assert told == expected, f"ours:  {told}\ngRPC's: {expected}"
    return expected


def asking(
    message: bytes = b"",
    *,
    path: str = METHOD,
    gets_many: bool = False,
    channel_options: Iterable[tuple[str, Any]] = (),
    **call_options: Any,
) -> Ask:
    """One call with one message, as a client of `alike`.

    Args:
        message: the request.
        path: of the method.
        gets_many: whether the answer is a stream.
        channel_options: of gRPC's channel.
        call_options: of the call: timeout, metadata, compression, wait_for_ready.
    """

    async def ask(own: Served) -> Outcome:
        async with grpc.aio.insecure_channel(own.address, [*channel_options]) as channel:
            kind = channel.unary_stream if gets_many else channel.unary_unary
            method: Any = kind(path)
            return await outcome(method(message, **call_options))

    return ask


def untold(ask: Ask) -> Ask:
    """The same client; details are left out, where each client library has words of its own."""

    async def without(own: Served) -> Outcome:
        return (await ask(own))._replace(details="")

    return without


def streaming(
    *messages: bytes, gets_many: bool = True, path: str = METHOD, **call_options: Any
) -> Ask:
    """One call with many messages, as a client of `alike`; the arguments are those of `asking`."""

    async def supply() -> AsyncIterator[bytes]:
        for own in messages:
            yield own

    async def ask(own: Served) -> Outcome:
        async with grpc.aio.insecure_channel(own.address) as channel:
            kind = channel.stream_stream if gets_many else channel.stream_unary
            method: Any = kind(path)
            return await outcome(method(supply(), **call_options))

    return ask


async def outcome(call: Any) -> Outcome:
    """What became of a call."""
    messages: list[bytes] = []
    with suppress(grpc.aio.AioRpcError):  # the call itself knows
        if hasattr(call, "read"):
            while (message := await call.read()) is not grpc.aio.EOF:
                messages.append(message)
        else:
            messages.append(await call)
    return Outcome(
        await call.code(),
        str(await call.details() or ""),
        tuple(await call.initial_metadata() or ()),
        tuple(await call.trailing_metadata() or ()),
        tuple(messages),
    )


def unary(behaviour: Any) -> Any:
    """A handler: one message in, one out."""
    return grpc.unary_unary_rpc_method_handler(behaviour)


def out_stream(behaviour: Any) -> Any:
    """A handler: one message in, many out."""
    return grpc.unary_stream_rpc_method_handler(behaviour)


def in_stream(behaviour: Any) -> Any:
    """A handler: many messages in, one out."""
    return grpc.stream_unary_rpc_method_handler(behaviour)


def both_ways(behaviour: Any) -> Any:
    """A handler: many messages in, many out."""
    return grpc.stream_stream_rpc_method_handler(behaviour)


async def echo(request: bytes, _context: Context) -> bytes:
    """Answers with what it was asked."""
    return request


async def echo_stream(requests: AsyncIterator[bytes], _context: Context) -> AsyncIterator[bytes]:
    """Answers each message with itself."""
    async for message in requests:
        yield message

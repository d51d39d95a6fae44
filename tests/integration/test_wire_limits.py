"""Limits of connections: who is refused and told why, who is ended, and whom that never harms."""

import asyncio
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any, NamedTuple

import grpc
import pytest

from service.wire import frames
from service.wire.connection import WARNING
from service.wire.frames import PREFACE
from service.wire.headers import encoded
from service.wire.limits import ConnectionLimits, Ending
from service.wire.server import WireServer
from tests.conformance.wire.raw import head
from tests.integration.asking import request
from tests.integration.conftest import Service, Start
from tests.integration.test_wire_server import DIRECT, TASK, made
from tests.integration.waiting import until

START = PREFACE + frames.settings({})
STREAM = "/wire.Test/Stream"


class Limited(NamedTuple):
    """A server with limits."""

    server: WireServer
    address: str
    ended: Counter[Ending]
    """Connections that it ended or refused."""

    @property
    def place(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.address.rpartition(":")
        return host, int(port)

    async def call(self, message: bytes = b"asked") -> bytes:
        """One call of a client of its own."""
        pool = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(self.address, pool) as channel:
            method: Any = channel.unary_unary(DIRECT)
            return bytes(await method(message, timeout=30))


@asynccontextmanager
async def limited(**limits: Any) -> AsyncIterator[Limited]:
    """A server with these limits, running."""
    ended: Counter[Ending] = Counter()
    server = made(limits=ConnectionLimits(**limits), ended=lambda why: ended.update((why,)))
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield Limited(server, address, ended)
    finally:
        await server.stop(0)


async def idle_clients(own: Limited, count: int, stack: ExitStack) -> list[socket.socket]:
    """So many clients that have begun and ask nothing."""
    before = own.server.n_connections
    clients = []
    for at in range(count):
        client = stack.enter_context(socket.create_connection(own.place))
        client.sendall(START)
        clients.append(client)
        if at % 16 == 0:
            await asyncio.sleep(0)
    await until(lambda: own.server.n_connections >= min(count, before + count))
    return clients


async def told(client: socket.socket, start: bytes = START) -> bytes:
    """All that a client is told until its connection ends."""
    client.setblocking(False)
    loop, own = asyncio.get_running_loop(), b""
    await loop.sock_sendall(client, start)
    async with asyncio.timeout(20):
        while part := await loop.sock_recv(client, 65_536):
            own += part
    return own


@asynccontextmanager
async def with_few_files(count: int) -> AsyncIterator[tuple[str, int]]:
    """Host and port of a server in a process of its own that can open so many files."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.few_files", str(count)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield "127.0.0.1", int(await asyncio.wait_for(process.stdout.readline(), 60))
    finally:
        await process.communicate(b"")  # ends its stdin


async def test_one_connection_too_many_is_told_so() -> None:
    async with limited(max_connections=3) as own:
        with ExitStack() as stack:
            await idle_clients(own, 3, stack)
            with socket.create_connection(own.place) as client:
                said = await told(client)
    assert (b"too many connections: 3 are open" in said, own.ended) == (
        True,
        {Ending.MAX_CONNECTIONS: 1},
    )


async def test_a_grpc_client_too_many_is_unavailable() -> None:
    async with limited(max_connections=1) as own:
        with ExitStack() as stack:
            await idle_clients(own, 1, stack)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await own.call()
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_who_was_refused_is_answered_once_there_is_room() -> None:
    async with limited(max_connections=1) as own:
        with ExitStack() as stack:
            await idle_clients(own, 1, stack)
            options = [("grpc.initial_reconnect_backoff_ms", 100)]
            async with grpc.aio.insecure_channel(own.address, options) as channel:
                method: Any = channel.unary_unary(DIRECT)
                call = asyncio.ensure_future(method(b"late", wait_for_ready=True, timeout=30))
                await until(lambda: own.ended[Ending.MAX_CONNECTIONS] > 0)
                stack.close()
                assert await call == b"late"


async def test_a_peer_has_no_more_than_its_connections() -> None:
    async with limited(max_per_peer=2) as own:
        with ExitStack() as stack:
            await idle_clients(own, 2, stack)
            with socket.create_connection(own.place) as client:
                said = await told(client)
    assert (b"too many connections from 127.0.0.1" in said, own.ended) == (
        True,
        {Ending.MAX_PER_PEER: 1},
    )


async def test_another_peer_is_served_all_the_same() -> None:
    async with limited(max_per_peer=2) as own:
        with ExitStack() as stack:
            await idle_clients(own, 2, stack)
            other = stack.enter_context(socket.socket())
            other.bind(("127.0.0.2", 0))
            other.connect(own.place)
            other.sendall(START)
            await until(lambda: own.server.n_connections == 3)
    assert not own.ended


async def test_refused_connections_count_for_nobody() -> None:
    async with limited(max_connections=1, max_per_peer=1) as own:
        with ExitStack() as stack:
            await idle_clients(own, 1, stack)
            for _ in range(3):
                with socket.create_connection(own.place) as client:
                    await told(client)
            stack.close()
            await until(lambda: own.server.n_connections == 0)
            assert await own.call() == b"asked"


async def test_an_idle_client_is_asked_to_connect_anew() -> None:
    async with limited(max_idle_s=0.3) as own:
        with socket.create_connection(own.place) as client:
            said = await told(client, START + frames.frame(frames.PING, frames.ACK, 0, WARNING))
    last = frames.goaway(0, frames.NO_ERROR)
    assert (said[-len(last) :], own.ended) == (last, {Ending.IDLE: 1})


async def test_an_idle_client_of_grpc_loses_no_call() -> None:
    async with (
        limited(max_idle_s=0.1) as own,
        grpc.aio.insecure_channel(own.address) as channel,
    ):
        method: Any = channel.unary_unary(DIRECT)
        for _ in range(5):
            assert await method(b"again", timeout=20) == b"again"
            await asyncio.sleep(0.3)
    assert own.ended[Ending.IDLE] > 0


async def test_a_client_with_an_open_call_is_not_idle() -> None:
    async with (
        limited(max_idle_s=0.1) as own,
        grpc.aio.insecure_channel(own.address) as channel,
    ):
        call: Any = channel.stream_stream(STREAM)()
        await call.write(b"x")
        await call.read()
        await asyncio.sleep(0.5)
        await call.write(b"y")
        assert await call.read() == b"y"
        call.cancel()
        assert own.ended[Ending.IDLE] == 0


@pytest.mark.parametrize("said", [b"", PREFACE[:10], PREFACE, START[:-1]], ids=len)
async def test_who_does_not_begin_in_time_is_cut_off(said: bytes) -> None:
    async with limited(handshake_s=0.2) as own:
        with socket.create_connection(own.place) as client:
            client.sendall(said)
            await until(lambda: own.ended[Ending.HANDSHAKE] == 1)
            await until(lambda: own.server.n_connections == 0)


async def test_a_header_block_that_does_not_end_is_cut_off() -> None:
    block = encoded([(name.encode(), value.encode()) for name, value in head()])
    async with limited(handshake_s=0.2) as own:
        with socket.create_connection(own.place) as client:
            client.sendall(START + frames.frame(frames.HEADERS, 0, 1, block))
            await until(lambda: own.ended[Ending.HANDSHAKE] == 1)
            await until(lambda: own.server.n_connections == 0)


async def test_calls_end_within_the_grace_of_an_age() -> None:
    async with (
        limited(max_age_s=0.1, max_age_grace_s=20) as own,
        grpc.aio.insecure_channel(own.address) as channel,
    ):
        call: Any = channel.stream_stream(STREAM)()
        await call.write(b"x")
        await call.read()
        await until(lambda: own.ended[Ending.AGE] > 0)
        await call.write(b"y")
        assert await call.read() == b"y"
        await call.done_writing()
        assert await call.code() is grpc.StatusCode.OK
        assert own.ended[Ending.AGE_GRACE] == 0


async def test_calls_beyond_the_grace_of_an_age_are_unavailable() -> None:
    async with (
        limited(max_age_s=0.1, max_age_grace_s=0.1) as own,
        grpc.aio.insecure_channel(own.address) as channel,
    ):
        call: Any = channel.stream_stream(STREAM)()
        await call.write(b"x")
        await call.read()
        assert await call.code() is grpc.StatusCode.UNAVAILABLE
        assert own.ended[Ending.AGE_GRACE] == 1


async def test_idle_clients_make_room_for_newcomers() -> None:
    """400 of them at a process that can open 256 files."""
    async with with_few_files(256) as (host, port):
        with ExitStack() as stack:
            for _ in range(400):
                stack.enter_context(socket.create_connection((host, port))).sendall(START)
            for at in range(5):
                pool = [("grpc.use_local_subchannel_pool", 1)]
                async with grpc.aio.insecure_channel(f"{host}:{port}", pool) as channel:
                    method: Any = channel.unary_unary(DIRECT)
                    assert await method(b"%d" % at, timeout=30, wait_for_ready=True) == b"%d" % at


async def test_who_was_idle_for_longest_goes_first() -> None:
    async with limited() as own:
        with ExitStack() as stack:
            await idle_clients(own, 1, stack)
            first = next(iter(own.server.guests))
            await idle_clients(own, 5, stack)
            own.server.guests.make_room()
            assert first not in [*own.server.guests]


async def test_who_has_a_call_never_makes_room() -> None:
    async with limited() as own, grpc.aio.insecure_channel(own.address) as channel:
        call: Any = channel.stream_stream(STREAM)()
        await call.write(b"x")
        await call.read()
        made_room = own.server.guests.make_room()
        await call.write(b"y")
        assert (made_room, await call.read()) == (False, b"y")
        call.cancel()


async def test_an_evicted_client_of_grpc_is_answered_again() -> None:
    async with limited() as own, grpc.aio.insecure_channel(own.address) as channel:
        method: Any = channel.unary_unary(DIRECT)
        await method(b"x")
        own.server.guests.make_room()
        assert await method(b"y", timeout=20) == b"y"


async def test_a_peer_that_vanishes_is_looked_for() -> None:
    async with limited(peer_timeout_s=30) as own:
        with ExitStack() as stack:
            await idle_clients(own, 1, stack)
            (protocol,) = own.server._protocols
            accepted = protocol._transport.get_extra_info("socket")
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 15
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000


async def test_who_pings_without_end_is_told_so() -> None:
    async with limited(min_ping_s=10) as own:
        with socket.create_connection(own.place) as client:
            said = await told(client, START + 10 * frames.frame(frames.PING, 0, 0, bytes(8)))
    assert (said.count(b"too_many_pings"), own.ended) == (1, {Ending.PINGS: 1})


@pytest.mark.parametrize("path", [DIRECT, TASK])
async def test_a_grpc_client_that_pings_in_time_keeps_its_connection(path: str) -> None:
    options = [
        ("grpc.keepalive_time_ms", 250),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    async with (
        limited(min_ping_s=0.25) as own,
        grpc.aio.insecure_channel(own.address, options) as channel,
    ):
        method: Any = channel.unary_unary(path)
        for _ in range(3):
            await method(b"x")
            await asyncio.sleep(1.5)
        assert not own.ended


async def test_a_grpc_client_that_measures_its_bandwidth_keeps_its_connection() -> None:
    """BDP pings follow the data that it gets."""
    async with (
        limited(min_ping_s=100) as own,
        grpc.aio.insecure_channel(own.address) as channel,
    ):
        method: Any = channel.unary_unary(DIRECT)
        for _ in range(30):
            await asyncio.gather(*(method(bytes(200_000)) for _ in range(8)))
        assert not own.ended


def counted(service: Service, reason: Ending) -> float:
    """Connections that a replica counts as ended for this reason."""
    name = "steerrec_connections_ended_total"
    told = service.replica.metrics.registry.get_sample_value(name, {"reason": reason.value})
    return told or 0.0


async def test_a_replica_counts_whom_it_refuses(start: Start) -> None:
    async with start(max_connections=1) as service:
        await service.recommender.Recommend(request())
        host, _, port = service.replica.addresses.grpc.rpartition(":")
        with socket.create_connection((host, int(port))) as client:
            said = await told(client)
        assert (
            b"too many connections" in said,
            counted(service, Ending.MAX_CONNECTIONS),
        ) == (
            True,
            1.0,
        )


async def test_a_lone_replicas_connections_come_of_age(start: Start) -> None:
    async with start(max_connection_age_s=1) as service:
        async with asyncio.timeout(30):
            while not counted(service, Ending.AGE):
                await service.recommender.Recommend(request())
                await asyncio.sleep(0.05)
        await service.recommender.Recommend(request())

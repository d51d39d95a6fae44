"""Our own server under bytes that no client of good will sends: nothing stays, nobody waits."""

import asyncio
import gc
import logging
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import grpc
import pytest

from service.rpc.direct import METHOD
from service.wire import frames
from service.wire.calls import TaskCall
from service.wire.direct import DirectCall
from service.wire.frames import DATA, END_STREAM, PREFACE
from service.wire.headers import encoded
from service.wire.listening import ACCEPT_AGAIN_S
from service.wire.server import WireServer
from tests.conformance.wire.raw import framed, head, raw
from tests.integration.asking import request
from tests.integration.conftest import Start
from tests.integration.test_wire_server import DIRECT, OK_TRAILERS, TASK, Begin, echo, made, serving
from tests.integration.waiting import until

AGES = "99999999H"
"""The longest deadline."""
PING = b"are you?"


def asked(stream_id: int, path: str, message: bytes = b"", **more: str) -> bytes:
    """A whole request."""
    fields = [(name.encode(), value.encode()) for name, value in head(__path=path, **more)]
    begun = frames.headers(stream_id, encoded(fields), ends=False)
    return begun + frames.frame(DATA, END_STREAM, stream_id, framed(message))


async def opened(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which nothing was said."""
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


@asynccontextmanager
async def serving_held(begin: Begin = echo) -> AsyncIterator[tuple[WireServer, str]]:
    """A server that takes in nothing of its next client yet, and its address."""
    server = made(begin)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield server, address
    await server.stop(0)


async def hold_all(server: WireServer) -> None:
    """Gives no turn to the client that comes next."""
    await until(lambda: server.n_connections > 0)
    for own in server._protocols:
        server.turns.hold(own)


@contextmanager
def no_file_more() -> Iterator[None]:
    """This process can open nothing within the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_calls_reset_before_their_first_step_leave_nothing() -> None:
    async with serving() as address:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(PREFACE + frames.settings({}))
        for stream_id in range(1, 201, 2):
            call = asked(stream_id, TASK, grpc_timeout=AGES)
            writer.write(call + frames.rst_stream(stream_id, frames.CANCEL))
        writer.write(frames.frame(frames.PING, 0, 0, PING))
        await asyncio.wait_for(reader.readuntil(PING), 10)
        writer.transport.abort()
        await asyncio.sleep(0.1)
        gc.collect()
        assert not [own for own in gc.get_objects() if type(own) is TaskCall]


async def test_that_no_file_can_be_opened_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as address:
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port))), caplog.at_level(logging.ERROR):
            with no_file_more():
                await asyncio.sleep(3 * ACCEPT_AGAIN_S)
            assert [own.name for own in caplog.records] == ["service.wire.listening"]


async def test_who_comes_while_no_file_can_be_opened_is_answered_later() -> None:
    async with serving() as address:
        host, _, port = address.rpartition(":")
        client = socket.create_connection((host, int(port)))
        with no_file_more():
            await asyncio.sleep(2 * ACCEPT_AGAIN_S)
        reader, writer = await asyncio.open_connection(sock=client)
        writer.write(PREFACE + frames.settings({}) + frames.frame(frames.PING, 0, 0, PING))
        await asyncio.wait_for(reader.readuntil(PING), 10)
        writer.close()


async def test_what_comes_while_nothing_is_taken_in_waits() -> None:
    begun: list[bytes] = []

    def begin(call: DirectCall) -> None:
        begun.append(call.message)
        call.answer(b"", OK_TRAILERS)

    async with serving_held(begin) as (server, address), raw(address) as client:
        await hold_all(server)
        replies = [client.begin(head(__path=DIRECT)) for _ in range(2)]
        for stream_id, _ in replies:
            client.send(stream_id, framed(b"%d" % stream_id), ends=True)
        await asyncio.sleep(0.1)
        before = [*begun]
        server.turns.go_on()
        for _, reply in replies:
            await client.over(reply)
        assert (before, begun) == ([], [b"1", b"3"])


async def test_who_goes_while_nothing_is_taken_in_is_forgotten() -> None:
    async with serving_held() as (server, address):
        async with raw(address) as client:
            await hold_all(server)
            client.begin(head(__path=DIRECT))
            await asyncio.sleep(0.1)
            client.close()
        await asyncio.sleep(0.1)
        server.turns.go_on()
        async with grpc.aio.insecure_channel(address) as channel:
            ask: Any = channel.unary_unary(DIRECT)
            assert await ask(b"next") == b"next"


async def test_a_flood_of_calls_gets_answers_between_its_refusals(start: Start) -> None:
    async with start(max_batch=1, queue_limit=1) as service:
        reader, writer = await opened(service.replica.addresses.grpc)
        message = request(context={"padding": "x" * 2000}).SerializeToString()
        writer.write(PREFACE + frames.settings({frames.INITIAL_WINDOW_SIZE: frames.MOST_WINDOW}))
        writer.write(b"".join(asked(2 * i + 1, METHOD, message) for i in range(100)))
        writer.write(frames.frame(frames.PING, 0, 0, PING))
        own = b""
        while own.count(b"grpc-status") < 100:
            own += await asyncio.wait_for(reader.read(65_536), 10)
        writer.close()
        assert own.count(b"grpc-status\x010") >= 10

"""Our own server over sockets: what gRPC's own has no counterpart for, and direct calls."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

import grpc
import pytest

from service.wire import frames
from service.wire.direct import DirectCall
from service.wire.headers import encoded
from service.wire.limits import ConnectionLimits
from service.wire.metadata import refusal_block, trailers_block
from service.wire.server import WireServer
from tests.conformance.wire.raw import framed, head, raw

DIRECT = "/wire.Test/Call"
TASK = "/wire.Test/Task"
MOST = 2**24
OK_TRAILERS = trailers_block((("told", "by trailers"),))

Begin = Callable[[DirectCall], None]


def echo(call: DirectCall) -> None:
    call.answer(call.message, OK_TRAILERS)


async def echo_task(request: bytes, _context: object) -> bytes:
    return request


async def echo_stream(requests: AsyncIterator[bytes], _context: object) -> AsyncIterator[bytes]:
    async for request in requests:
        yield request


def made(begin: Begin = echo, **options: Any) -> WireServer:
    server = WireServer(**{"max_message_bytes": MOST, **options})
    handler: Any = grpc.unary_unary_rpc_method_handler(echo_task)
    stream: Any = grpc.stream_stream_rpc_method_handler(echo_stream)
    handlers = {"Task": handler, "Stream": stream}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("wire.Test", handlers),))
    server.answer_directly(DIRECT, begin)
    return server


@asynccontextmanager
async def serving(begin: Begin = echo, **options: Any) -> AsyncIterator[str]:
    """The address of a server that answers DIRECT so."""
    server = made(begin, **options)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


@asynccontextmanager
async def calling(begin: Begin = echo, path: str = DIRECT, **options: Any) -> AsyncIterator[Any]:
    """Calls of a server that answers DIRECT so."""
    async with serving(begin, **options) as address:
        unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        async with grpc.aio.insecure_channel(address, unlimited) as channel:
            yield channel.unary_unary(path)


async def status(call: Any) -> tuple[grpc.StatusCode, str]:
    return await call.code(), await call.details()


async def test_a_direct_call_is_answered() -> None:
    async with calling() as method:
        assert await method(b"asked") == b"asked"


async def test_a_direct_call_tells_its_trailers() -> None:
    async with calling() as method:
        call = method(b"asked")
        assert dict(await call.trailing_metadata()) == {"told": "by trailers"}


async def test_a_client_with_threads_is_answered() -> None:
    def ask(address: str) -> bytes:
        with grpc.insecure_channel(address) as channel:
            method: Any = channel.unary_unary(DIRECT)
            return bytes(method(b"asked", timeout=10))

    async with serving() as address:
        assert await asyncio.to_thread(ask, address) == b"asked"


async def test_a_direct_call_that_is_refused_tells_why() -> None:
    block = refusal_block(8, "none left \u2013 later", (("retry", "soon"),))
    async with calling(lambda call: call.refuse(block)) as method:
        call = method(b"asked")
        told = await status(call), dict(await call.trailing_metadata())
    expected = (grpc.StatusCode.RESOURCE_EXHAUSTED, "none left \u2013 later")
    assert told == (expected, {"retry": "soon"})


async def test_a_direct_call_that_raises_is_internal() -> None:
    async with calling(_fails) as method:
        assert await status(method(b"asked")) == (grpc.StatusCode.INTERNAL, "internal error")


async def test_a_direct_call_that_raises_leaves_its_neighbours_alone() -> None:
    waiting: list[DirectCall] = []

    def begin(call: DirectCall) -> None:
        if call.message == b"fail":
            _fails(call)
        waiting.append(call)

    async with calling(begin) as method:
        neighbour = method(b"wait")
        await _until(lambda: bool(waiting))
        await method(b"fail").code()
        echo(waiting[0])
        assert await neighbour == b"wait"


def _fails(_of: object) -> None:
    raise KeyError("of ours")


async def test_a_direct_call_may_be_answered_later() -> None:
    def later(call: DirectCall) -> None:
        asyncio.get_running_loop().call_later(0.05, echo, call)

    async with calling(later) as method:
        assert await asyncio.gather(*map(method, (b"1", b"2", b"3"))) == [b"1", b"2", b"3"]


async def test_a_direct_call_knows_its_deadline() -> None:
    remaining: list[float] = []

    def begin(call: DirectCall) -> None:
        assert call.deadline is not None
        remaining.append(call.deadline - perf_counter())
        echo(call)

    async with calling(begin) as method:
        await method(b"", timeout=100)
    assert 90 < remaining[0] < 110  # who sends it rounds it up


async def test_a_direct_call_without_a_deadline_has_none() -> None:
    deadlines: list[float | None] = []

    def begin(call: DirectCall) -> None:
        deadlines.append(call.deadline)
        echo(call)

    async with calling(begin) as method:
        await method(b"")
    assert deadlines == [None]


LATE = str(grpc.StatusCode.DEADLINE_EXCEEDED.value[0])


@pytest.mark.parametrize("path", [DIRECT, TASK])
@pytest.mark.parametrize("data", [b"", framed(b"asked")[:3], framed(b"asked")[:-1]])
async def test_a_deadline_ends_a_call_whose_message_is_incomplete(path: str, data: bytes) -> None:
    async with serving() as address, raw(address) as client:
        stream_id, reply = client.begin(head(__path=path, grpc_timeout="100m"))
        if data:
            client.send(stream_id, data)
        await client.over(reply)
        assert (reply.status, reply.message) == (LATE, "Deadline Exceeded")


async def test_a_deadline_of_an_incomplete_message_ends_its_call_alone() -> None:
    async with serving() as address, raw(address) as client:
        _, late = client.begin(head(__path=DIRECT, grpc_timeout="50m"))
        stream_id, reply = client.begin(head(__path=DIRECT, grpc_timeout="60S"))
        client.send(stream_id, framed(b"asked")[:-1])
        await client.over(late)
        client.send(stream_id, b"d", ends=True)
        await client.over(reply)
        assert (late.status, reply.data) == (LATE, framed(b"asked"))


async def test_a_complete_message_leaves_its_deadline_to_the_one_who_answers() -> None:
    calls: list[DirectCall] = []
    async with serving(calls.append) as address, raw(address) as client:
        stream_id, reply = client.begin(head(__path=DIRECT, grpc_timeout="100m"))
        client.send(stream_id, framed(b"asked")[:-1])
        await asyncio.sleep(0.01)
        client.send(stream_id, b"d", ends=True)
        await asyncio.sleep(0.2)
        echo(calls[0])
        await client.over(reply)
        assert reply.status == "0"


@pytest.mark.parametrize("path", [DIRECT, TASK])
async def test_a_deadline_of_zero_is_late(path: str) -> None:
    async with serving() as address, raw(address) as client:
        reply = await client.asked(head(__path=path, grpc_timeout="0S"), framed(b"asked"))
        assert (reply.status, reply.message) == (LATE, "Deadline Exceeded")


async def test_a_direct_call_is_told_once_that_its_caller_has_gone() -> None:
    calls: list[DirectCall] = []
    told: list[bool] = []

    def begin(call: DirectCall) -> None:
        calls.append(call)
        call.on_gone = lambda: told.append(call.is_gone)

    async with calling(begin) as method:
        call = method(b"")
        await _until(lambda: bool(calls))
        call.cancel()
        await _until(lambda: bool(told))
    assert told == [True]


async def test_an_answer_to_a_caller_who_has_gone_goes_nowhere() -> None:
    calls: list[DirectCall] = []

    def begin(call: DirectCall) -> None:
        if call.message == b"wait":
            calls.append(call)
        else:
            echo(call)

    async with calling(begin) as method:
        gone = method(b"wait")
        await _until(lambda: bool(calls))
        gone.cancel()
        await _until(lambda: calls[0].is_gone)
        echo(calls[0])
        assert await method(b"next") == b"next"


async def test_a_direct_call_is_gone_with_its_connection() -> None:
    calls: list[DirectCall] = []
    async with serving(calls.append) as address:
        async with raw(address) as client:
            stream_id, _ = client.begin(head())
            client.send(stream_id, framed(b"asked"), ends=True)
            await _until(lambda: bool(calls))
        await _until(lambda: calls[0].is_gone)


@pytest.mark.parametrize("size", [0, 1, 16_384, 65_536, 2**20 + 1, MOST])
async def test_a_direct_call_carries_messages_of_every_size(size: int) -> None:
    message = bytes(size)
    async with calling() as method:
        assert await method(message) == message


async def test_a_direct_request_too_large_is_refused() -> None:
    async with calling(max_message_bytes=1000) as method:
        assert await status(method(bytes(1001))) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "SERVER: Received message larger than max (1001 vs. 1000)",
        )


async def test_a_direct_reply_too_large_is_refused() -> None:
    def begin(call: DirectCall) -> None:
        call.answer(bytes(1001), OK_TRAILERS)

    async with calling(begin, max_message_bytes=1000) as method:
        assert await status(method(b"")) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "SERVER: Sent message larger than max (1001 vs. 1000)",
        )


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_a_compressed_direct_request_is_answered(compression: grpc.Compression) -> None:
    async with calling() as method:
        assert await method(b"x" * 10_000, compression=compression) == b"x" * 10_000


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "13"),
        (framed(b"one") + framed(b"two"), "13"),
        (framed(b"cut off")[:-1], "13"),
        (framed(b"none", 1), "13"),
        (framed(b"whole"), "0"),
    ],
)
async def test_a_direct_request_is_exactly_one_message(data: bytes, expected: str) -> None:
    async with serving() as address, raw(address) as client:
        stream_id, reply = client.begin(head())
        client.send(stream_id, data, ends=True)
        await asyncio.wait_for(reply.is_over.wait(), 10)
        assert reply.status == expected


async def test_a_direct_request_of_many_messages_is_refused_before_it_ends() -> None:
    async with serving() as address, raw(address) as client:
        stream_id, reply = client.begin(head())
        client.send(stream_id, framed(b"one") + framed(b"two"))
        await asyncio.wait_for(reply.is_over.wait(), 10)
        assert reply.status == "13"


async def test_a_direct_request_in_single_bytes_is_answered() -> None:
    async with serving() as address, raw(address) as client:
        stream_id, reply = client.begin(head(grpc_encoding="gzip"))
        for byte in framed(gzip.compress(b"apart"), 1):
            client.send(stream_id, bytes((byte,)))
        client.send(stream_id, b"", ends=True)
        await asyncio.wait_for(reply.is_over.wait(), 10)
        assert reply.data == framed(b"apart")


async def test_one_who_asks_and_never_reads_is_read_no_further() -> None:
    answered = 0

    def begin(call: DirectCall) -> None:
        nonlocal answered
        answered += 1
        call.answer(bytes(60_000), OK_TRAILERS)

    async with serving(begin) as address:
        with deaf(address) as client:
            sending = asyncio.create_task(send(client, wide(2000, bytes(10_000))))
            await _until(lambda: answered > 0)
            assert await settled(lambda: answered) < 500
            sending.cancel()


async def test_a_callback_that_raises_does_not_keep_a_late_handler() -> None:
    is_cancelled = asyncio.Event()

    async def waits(_request: bytes, context: Any) -> bytes:
        context.add_done_callback(_fails)
        try:
            await asyncio.sleep(100)
        finally:
            is_cancelled.set()
        return b""

    async with calling(around=lambda _path, _own: _unary(waits), path=TASK) as method:
        await method(b"", timeout=0.5).code()
        await asyncio.wait_for(is_cancelled.wait(), 10)


def _unary(handler: Any) -> Any:
    return grpc.unary_unary_rpc_method_handler(handler)


async def test_a_port_is_held_from_its_binding() -> None:
    first, second = made(), made()
    port = first.add_insecure_port("127.0.0.1:0")
    with pytest.raises(RuntimeError, match=f"Failed to bind to address 127.0.0.1:{port}"):
        second.add_insecure_port(f"127.0.0.1:{port}")
    await first.stop(0)


async def test_a_shared_port_is_bound_twice() -> None:
    first, second = made(shares_port=True), made(shares_port=True)
    port = first.add_insecure_port("127.0.0.1:0")
    assert second.add_insecure_port(f"127.0.0.1:{port}") == port
    await first.stop(0)
    await second.stop(0)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "nowhere.invalid:0"]
)
async def test_what_is_no_address_is_not_bound(address: str) -> None:
    with pytest.raises(RuntimeError, match="Failed to bind to address"):
        made().add_insecure_port(address)


async def test_who_comes_before_the_start_is_answered_after_it() -> None:
    server = made()
    port = server.add_insecure_port("127.0.0.1:0")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        method: Any = channel.unary_unary(DIRECT)
        call = asyncio.ensure_future(method(b"early", timeout=10))
        await asyncio.sleep(0.1)
        await server.start()
        assert await call == b"early"
    await server.stop(0)


async def test_nothing_is_left_after_a_stop() -> None:
    before = asyncio.all_tasks()
    server = made()
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    async with grpc.aio.insecure_channel(address) as channel:
        call: Any = channel.stream_stream("/wire.Test/Stream")()
        await call.write(b"open")
        await call.read()
        mine = asyncio.all_tasks()
        await server.stop(0)
        call.cancel()
    assert {own for own in asyncio.all_tasks() - mine - before if not own.done()} == set()


async def test_a_stop_does_not_wait_for_who_never_reads() -> None:
    answered: list[DirectCall] = []

    def begin(call: DirectCall) -> None:
        answered.append(call)
        call.answer(bytes(MOST), OK_TRAILERS)

    server = made(begin)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    with deaf(address) as client:
        await send(client, wide(1, b""))
        await _until(lambda: len(answered) == 1)
        await asyncio.wait_for(server.stop(0), 10)


async def test_calls_at_many_ages_are_all_answered() -> None:
    """What a client sends while its connection is told to end is answered still."""

    def begin(call: DirectCall) -> None:
        asyncio.get_running_loop().call_later(0.001, echo, call)

    async def ask(method: Any) -> set[bytes]:
        return {await method(b"asked") for _ in range(300)}

    async with calling(begin, limits=ConnectionLimits(max_age_s=0.05)) as method:
        assert await asyncio.gather(*(ask(method) for _ in range(8))) == [{b"asked"}] * 8


def deaf(address: str) -> socket.socket:
    """A client that never reads, with little room for what comes."""
    own = socket.socket()
    own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, port = address.split(":")
    own.connect((host, int(port)))
    own.setblocking(False)
    return own


def wide(count: int, message: bytes) -> bytes:
    """So many direct calls of a client whose windows take every answer."""
    fields = encoded([(name.encode(), value.encode()) for name, value in head()])
    parts = [
        frames.PREFACE,
        frames.settings({frames.INITIAL_WINDOW_SIZE: 2**30}),
        frames.window_update(0, 2**30),
    ]
    for stream_id in range(1, 2 * count, 2):
        parts.append(frames.headers(stream_id, fields, ends=False))
        parts.append(frames.frame(frames.DATA, frames.END_STREAM, stream_id, framed(message)))
    return b"".join(parts)


async def send(client: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(client, data)


async def settled(value: Callable[[], int]) -> int:
    """A number, once it has not changed for a while."""
    before = -1
    while before != value():
        before = value()
        await asyncio.sleep(0.3)
    return before


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.005)

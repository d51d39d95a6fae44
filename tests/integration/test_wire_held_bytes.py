"""What our own server holds for clients is bounded, and refused beyond that to who holds most."""

import asyncio

import pytest

from service.wire import frames
from service.wire.calls import FIELD_BYTES
from service.wire.direct import DirectCall
from service.wire.frames import PREFACE
from service.wire.headers import encoded
from service.wire.memory import KEPT_SHARE
from tests.conformance.wire.raw import RawClient, Reply, framed, head, raw
from tests.integration.hostile import (
    EXHAUSTED,
    HELD,
    LARGE,
    MANY,
    MIB,
    ONE,
    SIZE,
    asked,
    attacked,
    serving,
    settled,
)
from tests.integration.test_wire_server import DIRECT, OK_TRAILERS, deaf, send

METHODS = [DIRECT, ONE]
LIMIT = 4 * MIB
SLACK = MIB
"""What may come within one turn of the loop beyond the limit."""


async def uploading(client: RawClient, path: str, count: int) -> list[Reply]:
    """Replies to so many calls, whose messages are all but complete."""
    await asked(client, DIRECT, b"first")  # the windows are known then
    replies = []
    for _ in range(count):
        stream_id, reply = client.begin(head(__path=path))
        client.send(stream_id, framed(bytes(SIZE))[:-1])
        replies.append(reply)
        await asked(client, DIRECT, b"next")
    return replies


def large_answers(count: int) -> bytes:
    """So many calls of a client whose windows take every answer."""
    block = encoded([(name.encode(), value.encode()) for name, value in head(__path=LARGE)])
    message = framed(b"%d" % SIZE)
    parts = [
        PREFACE,
        frames.settings({frames.INITIAL_WINDOW_SIZE: 2**30}),
        frames.window_update(0, 2**30),
    ]
    for stream_id in range(1, 2 * count, 2):
        parts.append(frames.headers(stream_id, block, ends=False))
        parts.append(frames.frame(frames.DATA, frames.END_STREAM, stream_id, message))
    return b"".join(parts)


@pytest.mark.parametrize("path", METHODS)
async def test_a_second_message_of_a_unary_call_is_refused_at_once(path: str) -> None:
    async with serving() as (_, address), raw(address) as client:
        stream_id, reply = client.begin(head(__path=path))
        client.send(stream_id, framed(b"") * 2)
        await client.over(reply)
        assert (reply.status, reply.reset) == ("13", frames.NO_ERROR)


@pytest.mark.parametrize("path", METHODS)
async def test_a_flood_of_messages_within_a_unary_call_is_not_held(path: str) -> None:
    async with attacked() as (_, address, honest), raw(address) as client:
        await asked(client, DIRECT, b"first")
        stream_id, reply = client.begin(head(__path=path))
        client.send(stream_id, framed(b"") * 100_000)
        await client.over(reply)
        assert reply.status == "13"
    assert honest.most_held < SLACK


async def test_empty_messages_of_a_stream_take_no_more_than_their_bytes() -> None:
    async with serving() as (server, address), raw(address) as client:
        await asked(client, DIRECT, b"first")
        stream_id, _ = client.begin(head(__path=MANY))
        client.send(stream_id, framed(HELD) + framed(b"") * 100_000)
        await asked(client, DIRECT, b"next")
        assert server.memory.held_bytes == 500_000


@pytest.mark.parametrize("path", METHODS)
async def test_unfinished_messages_beyond_the_limit_of_a_connection_are_refused(path: str) -> None:
    async with (
        attacked(max_connection_bytes=LIMIT) as (_, address, honest),
        raw(address) as client,
    ):
        replies = await uploading(client, path, 12)
        await honest.answered(3)
        assert EXHAUSTED in {reply.status for reply in replies}
    assert LIMIT / 2 < honest.most_held < LIMIT + SLACK


async def test_of_unfinished_messages_as_many_are_kept_as_the_limit_allows() -> None:
    async with serving(max_connection_bytes=LIMIT) as (server, address), raw(address) as client:
        replies = await uploading(client, DIRECT, 12)
        assert server.memory.held_bytes >= KEPT_SHARE * LIMIT - SIZE
        assert None in {reply.status for reply in replies}


async def test_of_equal_calls_the_newest_are_refused() -> None:
    """The limit is exceeded while the fifth call has sent less than those before it."""
    async with serving(max_connection_bytes=LIMIT) as (_, address), raw(address) as client:
        replies = await uploading(client, DIRECT, 5)
        expected = [None, None, EXHAUSTED, EXHAUSTED, None]
        assert [reply.status for reply in replies] == expected


async def test_calls_of_the_connections_that_hold_most_are_refused_for_the_process() -> None:
    async with (
        attacked(max_held_bytes=LIMIT) as (_, address, honest),
        raw(address) as first,
        raw(address) as second,
        raw(address) as third,
    ):
        small = await uploading(third, DIRECT, 1)
        large = [await uploading(own, DIRECT, 3) for own in (first, second)]
        assert EXHAUSTED in {reply.status for replies in large for reply in replies}
        assert small[0].status is None
    assert honest.most_held < LIMIT + SLACK


async def test_a_refusal_because_of_the_bytes_held_is_counted_by_its_limit() -> None:
    reasons: list[str] = []
    async with (
        serving(cut=reasons.append, max_connection_bytes=LIMIT) as (_, address),
        raw(address) as client,
    ):
        await uploading(client, DIRECT, 5)
    assert reasons == ["connection", "connection"]


async def test_the_request_of_a_call_is_held_until_it_ends() -> None:
    async with serving() as (server, address), raw(address) as client:
        await asked(client, DIRECT, b"first")
        stream_id, _ = client.begin(head(__path=ONE))
        client.send(stream_id, framed(HELD.ljust(SIZE)), ends=True)
        await asked(client, DIRECT, b"next")
        assert server.memory.held_bytes == SIZE
        client.reset(stream_id)
        await settled(server)


async def test_a_call_that_runs_is_refused_for_what_it_holds() -> None:
    async with serving(max_held_bytes=SIZE // 2) as (_, address), raw(address) as client:
        await asked(client, DIRECT, b"first")
        reply = await asked(client, ONE, HELD.ljust(SIZE))
        assert reply.status == EXHAUSTED


async def test_a_direct_call_that_waits_is_told_that_it_was_refused() -> None:
    calls: list[DirectCall] = []
    told: list[bool] = []

    def begin(call: DirectCall) -> None:
        if call.message == b"first":
            call.answer(b"", OK_TRAILERS)
            return
        calls.append(call)
        call.on_gone = lambda: told.append(call.is_gone)

    async with serving(begin, max_held_bytes=3 * SIZE // 2) as (_, address), raw(address) as client:
        await asked(client, DIRECT, b"first")
        stream_id, reply = client.begin(head(__path=DIRECT))
        client.send(stream_id, framed(bytes(SIZE)), ends=True)
        await asked(client, DIRECT, b"first")
        stream_id, _ = client.begin(head(__path=ONE))
        client.send(stream_id, framed(bytes(SIZE))[:-1])
        await client.over(reply)
        assert (reply.status, told, calls[0].message) == (EXHAUSTED, [True], b"")


async def test_metadata_of_open_calls_are_held() -> None:
    async with serving() as (server, address), raw(address) as client:
        client.begin(head(*((f"key-{number}", "x") for number in range(100)), __path=ONE))
        await asked(client, DIRECT, b"next")
        assert server.memory.held_bytes == 100 * FIELD_BYTES


async def test_messages_of_a_stream_that_were_read_are_not_held() -> None:
    async with serving() as (server, address), raw(address) as client:
        await asked(client, DIRECT, b"first")
        stream_id, reply = client.begin(head(__path=MANY))
        client.send(stream_id, framed(b"x" * SIZE))
        async with asyncio.timeout(10):
            while not reply.data:
                await asyncio.sleep(0.01)
        assert server.memory.held_bytes == 0


async def test_answers_that_a_client_does_not_read_are_bounded() -> None:
    async with (
        attacked(max_connection_bytes=LIMIT) as (_, address, honest),
        raw(address, reads=False) as client,
    ):
        replies = [client.begin(head(__path=LARGE)) for _ in range(50)]
        for stream_id, _ in replies:
            client.send(stream_id, framed(b"%d" % SIZE), ends=True)
        async with asyncio.timeout(10):
            while EXHAUSTED not in {reply.status for _, reply in replies}:
                await asyncio.sleep(0.01)
        await honest.answered(3)
    assert LIMIT / 2 < honest.most_held < LIMIT + SLACK


async def test_answers_that_wait_for_a_socket_are_bounded() -> None:
    """A client with the largest windows that reads nothing from its socket."""
    async with attacked(max_connection_bytes=LIMIT) as (server, address, honest):
        with deaf(address) as client:
            await send(client, large_answers(50))
            async with asyncio.timeout(10):
                while server.memory.held_bytes < LIMIT / 2:
                    await asyncio.sleep(0.01)
            await honest.answered(3)
    assert LIMIT / 2 < honest.most_held < LIMIT + SLACK


async def test_sockets_of_clients_that_do_not_read_are_closed_for_the_process() -> None:
    async with attacked(max_held_bytes=LIMIT) as (server, address, honest):
        clients = [deaf(address) for _ in range(8)]
        for client in clients:
            await send(client, large_answers(3))
        async with asyncio.timeout(10):
            while server.n_connections > 8:
                await asyncio.sleep(0.01)
        await honest.answered(3)
        for client in clients:
            client.close()
    assert honest.most_held < LIMIT + SLACK


async def test_header_blocks_without_an_end_are_bounded_for_the_process() -> None:
    begun = PREFACE + frames.settings({})
    begun += frames.frame(frames.HEADERS, 0, 1, bytes(16_000))
    begun += frames.frame(frames.CONTINUATION, 0, 1, bytes(16_000)) * 3
    async with attacked(max_held_bytes=LIMIT) as (server, address, honest):
        clients = [deaf(address) for _ in range(100)]
        for client in clients:
            await send(client, begun)
            await asyncio.sleep(0)
        await honest.answered(3)
        assert server.n_connections > 40  # no more of them are cut off than hold too much
        for client in clients:
            client.close()
    assert LIMIT / 2 < honest.most_held < LIMIT + SLACK


async def test_who_reads_late_gets_every_answer_that_fits() -> None:
    async with serving() as (_, address):
        with deaf(address) as client:
            await send(client, large_answers(20))
            await asyncio.sleep(0.3)
            loop, received = asyncio.get_running_loop(), 0
            async with asyncio.timeout(20):
                while received < 20 * SIZE:
                    received += len(await loop.sock_recv(client, 2**16))

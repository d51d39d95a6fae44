"""What no stock client sends: at our server as at gRPC's own."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest

from tests.conformance.wire.both import (
    MAX_MESSAGE_BYTES,
    Context,
    Served,
    alike,
    both_ways,
    echo,
    echo_stream,
    in_stream,
    out_stream,
    unary,
)
from tests.conformance.wire.raw import Reply, framed, head, raw

Told = tuple[Any, ...]


def told(reply: Reply) -> Told:
    """What of a reply has to be alike."""
    return (
        reply.headers.get(":status"),
        reply.headers.get("content-type"),
        reply.status,
        reply.message,
        reply.data,
    )


def sending(
    data: bytes, *more: tuple[str, str], **changed: str | None
) -> Callable[[Served], Awaitable[Told]]:
    """A client with one request; the fields are those of `head`."""

    async def ask(own: Served) -> Told:
        async with raw(own.address) as client:
            return told(await client.asked(head(*more, **changed), data))

    return ask


def code(ask: Callable[[Served], Awaitable[Told]]) -> Callable[[Served], Awaitable[object]]:
    """The same client, of which only the status counts."""

    async def only(own: Served) -> object:
        return (await ask(own))[2]

    return only


def number(status: grpc.StatusCode) -> str:
    """As it is sent."""
    return str(status.value[0])


async def test_a_raw_request_is_answered_alike() -> None:
    answer = await alike(unary(echo), sending(framed(b"x")))
    assert answer == ("200", "application/grpc", "0", "", framed(b"x"))


@pytest.mark.parametrize("flag", [1, 2])
async def test_a_strange_flag_ends_alike(flag: int) -> None:
    await alike(unary(echo), code(sending(framed(b"abc", flag))))


@pytest.mark.parametrize("data", [framed(b"abc")[:-1], b"\0", framed(b"a") + b"\0\0"])
async def test_a_stream_that_ends_within_a_message_ends_alike(data: bytes) -> None:
    await alike(both_ways(echo_stream), code(sending(data)))


async def test_a_length_beyond_everything_ends_alike() -> None:
    ask = code(sending(b"\0\xff\xff\xff\xff" + b"x" * 100))
    assert await alike(unary(echo), ask) == number(grpc.StatusCode.RESOURCE_EXHAUSTED)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_bytes_that_do_not_decompress_end_alike(encoding: str) -> None:
    await alike(unary(echo), code(sending(framed(b"nonsense", 1), ("grpc-encoding", encoding))))


async def test_a_bomb_ends_alike() -> None:
    bomb = zlib.compress(bytes(2 * MAX_MESSAGE_BYTES), 9)
    ask = code(sending(framed(bomb, 1), ("grpc-encoding", "deflate")))
    assert await alike(unary(echo), ask) == number(grpc.StatusCode.RESOURCE_EXHAUSTED)


async def test_a_compressed_message_without_an_encoding_ends_alike() -> None:
    await alike(unary(echo), code(sending(framed(zlib.compress(b"x"), 1))))


async def test_a_plain_message_beside_an_encoding_is_answered_alike() -> None:
    ask = sending(framed(b"x"), ("grpc-encoding", "gzip"))
    assert (await alike(unary(echo), ask))[4] == framed(b"x")


@pytest.mark.parametrize("timeout", ["", "x", "1", "S", "1x", "-1S", "1.5S", "1 S", "S1"])
async def test_a_timeout_that_is_none_is_taken_alike(timeout: str) -> None:
    ask = sending(framed(b"x"), ("grpc-timeout", timeout))
    await alike(unary(echo), ask)


@pytest.mark.parametrize(
    "timeout", ["5H", "5M", "5S", "99999999m", "99999999u", "99999999H", "123456789S"]
)
async def test_every_unit_of_a_timeout_is_taken_alike(timeout: str) -> None:
    async def remaining(_request: bytes, context: Context) -> bytes:
        left = context.time_remaining()
        return b"%d" % round(left or -1, -1 if timeout[-1] != "S" else 0)

    ask = sending(framed(b"x"), ("grpc-timeout", timeout))
    assert (await alike(unary(remaining), ask))[2] == "0"


@pytest.mark.parametrize("timeout", ["0n", "0S", "1n"])
async def test_a_timeout_that_is_over_ends_alike(timeout: str) -> None:
    async def slow(request: bytes, _context: Context) -> bytes:
        await asyncio.sleep(5)
        return request

    ask = code(sending(framed(b"x"), ("grpc-timeout", timeout)))
    assert await alike(unary(slow), ask) != "0"


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS"])
async def test_another_method_of_http_is_refused_by_both(method: str) -> None:
    async def is_refused(own: Served) -> bool:
        answer = await sending(framed(b"x"), __method=method)(own)
        return bool(answer[0] != "200" or answer[2] != "0")

    assert await alike(unary(echo), is_refused)


@pytest.mark.parametrize(
    "more",
    [
        ("x-bin", "not base64!"),
        ("x-bin", "AAE"),
        ("x-bin", "AAE="),
        ("x", "\u00fc"),
        ("x", "%20"),
        ("grpc-internal-x", "1"),
        ("user-agent", "curl/7"),
        ("cookie", "a=b"),
        ("grpc-accept-encoding", "gzip"),
        ("lb-token", "x"),
        ("grpc-previous-rpc-attempts", "2"),
        ("accept-encoding", "gzip"),
    ],
    ids=repr,
)
async def test_a_handler_sees_strange_fields_alike(more: tuple[str, str]) -> None:
    async def handler(_request: bytes, context: Context) -> bytes:
        return repr(sorted(map(tuple, context.invocation_metadata() or ()))).encode()

    await alike(unary(handler), sending(framed(b"x"), more))


async def test_a_message_in_many_frames_is_answered_alike() -> None:
    async def ask(own: Served) -> Told:
        async with raw(own.address) as client:
            stream_id, reply = client.begin(head())
            for byte in framed(b"abcdef"):
                client.send(stream_id, bytes([byte]))
                await asyncio.sleep(0)
            client.send(stream_id, b"", ends=True)
            await client.over(reply)
            return told(reply)

    assert (await alike(unary(echo), ask))[4] == framed(b"abcdef")


async def test_two_messages_in_one_frame_are_answered_alike() -> None:
    data = framed(b"a") + framed(b"") + framed(b"b")
    assert (await alike(both_ways(echo_stream), sending(data)))[4] == data


async def test_pings_are_answered_alike() -> None:
    async def ask(own: Served) -> list[bytes]:
        async with raw(own.address) as client:
            client.ping(b"12345678")
            await client.asked(head(), framed(b"x"))
            return client.pongs

    assert await alike(unary(echo), ask) == [b"12345678"]


@pytest.mark.parametrize("kind", ["unary", "out_stream", "in_stream", "both_ways"])
async def test_a_lost_connection_ends_the_handler_alike(kind: str) -> None:
    ends: list[str] = []
    begun, ended = asyncio.Event(), asyncio.Event()

    async def waits() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise
        finally:
            ended.set()

    async def reply(_request: Any, _context: Context) -> bytes:
        await waits()
        return b""

    async def replies(_request: Any, _context: Context) -> AsyncIterator[bytes]:
        yield b"first"
        await waits()

    async def ask(own: Served) -> list[str]:
        begun.clear()
        ended.clear()
        async with raw(own.address) as client:
            stream_id, _ = client.begin(head())
            client.send(stream_id, framed(b"x"), ends=kind in ("unary", "out_stream"))
            await begun.wait()
        async with asyncio.timeout(10):
            await ended.wait()
        return ends[-1:]

    handlers = {
        "unary": unary(reply),
        "out_stream": out_stream(replies),
        "in_stream": in_stream(reply),
        "both_ways": both_ways(replies),
    }
    assert await alike(handlers[kind], ask) == ["cancelled"]

"""Callers who read or write slowly, and handlers that do: memory is bounded at both servers.

The bounds are not alike, nor need they be: gRPC's own grow with the round trip. Each is some
messages of what a caller would otherwise get, or get rid of, without end.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from tests.conformance.wire.both import (
    METHOD,
    Context,
    Served,
    alike,
    asking,
    both_ways,
    echo_stream,
    in_stream,
    out_stream,
)
from tests.conformance.wire.raw import framed, head, raw

MESSAGE = b"x" * 65_536
MANY = 2000
"""Messages of 64 KiB, many times of what any window holds."""
SOME = 500
"""Of them, what may be on its way."""


async def settled(count: list[int]) -> int:
    """The count once it stays."""
    before = -1
    while before < count[0]:
        before = count[0]
        await asyncio.sleep(0.3)
    return before


async def test_a_handler_that_writes_much_waits_for_a_client_who_does_not_read() -> None:
    made = [0]

    async def handler(_request: bytes, _context: Context) -> AsyncIterator[bytes]:
        for _ in range(MANY):
            made[0] += 1
            yield MESSAGE

    async def ask(own: Served) -> bool:
        made[0] = 0
        async with raw(own.address, reads=False) as client:
            stream_id, _ = client.begin(head())
            client.send(stream_id, framed(b""), ends=True)
            return 0 < await settled(made) < SOME

    assert await alike(out_stream(handler), ask)


async def test_a_client_who_reads_late_gets_everything() -> None:
    async def handler(_request: bytes, _context: Context) -> AsyncIterator[bytes]:
        for number in range(200):
            yield b"%06d" % number + MESSAGE

    async def ask(own: Served) -> object:
        async with grpc.aio.insecure_channel(own.address) as channel:
            method: Any = channel.unary_stream(METHOD)
            call = method(b"")
            await asyncio.sleep(0.2)
            read = [int(message[:6]) async for message in call]
            return read == [*range(200)], await call.code()

    assert await alike(out_stream(handler), ask) == (True, grpc.StatusCode.OK)


async def test_a_client_who_writes_much_waits_for_a_handler_that_does_not_read() -> None:
    goes = asyncio.Event()

    async def handler(requests: AsyncIterator[bytes], _context: Context) -> bytes:
        await goes.wait()
        return b"%d" % sum([1 async for _ in requests])

    async def ask(own: Served) -> tuple[bool, bytes]:
        goes.clear()
        written = [0]
        async with grpc.aio.insecure_channel(own.address) as channel:
            call: Any = channel.stream_unary(METHOD)()

            async def write() -> None:
                for _ in range(SOME + 100):
                    await call.write(MESSAGE)
                    written[0] += 1
                await call.done_writing()

            writing = asyncio.create_task(write())
            is_bounded = 0 < await settled(written) < SOME
            goes.set()
            await writing
            return is_bounded, await call

    assert await alike(in_stream(handler), ask) == (True, b"%d" % (SOME + 100))


async def test_an_echo_whose_client_does_not_read_takes_no_more() -> None:
    async def ask(own: Served) -> tuple[bool, bool]:
        written = [0]
        async with grpc.aio.insecure_channel(own.address) as channel:
            call: Any = channel.stream_stream(METHOD)()

            async def write() -> None:
                for _ in range(SOME + 100):
                    await call.write(MESSAGE)
                    written[0] += 1
                await call.done_writing()

            writing = asyncio.create_task(write())
            is_bounded = 0 < await settled(written) < SOME
            count = sum([1 async for _ in call])
            await writing
            return is_bounded, count == SOME + 100

    assert await alike(both_ways(echo_stream), ask) == (True, True)


async def test_one_who_does_not_read_holds_nobody_else_back() -> None:
    async def handler(request: bytes, _context: Context) -> AsyncIterator[bytes]:
        for _ in range(MANY if request else 1):
            yield MESSAGE

    async def ask(own: Served) -> object:
        async with raw(own.address, reads=False) as client:
            stream_id, _ = client.begin(head())
            client.send(stream_id, framed(b"much"), ends=True)
            await asyncio.sleep(0.1)
            return (await asking(gets_many=True, timeout=10)(own)).code

    assert await alike(out_stream(handler), ask) is grpc.StatusCode.OK


async def test_a_handler_that_waits_for_window_is_cancelled_with_its_caller() -> None:
    ends = [0]

    async def handler(_request: bytes, context: Context) -> None:
        try:
            for _ in range(MANY):
                await context.write(MESSAGE)
        except BaseException:
            ends[0] += 1
            raise

    async def ask(own: Served) -> int:
        ends[0] = 0
        async with raw(own.address, reads=False) as client:
            stream_id, _ = client.begin(head())
            client.send(stream_id, framed(b""), ends=True)
            await asyncio.sleep(0.3)
            client.reset(stream_id)
            async with asyncio.timeout(10):
                while not ends[0]:
                    await asyncio.sleep(0.01)
        return ends[0]

    assert await alike(out_stream(handler), ask) == 1


async def test_a_generator_whose_caller_goes_is_closed() -> None:
    ends = [0]

    async def handler(_request: bytes, _context: Context) -> AsyncIterator[bytes]:
        try:
            for _ in range(MANY):
                yield MESSAGE
        finally:
            ends[0] += 1

    async def ask(own: Served) -> int:
        ends[0] = 0
        async with raw(own.address, reads=False) as client:
            stream_id, _ = client.begin(head())
            client.send(stream_id, framed(b""), ends=True)
            await asyncio.sleep(0.3)
            client.reset(stream_id)
            async with asyncio.timeout(10):
                while not ends[0]:
                    await asyncio.sleep(0.01)
        return ends[0]

    assert await alike(out_stream(handler), ask) == 1

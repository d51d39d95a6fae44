"""Deadlines, cancels and callers who go: at our server as at gRPC's own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest

from tests.conformance.wire.both import (
    METHOD,
    Context,
    Served,
    alike,
    asking,
    both_ways,
    in_stream,
    out_stream,
    streaming,
    unary,
    untold,
)


class Witness:
    """What handlers saw."""

    def __init__(self) -> None:
        self.has_begun = asyncio.Event()
        self.has_ended = asyncio.Event()
        self.ends: list[str] = []

    async def waits(self) -> None:
        """Waits for ever, and remembers how that ended."""
        self.has_begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.ends.append("cancelled")
            raise
        finally:
            self.has_ended.set()

    def asking(self, ask: Callable[[Served], Awaitable[Any]]) -> Callable[[Served], Awaitable[Any]]:
        """The same client; the handler's end is awaited and told as well."""

        async def both(own: Served) -> Any:
            self.__init__()  # type: ignore[misc]
            told = await ask(own)
            async with asyncio.timeout(10):
                await self.has_ended.wait()
            return told, self.ends

        return both


@pytest.fixture
def witness() -> Witness:
    """Of one test."""
    return Witness()


def handlers(witness: Witness) -> dict[str, Any]:
    """A handler of each kind that waits for ever."""

    async def reply(_request: Any, _context: Context) -> bytes:
        await witness.waits()
        return b""

    async def replies(_request: Any, _context: Context) -> AsyncIterator[bytes]:
        yield b"first"
        await witness.waits()

    return {
        "unary": unary(reply),
        "out_stream": out_stream(replies),
        "in_stream": in_stream(reply),
        "both_ways": both_ways(replies),
    }


def client(kind: str, **options: Any) -> Any:
    """What asks a handler of one kind, with one message."""
    if kind in ("unary", "out_stream"):
        return asking(b"x", gets_many=kind == "out_stream", **options)
    return streaming(b"x", gets_many=kind == "both_ways", **options)


KINDS = ("unary", "out_stream", "in_stream", "both_ways")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_deadline_ends_the_call_and_its_handler_alike(kind: str, witness: Witness) -> None:
    ask = witness.asking(untold(client(kind, timeout=0.3)))
    told, ends = await alike(handlers(witness)[kind], ask)
    assert (told.code, ends) == (grpc.StatusCode.DEADLINE_EXCEEDED, ["cancelled"])


@pytest.mark.parametrize("kind", KINDS)
async def test_a_cancel_ends_the_handler_alike(kind: str, witness: Witness) -> None:
    async def cancel(own: Served) -> object:
        async with grpc.aio.insecure_channel(own.address) as channel:
            call: Any = getattr(channel, handler_kind(kind))(METHOD)
            running = call(b"x") if kind in ("unary", "out_stream") else call()
            if kind in ("in_stream", "both_ways"):
                await running.write(b"x")
            await witness.has_begun.wait()
            running.cancel()
            return await running.code()

    told, ends = await alike(handlers(witness)[kind], witness.asking(cancel))
    assert (told, ends) == (grpc.StatusCode.CANCELLED, ["cancelled"])


def handler_kind(kind: str) -> str:
    """gRPC's name of a kind."""
    return {
        "unary": "unary_unary",
        "out_stream": "unary_stream",
        "in_stream": "stream_unary",
        "both_ways": "stream_stream",
    }[kind]


async def test_a_handler_that_swallows_its_cancel_ends_the_call_alike() -> None:
    async def handler(request: bytes, _context: Context) -> bytes:
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            return request
        return b"slept"

    told = await alike(unary(handler), untold(asking(b"x", timeout=0.3)))
    assert told.code is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_what_a_stream_sent_before_its_deadline_comes_alike() -> None:
    async def handler(_request: bytes, _context: Context) -> AsyncIterator[bytes]:
        yield b"first"
        yield b"second"
        await asyncio.sleep(20)

    told = await alike(out_stream(handler), untold(asking(gets_many=True, timeout=0.5)))
    assert (told.code, told.messages) == (
        grpc.StatusCode.DEADLINE_EXCEEDED,
        (b"first", b"second"),
    )


async def test_a_client_that_stops_writing_early_is_answered_alike() -> None:
    async def handler(requests: AsyncIterator[bytes], _context: Context) -> AsyncIterator[bytes]:
        read = [own async for own in requests]
        for message in read:
            await asyncio.sleep(0.05)
            yield message

    told = await alike(both_ways(handler), streaming(b"a", b"b"))
    assert told.messages == (b"a", b"b")


async def test_a_handler_that_ends_before_its_caller_is_told_alike() -> None:
    async def handler(requests: AsyncIterator[bytes], _context: Context) -> AsyncIterator[bytes]:
        yield await anext(requests)

    async def ask(own: Served) -> object:
        async with grpc.aio.insecure_channel(own.address) as channel:
            call: Any = channel.stream_stream(METHOD)()
            await call.write(b"x")
            read = [await call.read(), await call.read() is grpc.aio.EOF]
            return read, await call.code()

    assert await alike(both_ways(handler), ask) == ([b"x", True], grpc.StatusCode.OK)

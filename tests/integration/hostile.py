"""Our own server under clients that cost it memory or time, beside one that does not."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from service.wire.direct import DirectCall
from service.wire.server import WireServer
from tests.conformance.wire.raw import RawClient, Reply, framed, head
from tests.integration.test_wire_server import DIRECT, OK_TRAILERS, Begin, made

MIB = 2**20
SIZE = 1_000_000
"""Bytes of a message that fits the window of its stream."""
ONE, MANY, LARGE = "/wire.Memory/One", "/wire.Memory/Many", "/wire.Memory/Large"
HELD = b"hold"
"""Beginning of a message that is never answered."""
FAIL = b"fail"
"""Beginning of a message at which the handler fails."""
EXHAUSTED = str(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])


def answer(call: DirectCall) -> None:
    """Answer a call with the first byte of its message."""
    if call.message.startswith(FAIL):
        raise ValueError("a fault of the handler")
    if not call.message.startswith(HELD):
        call.answer(call.message[:1], OK_TRAILERS)


async def one(request: bytes, _context: object) -> bytes:
    """The same for a task."""
    if request.startswith(FAIL):
        raise ValueError("a fault of the handler")
    if request.startswith(HELD):
        await asyncio.sleep(60)
    return request[:1]


async def many(requests: AsyncIterator[bytes], context: object) -> AsyncIterator[bytes]:
    """The same for a stream."""
    async for request in requests:
        yield await one(request, context)


async def large(request: bytes, _context: object) -> bytes:
    """An answer of as many bytes as the message says."""
    return bytes(int(request))


def methods() -> Any:
    """Handlers of ONE, MANY and LARGE."""
    unary: Any = grpc.unary_unary_rpc_method_handler(one)
    stream: Any = grpc.stream_stream_rpc_method_handler(many)
    sized: Any = grpc.unary_unary_rpc_method_handler(large)
    handlers = {"One": unary, "Many": stream, "Large": sized}
    return grpc.method_handlers_generic_handler("wire.Memory", handlers)


@asynccontextmanager
async def serving(begin: Begin = answer, **options: Any) -> AsyncIterator[tuple[WireServer, str]]:
    """A server with DIRECT and the methods above, and its address."""
    logging.getLogger("service.wire").setLevel(logging.CRITICAL)
    server = made(begin, **options)
    server.add_generic_rpc_handlers((methods(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield server, f"127.0.0.1:{port}"
    finally:
        await server.stop(0)
        logging.getLogger("service.wire").setLevel(logging.NOTSET)


class Honest:
    """A client that calls again and again while another misbehaves; each call must succeed."""

    def __init__(self, server: WireServer, address: str) -> None:
        self.outcomes: list[str] = []
        """Status of each call."""
        self.most_held = 0
        """Largest number of bytes that the server held meanwhile."""
        self._server = server
        self._address = address

    async def __aenter__(self) -> "Honest":
        self._task = asyncio.create_task(self._call())
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.answered(3)
        self._task.cancel()
        await asyncio.wait([self._task])
        assert set(self.outcomes) == {"OK"}

    async def answered(self, count: int) -> None:
        """Waits for so many more answers."""
        most = len(self.outcomes) + count
        async with asyncio.timeout(30):
            while len(self.outcomes) < most and not self._task.done():
                await asyncio.sleep(0.01)

    async def _call(self) -> None:
        async with grpc.aio.insecure_channel(self._address) as channel:
            method: Any = channel.unary_unary(DIRECT)
            while True:
                code = await method(b"honest", timeout=10).code()
                self.outcomes.append(code.name)
                self.most_held = max(self.most_held, self._server.memory.held_bytes)


@asynccontextmanager
async def attacked(**options: Any) -> AsyncIterator[tuple[WireServer, str, Honest]]:
    """A server with an honest client, whose every call must succeed."""
    async with serving(**options) as (server, address), Honest(server, address) as honest:
        yield server, address, honest


async def asked(client: RawClient, path: str, message: bytes, **more: str) -> Reply:
    """The reply to a whole request."""
    return await client.asked(head(__path=path, **more), framed(message))


async def settled(server: WireServer) -> None:
    """Waits until no call is in progress, and what the last one held is released."""
    async with asyncio.timeout(10):
        while server.memory.held_bytes or any(own.calls for own in server._protocols):
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)


async def main() -> None:
    """Serves until it is ended; tells its address."""
    options: dict[str, Any] = {
        name: int(value) for name, value in (own.split("=") for own in sys.argv[1:])
    }
    async with serving(**options) as (_, address):
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())

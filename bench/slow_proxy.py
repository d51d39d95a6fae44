"""A TCP proxy that can hold every reply back for a while."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

CHUNK_BYTES = 65_536


class SlowProxy:
    """Forwards to a port of loopback."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.delay_s = 0.0
        """How long each piece of a reply is held back."""
        self.port = 0
        """Where it listens."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forwards one connection, until either side ends it."""
        try:
            answers, questions = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.close()
            return
        ends, copies = {writer, questions}, asyncio.current_task()
        self._writers |= ends
        self._tasks |= {copies} if copies else set()
        try:
            await asyncio.gather(
                self._copy(reader, questions, is_reply=False),
                self._copy(answers, writer, is_reply=True),
                return_exceptions=True,
            )
        finally:
            self._writers -= ends

    async def _copy(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_reply: bool
    ) -> None:
        try:
            while piece := await source.read(CHUNK_BYTES):
                if is_reply:
                    await asyncio.sleep(self.delay_s)
                sink.write(piece)
                await sink.drain()
        finally:
            sink.close()

    async def cut(self) -> None:
        """Ends every connection, and waits for its end."""
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def slow_proxy(target_port: int) -> AsyncIterator[SlowProxy]:
    """A proxy in front of a port of loopback, with a port of its own."""
    proxy = SlowProxy(target_port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.cut()
        await server.wait_closed()

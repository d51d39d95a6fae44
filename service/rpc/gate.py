"""The gate that calls come in by: it counts those inside, and closes for the drain.

gRPC's own stop ends calls that it has read and not yet handed over as CANCELLED, which clients do
not try again. A closed gate answers them UNAVAILABLE with a pause to keep, which they do.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from time import monotonic

from service.errors import Draining


class Gate:
    """Open until it is closed, once."""

    def __init__(self) -> None:
        self._inside = 0
        self._is_closed = False
        self._empty = asyncio.Event()
        self._knocked_at = 0.0
        self._waits: set[asyncio.Timeout] = set()

    @contextmanager
    def passed(self) -> Iterator[None]:
        """A call that is inside for the block.

        Raises:
            Draining: the gate is closed.
        """
        self.enter()
        try:
            yield
        finally:
            self.leave()

    def enter(self) -> None:
        """A call comes in, and leaves once by `leave`.

        Raises:
            Draining: the gate is closed.
        """
        if self._is_closed:
            self._knocked_at = monotonic()
            raise Draining
        self._inside += 1

    def leave(self) -> None:
        """A call that came in has ended."""
        self._inside -= 1
        if self._is_closed and not self._inside:
            self._empty.set()

    def refuse_if_closed(self) -> None:
        """Ends a long call that is inside once the drain has begun.

        Raises:
            Draining: the gate is closed.
        """
        if self._is_closed:
            raise Draining

    @asynccontextmanager
    async def until_closed(self) -> AsyncIterator[None]:
        """What is awaited within the block is given up once the drain begins.

        Raises:
            Draining: the gate is closed.
        """
        self.refuse_if_closed()
        try:
            async with asyncio.timeout(None) as wait:
                self._waits.add(wait)
                try:
                    yield
                finally:
                    self._waits.discard(wait)
        except TimeoutError:
            raise Draining from None

    async def close(self, timeout_s: float) -> None:
        """Lets nobody in any more, and waits so long for those inside to leave."""
        self._is_closed = True
        for wait in self._waits:
            wait.reschedule(asyncio.get_running_loop().time())
        if self._inside:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), timeout_s)

    async def quiet(self, quiet_s: float, timeout_s: float) -> None:
        """Waits until nobody has been refused for so long, or the time is over."""
        start = monotonic()
        while monotonic() - max(start, self._knocked_at) < quiet_s:
            if monotonic() - start >= timeout_s:
                return
            await asyncio.sleep(min(quiet_s, 0.05))

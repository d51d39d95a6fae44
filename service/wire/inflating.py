"""Compressed messages: inflated in bounded steps, and large ones for a share of the loop's time.

A few kilobytes can inflate to the largest message. Inflating them where they arrive would let one
connection at 1 MB/s occupy the loop.
"""

import asyncio
import logging
import zlib
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Final, TypeAlias

import grpc

from service.wire.unacceptable import Unacceptable

GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS
WINDOWS: Final = {"deflate": zlib.MAX_WBITS, "gzip": GZIP_WINDOW}
"""Compressions that are read, by the value of grpc-encoding."""
STEP_BYTES: Final = 65_536
"""Largest output of one step: what is inflated at once where a message arrives."""
INPUT_BYTES: Final = 16_384
"""Largest input of one step."""
MAX_RATIO: Final = 500
"""Largest ratio of inflated to compressed bytes. Runs of one byte reach 1,000; a batch of equal
requests reaches 200."""
ANY_RATIO_BYTES: Final = 2**18
"""Size up to which the ratio may be any."""
TURN_S: Final = 0.001
"""Time of one turn of inflating; its last step may exceed it."""
PAUSE_RATIO: Final = 3.0
"""Pause after a turn, as a multiple of its time: inflating takes a quarter of the loop."""

Outcome: TypeAlias = bytes | Exception
log = logging.getLogger(__name__)


class Inflation:
    """Inflates one message step by step; it stops as soon as the result would be too large."""

    def __init__(self, encoding: str, message: bytes, max_bytes: int) -> None:
        """Prepare it.

        Args:
            encoding: value of grpc-encoding.
            message: compressed.
            max_bytes: largest result.

        Raises:
            Unacceptable: the encoding names no compression, or one that is not supported.
        """
        if encoding not in WINDOWS:
            raise _unsupported(encoding)
        self._window = WINDOWS[encoding]
        self._message = memoryview(message)
        self._max_bytes = max_bytes
        self._begin()

    def _begin(self) -> None:
        self._size = self._read = 0
        self._zlib = zlib.decompressobj(self._window)
        self._parts: list[bytes] = []

    @property
    def held_bytes(self) -> int:
        """Bytes of the message and of what was inflated so far."""
        return len(self._message) + self._size

    def at_once(self) -> bytes | None:
        """The whole result if one step yields it; None: later steps begin anew.

        Raises:
            Unacceptable: it cannot be inflated, or its result would be too large.
        """
        if (message := self.step()) is None:
            self._begin()  # many may wait for their turn: none holds a part of its result
        return message

    def step(self) -> bytes | None:
        """The whole result; None: there is more to inflate.

        Raises:
            Unacceptable: it cannot be inflated, or its result would be too large.
        """
        most = min(STEP_BYTES, self._max_bytes + 1 - self._size)
        given = self._zlib.unconsumed_tail or self._next_input()
        try:
            part = self._zlib.decompress(given, most)
        except zlib.error:
            raise _broken() from None
        self._parts.append(part)
        self._size += len(part)
        self._check_size()
        if self._zlib.eof:
            return b"".join(self._parts)
        if not part and not given:
            raise _broken()
        return None

    def _next_input(self) -> memoryview:
        begin = self._read
        self._read = min(begin + INPUT_BYTES, len(self._message))
        return self._message[begin : self._read]

    def _check_size(self) -> None:
        if self._size > self._max_bytes:
            details = "Decompressed message larger than max"
            raise Unacceptable(grpc.StatusCode.RESOURCE_EXHAUSTED, details)
        consumed = self._read - len(self._zlib.unconsumed_tail)
        if self._size > max(ANY_RATIO_BYTES, MAX_RATIO * consumed):
            details = f"Decompressed message over {MAX_RATIO} times its size: send it uncompressed"
            raise Unacceptable(grpc.StatusCode.RESOURCE_EXHAUSTED, details)


def _unsupported(encoding: str) -> Unacceptable:
    """The refusal that gRPC's compression.md asks for."""
    if encoding == "identity":
        details = "a compressed message, and grpc-encoding names no compression"
        return Unacceptable(grpc.StatusCode.INTERNAL, details)
    details = f"grpc-encoding {encoding!r} is not supported: {', '.join(WINDOWS)} are"
    return Unacceptable(grpc.StatusCode.UNIMPLEMENTED, details)


def _broken() -> Unacceptable:
    return Unacceptable(grpc.StatusCode.INTERNAL, "Failed to decompress")


class Job:
    """One message in the inflater; delivers its result once, unless it is cancelled."""

    def __init__(
        self,
        inflation: Inflation,
        done: Callable[[Outcome], None],
        grown: Callable[[int], None],
    ) -> None:
        """Make it.

        Args:
            inflation: of the message.
            done: takes the message, or the `Unacceptable` that says why there is none.
            grown: takes the number of bytes that the message and its result hold so far.
        """
        self._inflation: Inflation | None = inflation
        self._done: Callable[[Outcome], None] | None = done
        self._grown = grown

    def cancel(self) -> None:
        """Drop what was inflated; nothing is delivered any more."""
        self._inflation = self._done = None

    def run(self, until_s: float) -> bool:
        """Inflate until the clock of `perf_counter` shows `until_s`; whether the job is over."""
        while (inflation := self._inflation) is not None:
            try:
                message = inflation.step()
            except Unacceptable as fault:
                self._deliver(fault)
                return True
            if message is not None:
                self._deliver(message)
                return True
            self._grown(inflation.held_bytes)
            if perf_counter() >= until_s:
                return self._inflation is None
        return True

    def _deliver(self, outcome: Outcome) -> None:
        done = self._done
        self.cancel()
        if done is not None:
            done(outcome)


class Inflater:
    """Runs jobs for at most a quarter of the loop's time; connections take turns."""

    def __init__(self) -> None:
        self._lines: dict[object, deque[Job]] = {}
        """Jobs by connection, the connection of the next turn first."""
        self._is_scheduled = False

    def put(self, connection: object, job: Job) -> None:
        """Run a job, after those of the same connection."""
        self._lines.setdefault(connection, deque()).append(job)
        if not self._is_scheduled:
            self._schedule(0.0)

    def _schedule(self, delay_s: float) -> None:
        self._is_scheduled = True
        asyncio.get_running_loop().call_later(delay_s, self._turn)

    def _turn(self) -> None:
        begun = perf_counter()
        connection = next(iter(self._lines))
        jobs = self._lines.pop(connection)
        try:
            is_over = jobs[0].run(begun + TURN_S)
        except Exception:
            log.exception("an inflated message could not be delivered")
            is_over = True
        if is_over:
            jobs.popleft()
        if jobs:
            self._lines[connection] = jobs
        self._is_scheduled = False
        if self._lines:
            self._schedule(PAUSE_RATIO * (perf_counter() - begun))

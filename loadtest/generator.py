"""Sends calls and notes when: at their time (open loop), or after each other (closed loop).

Latency is from when a call was due, not from when it was sent. A caller that arrives while the
service stalls waits too; counting from the send would leave that wait out (coordinated omission).
"""

import asyncio
import math
import time
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import count, islice

from loadtest.status_names import CANCELLED
from loadtest.tally import OK, Answer, Tally, Timing

Call = Callable[[int], Awaitable[Answer]]
"""Makes the call of a number, and never raises but when it is cancelled."""

LONGEST_SLEEP_S = 0.1
"""So that a stop is seen soon at low rates."""
GRACE_S = 2.0
"""For answers to calls in flight when the load is stopped early."""

now = time.monotonic
"""The same clock in every process of a machine."""


class Generator:
    """One process's part of a load."""

    def __init__(
        self,
        call: Call,
        window_starts_s: Sequence[float],
        *,
        end_s: float = math.inf,
        skip_first: int = 0,
        count_errors: bool = False,
        clock: Callable[[], float] = now,
    ) -> None:
        """Nothing is sent yet.

        Args:
            call: how a call is made.
            window_starts_s: seconds after the start at which each window begins, the first 0.
            end_s: when the last window ends.
            skip_first: calls with smaller numbers are not counted.
            count_errors: whether calls that failed are timed.
            clock: seconds; what `start` is told on.
        """
        self.tallies = [Tally() for _ in window_starts_s]
        """One for each window, by when a call was due."""
        self.in_flight = 0
        """Calls that have no answer yet."""
        self.most_in_flight = 0
        """The most at any time."""
        self.is_stopped = False
        """Set it to end early."""
        self._call = call
        self._starts = list(window_starts_s)
        self._end_s = end_s
        self._skip_first = skip_first
        self._count_errors = count_errors
        self._clock = clock

    async def open_loop(
        self, sends: Iterable[tuple[int, float]], start: float, most_in_flight: int
    ) -> None:
        """Sends each call at its time, whatever became of those before.

        Args:
            sends: number of each call, and seconds after the start at which it is due.
            start: on the clock.
            most_in_flight: beyond it a call is dropped when it is due.
        """
        running: set[asyncio.Task[None]] = set()
        for number, due_s in sends:
            if not await self._is_due(start + due_s):
                break
            if self.in_flight >= most_in_flight:
                self._window(due_s).dropped += number >= self._skip_first
                continue
            task = asyncio.create_task(self._send(number, start, due_s))
            self._flies(+1)
            running.add(task)
            task.add_done_callback(running.discard)
        await self._finished(running)

    async def closed_loop(
        self, numbers: Iterator[int], start: float, *, callers: int, duration_s: float
    ) -> None:
        """Keeps so many calls in flight until the numbers or the time run out."""

        async def caller() -> None:
            for number in numbers:
                if self.is_stopped or self._clock() - start >= duration_s:
                    return
                self._flies(+1)
                await self._send(number, start, self._clock() - start)

        await self._is_due(start)
        await self._finished({asyncio.create_task(caller()) for _ in range(callers)})

    async def _is_due(self, moment: float) -> bool:
        """Waits for it; False: stopped before."""
        while not self.is_stopped:
            left_s = moment - self._clock()
            # also when late, so that answers are read between two sends
            await asyncio.sleep(min(max(left_s, 0.0), LONGEST_SLEEP_S))
            if left_s <= LONGEST_SLEEP_S:
                return True
        return False

    async def _send(self, number: int, start: float, due_s: float) -> None:
        sent = self._clock()
        try:
            answer = await self._call(number)
        except asyncio.CancelledError:
            answer = Answer(CANCELLED, "stopped early")
        finally:
            self._flies(-1)
        if number >= self._skip_first:
            is_timed = self._count_errors or answer.status == OK
            timing = Timing(start + due_s, sent, self._clock())
            self._window(due_s).record(answer, timing, is_timed=is_timed)
            if answer.status == OK and timing.ended - start < self._end_s:
                self._window(timing.ended - start).answered += 1

    async def _finished(self, running: set[asyncio.Task[None]]) -> None:
        """Waits for the calls in flight; when stopped, only a little."""
        while running and not self.is_stopped:
            await asyncio.wait(running, timeout=LONGEST_SLEEP_S)
            running = {task for task in running if not task.done()}
        if running:
            _, late = await asyncio.wait(running, timeout=GRACE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _flies(self, change: int) -> None:
        self.in_flight += change
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def _window(self, due_s: float) -> Tally:
        return self.tallies[max(0, bisect_right(self._starts, due_s) - 1)]


def share_of(sends: Iterable[float], index: int, processes: int) -> Iterator[tuple[int, float]]:
    """The sends that one of several processes makes, each with its number in the whole load."""
    return islice(enumerate(sends), index, None, processes)


def numbers_of(total: int | None, index: int, processes: int) -> Iterator[int]:
    """The numbers that one of several processes calls in a closed loop."""
    return count(index, processes) if total is None else iter(range(index, total, processes))

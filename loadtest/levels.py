"""When calls are sent: a load is a staircase of rates, and every profile is one.

The stairs are those of ghz (load/pacer.go), so that one config means one load in both.
"""

import math
from collections.abc import Iterable, Iterator
from itertools import accumulate, count, groupby
from typing import NamedTuple

from loadtest.errors import LoadRefused

LINE_STEP_S = 1.0
"""ghz's line is a stair a second."""
MAX_STEPS = 100_000
"""Of a load: more would fill the memory before the first call."""
LEAST_CALLS = 1e-9
"""Below it a remainder of calls is rounding."""


class Level(NamedTuple):
    """One rate for a while."""

    rate: float
    """Calls a second."""
    duration_s: float
    """How long; may be infinite."""

    @property
    def calls(self) -> float:
        """What it sends."""
        return 0.0 if self.rate == 0 else self.rate * self.duration_s


class Stairs(NamedTuple):
    """A rate that changes in steps."""

    start: float
    """Calls a second in the beginning."""
    step: float
    """What each step adds; below 0 it falls."""
    step_s: float
    """How long each step takes."""
    end: float = 0.0
    """The rate that it stops changing at; 0: none."""
    changes_for_s: float = 0.0
    """How long it changes at most, after which it stays; 0: as long as it lasts."""

    def rate(self, index: int) -> float:
        """Calls a second on a step; never below 0."""
        return max(0.0, self.start + self.step * index)

    @property
    def constant_from_s(self) -> float:
        """When it stops changing."""
        if self.changes_for_s:
            return self.changes_for_s
        if not self.end:
            return math.inf
        return max(0, math.floor((self.end - self.start) / self.step) + 1) * self.step_s

    @property
    def last_rate(self) -> float:
        """Calls a second once it has stopped changing."""
        if self.end or not self.changes_for_s:
            return self.end
        return self.rate(int(self.changes_for_s / self.step_s))


def constant(rate: float) -> Iterator[Level]:
    """The same rate without end."""
    yield Level(rate, math.inf)


def stairs(shape: Stairs) -> Iterator[Level]:
    """The steps, and then the last rate without end.

    Raises:
        LoadRefused: they are more than anybody waits for.
    """
    for index in count():
        if index > MAX_STEPS:
            remedy = "longer steps, or larger ones"
            raise LoadRefused([f"load-step: more than {MAX_STEPS:,} steps; give {remedy}"])
        left_s = shape.constant_from_s - index * shape.step_s
        if left_s <= 0:
            break
        yield Level(shape.rate(index), min(shape.step_s, left_s))
    yield Level(shape.last_rate, math.inf)


def bounded(
    levels: Iterable[Level], *, duration_s: float = math.inf, total: float = math.inf
) -> tuple[Level, ...]:
    """The levels up to a time or a number of calls; neighbours of one rate are one.

    At least one bound must be finite, and with `total` alone the levels must send that many.
    """
    return tuple(
        Level(rate, sum(level.duration_s for level in same))
        for rate, same in groupby(_cut(levels, duration_s, total), key=lambda level: level.rate)
    )


def _cut(levels: Iterable[Level], left_s: float, left: float) -> Iterator[Level]:
    for level in levels:
        for_calls_s = left / level.rate if level.rate else math.inf
        duration_s = min(level.duration_s, left_s, for_calls_s)
        yield Level(level.rate, duration_s)
        left_s -= duration_s
        left -= level.rate * duration_s
        if left_s <= 0 or left <= LEAST_CALLS:
            return


def send_times(levels: Iterable[Level]) -> Iterator[float]:
    """Seconds after the start at which each call is due: evenly spaced within a level.

    What is left of an interval at the end of a level is waited for at the next one's rate.
    """
    start_s, owed = 0.0, 0.0
    for level in levels:
        due = max(0, math.ceil(level.calls - owed - LEAST_CALLS))
        for index in range(due):
            yield start_s + (owed + index) / level.rate
        owed += due - level.calls
        start_s += level.duration_s


def starts_s(levels: Iterable[Level]) -> list[float]:
    """When each level starts; one more than there are, the last is the end."""
    return [0.0, *accumulate(level.duration_s for level in levels)]

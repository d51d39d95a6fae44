"""What a load measured, as figures; how they are printed is the command's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from loadtest.levels import Level, starts_s
from loadtest.load import Load
from loadtest.tally import Tally, sum_of

MOST_STEPS = 24
"""Levels shown one by one; more are shown in parts of equal length."""
PARTS = 10
"""Windows of a load that has no steps to show."""
LATE_S = 1e-3
"""Below it nobody minds the generator's lateness."""
LATE_SHARE = 0.1
"""Of the latency, at the same percentile: above it the generator is a part of the figure."""
BUSY_CORES = 0.9
"""Above it a process of the generator is at its own limit."""


class Window(NamedTuple):
    """A part of a load."""

    start_s: float
    """Seconds after the start."""
    end_s: float
    """The same; infinite where only the number of calls is given."""
    rate: float | None
    """Calls due a second; None: a closed loop."""


class Part(NamedTuple):
    """What one process of the generator has done."""

    tallies: list[Tally]
    """One for each window."""
    total_s: float
    """From the start to the last answer."""
    most_in_flight: int
    """At any time."""
    cores: float
    """Processor time over time."""


@dataclass(frozen=True)
class Result:
    """What a load measured."""

    load: Load
    """What was asked for."""
    windows: tuple[Window, ...]
    """Its parts."""
    tallies: tuple[Tally, ...]
    """What came of each."""
    total_s: float
    """From the start to the last answer."""
    most_in_flight: int
    """At any time, at most: the sum over the processes."""
    cores: float
    """Processor time over time of the busiest process of the generator."""
    end: str
    """normal, timeout (the duration was over) or cancel, as in ghz."""

    @property
    def whole(self) -> Tally:
        """All windows as one."""
        return sum_of(list(self.tallies))

    @property
    def is_late(self) -> bool:
        """Whether the generator itself is a notable part of the latencies."""
        whole = self.whole
        bearable_s = max(LATE_S, LATE_SHARE * whole.latency.percentile_s(99))
        return self.load.is_open and whole.lag.percentile_s(99) > bearable_s

    @property
    def is_busy(self) -> bool:
        """Whether a process of the generator was at its own limit."""
        return self.cores > BUSY_CORES


def windows_of(load: Load) -> tuple[Window, ...]:
    """Each step of a load that has steps; else parts of equal length."""
    if not load.is_open:
        return tuple(_parts(0.0, load.duration_s))
    starts = starts_s(load.levels)
    if load.profile == "step" and len(load.levels) <= MOST_STEPS:
        spans = zip(starts, starts[1:], load.levels, strict=False)
        return tuple(Window(start, end, level.rate) for start, end, level in spans)
    return tuple(
        Window(start, end, _mean_rate(load.levels, starts, start, end))
        for start, end, _ in _parts(0.0, starts[-1])
    )


def result_of(load: Load, parts: Sequence[Part], *, is_cancelled: bool) -> Result:
    """What the processes of the generator measured, together."""
    windows = windows_of(load)
    return Result(
        load=load,
        windows=windows,
        tallies=tuple(sum_of([part.tallies[i] for part in parts]) for i in range(len(windows))),
        total_s=max(part.total_s for part in parts),
        most_in_flight=sum(part.most_in_flight for part in parts),
        cores=max(part.cores for part in parts),
        end="cancel" if is_cancelled else "normal" if load.total is not None else "timeout",
    )


def _parts(start_s: float, end_s: float) -> list[Window]:
    if end_s == float("inf"):
        return [Window(start_s, end_s, None)]
    width_s = (end_s - start_s) / PARTS
    return [Window(i * width_s, (i + 1) * width_s, None) for i in range(PARTS)]


def _mean_rate(
    levels: Sequence[Level], starts: Sequence[float], start_s: float, end_s: float
) -> float:
    """Calls due a second between two moments."""
    shared = (
        level.rate * max(0.0, min(end_s, own + level.duration_s) - max(start_s, own))
        for level, own in zip(levels, starts, strict=False)
    )
    return sum(shared) / (end_s - start_s)

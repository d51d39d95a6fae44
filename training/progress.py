"""How far a step of training has come: reported by the steps, shown by whoever called them.

On a terminal there is a bar for each step. Elsewhere there are plain lines: at the start and the
end of each step, at each epoch, and every half minute in between.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, Final, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column

from training.study.clock import in_words

LINE_EVERY_S: Final = 30.0
"""Longest silence off a terminal."""
UNITS: Final = {
    "base model": "epochs",
    "hidden states": "positions",
    "sae": "steps",
    "feature cards": "features",
    "effects": "features",
    "effect cards of features": "features",
    "effect cards of groups": "groups",
    "evaluation": "slates",
}
"""What a step counts."""
EACH_UNIT: Final = frozenset({"base model"})
"""Steps of which every unit gets a line: few, and each with a figure of its own."""

Forecast = Mapping[str, float]
"""Seconds that each step of a run will take, by its name in reports."""


class Report(Protocol):
    """Takes news of a step."""

    def __call__(self, step: str, done: float, total: int, note: str = "") -> None:
        """`done` of `total` units of `step` are done; `note` is the newest figure.

        A step is reported with what is done already when it starts, most often 0.
        """


def silent(step: str, done: float, total: int, note: str = "") -> None:
    """A report that nobody reads."""


def part_of(report: Report, number: int, n_parts: int) -> Report:
    """A report of one of several equally long parts, numbered from 0, of what `report` is told."""

    def told(step: str, done: float, total: int, note: str = "") -> None:
        report(step, number * total + done, n_parts * total, note)

    return told


@dataclass
class Going:
    """A step under way."""

    step: str
    """Its name."""
    began: float
    """Seconds of the clock at its first report."""
    first: float
    """Units that were done by then."""
    done: float
    """Units done."""
    total: int
    """Units in all."""
    note: str
    """The newest figure."""
    newest: float = 0.0
    """Seconds of the clock at its last report."""

    @property
    def is_over(self) -> bool:
        """Whether every unit is done."""
        return self.done >= self.total

    def left_s(self, now: float) -> float | None:
        """Seconds to its end at the pace so far; None: nothing is done yet."""
        if self.done <= self.first:
            return None
        return (now - self.began) / (self.done - self.first) * (self.total - self.done)

    def share(self) -> str:
        """`12 of 40 epochs`, or `12 %` of a step that is one unit."""
        if self.total <= 1:
            return f"{100 * self.done:.0f} %" if 0 < self.done < self.total else ""
        done = f"{self.done:,.1f}".removesuffix(".0")
        return f"{done} of {self.total:,} {UNITS.get(self.step, '')}".rstrip()


@dataclass
class Steps:
    """The steps of a run as they are reported, and how long the rest takes."""

    forecast: Forecast = field(default_factory=dict)
    """Of the steps to come."""
    clock: Callable[[], float] = time.monotonic
    """Seconds."""
    seen: dict[str, Going] = field(default_factory=dict)
    """Steps that have begun, by name."""

    def reported(self, step: str, done: float, total: int, note: str) -> Going:
        """The step after a report of it."""
        going = self.seen.get(step)
        if going is None or done < going.done:  # the same step once more, of another model
            going = self.seen[step] = Going(step, self.clock(), done, done, total, note)
        going.done, going.total, going.note = done, total, note or going.note
        going.newest = self.clock()
        return going

    def left_s(self, going: Going) -> float | None:
        """Seconds to the end of the run; None: not known.

        The step's own pace, or the forecast until it has one, and the forecast of what follows.
        """
        own = going.left_s(self.clock())
        if own is None:
            own = self.forecast.get(going.step)
        to_come = [self.forecast[step] for step in self.forecast if step not in self.seen]
        return None if own is None else own + sum(to_come)

    def left(self, going: Going) -> str:
        """`about 7 min left, 12 min of all steps`; empty where nothing is known yet."""
        own, whole = going.left_s(self.clock()), self.left_s(going)
        if own is None or whole is None or going.is_over:
            return ""
        of_all = f", {in_words(whole)} of all steps" if whole > own + 1 else ""
        return f"about {in_words(own)} left{of_all}"


@contextmanager
def progress_bars(
    console: Console | None = None, forecast: Forecast | None = None
) -> Iterator[Report]:
    """A report that draws one bar for each step, or prints lines where there is no terminal.

    Args:
        console: to draw on; None: stdout.
        forecast: what the steps are expected to take.
    """
    shown, steps = console or Console(), Steps(forecast or {})
    with _bars(shown, steps) if shown.is_terminal else progress_lines(shown.file, steps) as report:
        yield report


@contextmanager
def _bars(console: Console, steps: Steps) -> Iterator[Report]:
    columns = (
        TextColumn("{task.description:<18}"),
        BarColumn(),
        MofNCompleteColumn(table_column=Column(min_width=9)),
        TimeElapsedColumn(table_column=Column(min_width=7)),
        TextColumn("{task.fields[note]}"),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console) as bars:
        tasks = {}

        def report(step: str, done: float, total: int, note: str = "") -> None:
            going = steps.reported(step, done, total, note)
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total, note=note, left="")
            left = steps.left(going)
            bars.update(tasks[step], completed=done, total=total, note=going.note, left=left)

        yield report


@contextmanager
def progress_lines(
    stream: IO[str], steps: Steps, every_s: float = LINE_EVERY_S
) -> Iterator[Report]:
    """A report that prints plain lines.

    Args:
        stream: to print to.
        steps: of the run.
        every_s: seconds after which a step that says nothing gets a line all the same.
    """
    lines = _Lines(stream, steps)
    ended = threading.Event()

    def remind() -> None:
        while not ended.wait(every_s):
            lines.remind(every_s)

    thread = threading.Thread(target=remind, name="progress", daemon=True)
    thread.start()
    try:
        yield lines
    finally:
        ended.set()
        thread.join()


class _Lines:
    """Prints a line where a step begins or ends, and when it is asked to."""

    def __init__(self, stream: IO[str], steps: Steps) -> None:
        self._stream = stream
        self._steps = steps
        self._going: Going | None = None
        self._lock = threading.Lock()
        self._printed = steps.clock()

    def __call__(self, step: str, done: float, total: int, note: str = "") -> None:
        with self._lock:
            before = self._steps.seen.get(step)
            units, was_over = (int(before.done), before.is_over) if before else (0, False)
            going = self._going = self._steps.reported(step, done, total, note)
            if going is not before:
                self._print(f"{step}: started{self._expected(going)}")
            ends = going.is_over and not (was_over and going is before)
            if ends or (step in EACH_UNIT and int(done) > units):
                self._print(self._line(going))

    def remind(self, every_s: float) -> None:
        """Print where the run is, unless a line was printed within half of so many seconds."""
        with self._lock:
            if self._going and self._steps.clock() - self._printed >= every_s / 2:
                self._print(self._reminder(self._going))

    def _expected(self, going: Going) -> str:
        known = self._steps.forecast.get(going.step)
        parts = (going.share(), f"about {in_words(known)}" if known else "")
        return "".join(f", {part}" for part in parts if part)

    def _reminder(self, going: Going) -> str:
        if not going.is_over:
            return self._line(going)
        silent_s = self._steps.clock() - going.newest
        return f"still working, {in_words(silent_s)} since {going.step} was done"

    def _line(self, going: Going) -> str:
        taken = in_words(self._steps.clock() - going.began)
        time_told = f"done in {taken}" if going.is_over else f"{taken} so far"
        parts = (going.share(), going.note, time_told, self._steps.left(going))
        return f"{going.step}: {', '.join(part for part in parts if part)}"

    def _print(self, line: str) -> None:
        self._printed = self._steps.clock()
        with suppress(OSError, ValueError):  # a closed stream: progress is not the result
            self._stream.write(f"{line}\n")
            self._stream.flush()

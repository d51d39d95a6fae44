"""A study's progress on a terminal: which part runs, its steps, and the time left of all."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column
from rich.text import Text

from training.study.clock import Clock, in_words

FINE = 1000
"""Units of the study's own bar."""
SAID_EVERY_S = 60.0
"""Seconds between lines on a running step where there is no terminal to draw on."""


class _Amount(ProgressColumn):
    """Units done of a step, or the time left of the study."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(Column(min_width=18))
        self._clock = clock

    def render(self, task: Task) -> Text:
        """What stands right of the bar."""
        if task.fields["is_study"]:
            return Text(f"about {in_words(self._clock.left_s())} left")
        return Text(f"{task.completed:.0f}/{task.total or 0:.0f}")


class StudyBars:
    """A bar for the study and one for each step of the running part; a line for each part done."""

    def __init__(self, console: Console, clock: Clock, parts: Sequence[str]) -> None:
        """Draws nothing before it is entered.

        Args:
            console: where it is drawn.
            clock: of the same study.
            parts: names of all, in order.
        """
        self._clock = clock
        self._parts = parts
        self._said = time.monotonic()
        self._bars = Progress(
            TextColumn("{task.description:<26}"),
            BarColumn(),
            _Amount(clock),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
        )
        self._study = self._bars.add_task("study", total=FINE, note="", is_study=True)
        self._steps: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def began(self, part: str) -> None:
        """The part runs from now on."""
        self._drop_steps()
        place = f"{self._parts.index(part) + 1} of {len(self._parts)}"
        self._bars.update(self._study, description=f"{part}, {place}")
        self._say(f"{part}: began; about {in_words(self._clock.left_s())} left for all")

    def step(self, step: str, done: float, total: int, note: str = "") -> None:
        """`done` of `total` units of a step of the running part are done."""
        if step not in self._steps:
            self._steps[step] = self._bars.add_task(
                f"  {step}", total=total, note=note, is_study=False
            )
        self._bars.update(self._steps[step], completed=done, total=total, note=note)
        self._advance()
        if not self._bars.console.is_terminal and time.monotonic() - self._said > SAID_EVERY_S:
            left = in_words(self._clock.left_s())
            units = f"{done:.1f}".removesuffix(".0")
            self._say(f"  {step} {units}/{total} {note}; about {left} left for all")

    def ended(self, part: str, seconds: float) -> None:
        """The part is done."""
        self._say(f"{part}: done in {in_words(seconds)}")
        self._advance()

    def kept(self, part: str) -> None:
        """The part was done by an earlier run."""
        self._say(f"{part}: done before")
        self._advance()

    def _advance(self) -> None:
        self._bars.update(self._study, completed=FINE * self._clock.done_share())

    def _drop_steps(self) -> None:
        for task in self._steps.values():
            self._bars.remove_task(task)
        self._steps.clear()

    def _say(self, sentence: str) -> None:
        self._said = time.monotonic()
        self._bars.console.print(sentence, highlight=False, soft_wrap=True)

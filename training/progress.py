"""How far a step of training has come: reported by the steps, shown by whoever called them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column


class Report(Protocol):
    """Takes news of a step."""

    def __call__(self, step: str, done: int, total: int, note: str = "") -> None:
        """`done` of `total` units of `step` are done; `note` is the newest figure."""


def silent(step: str, done: int, total: int, note: str = "") -> None:
    """A report that nobody reads."""


@contextmanager
def progress_bars(console: Console | None = None) -> Iterator[Report]:
    """A report that draws one bar for each step."""
    columns = (
        TextColumn("{task.description:<18}"),
        BarColumn(),
        MofNCompleteColumn(table_column=Column(min_width=9)),
        TimeElapsedColumn(table_column=Column(min_width=7)),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as bars:
        tasks = {}

        def report(step: str, done: int, total: int, note: str = "") -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total, note=note)
            bars.update(tasks[step], completed=done, total=total, note=note)

        yield report

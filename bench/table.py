"""What is measured, and the table of it: medians, and ratios between cells of one run."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from rich import box
from rich.console import Console
from rich.table import Table

COLUMNS = (
    *("what", "per second", "p50 ms", "p99 ms", "client ms"),
    *("of the model", "of the roofline"),
)
WIDTH = 120


class Kind(StrEnum):
    """What answers."""

    EMPTY = "empty handler"
    """gRPC without a model."""
    MODEL = "model"
    """The bundle's graphs alone; the encoder is one of them where there are rules."""
    EDITED = "model and edits"
    """The steered forward pass, without gRPC."""
    SERVICE = "service"
    """All of it; it keeps no hidden states."""
    KEEPING = "service that keeps states"
    """The same with a cache of hidden states."""


SERVED = frozenset({Kind.SERVICE, Kind.KEEPING})
"""What answers calls with slates."""


@dataclass
class Cell:
    """One thing that is measured, and what came of it."""

    kind: Kind
    width: int
    """Calls in flight, or rows of a batch."""
    n_rules: int
    """Per request."""
    measure: Callable[[], dict[str, float]]
    results: list[dict[str, float]] = field(default_factory=list)
    """One per repetition."""

    @property
    def name(self) -> str:
        """As the table shows it."""
        is_called = self.kind in {Kind.EMPTY, *SERVED}
        rules = "" if self.kind is Kind.EMPTY else f"{self.n_rules or 'no'} rules, "
        width = f"{self.width} in flight" if is_called else f"batch {self.width}"
        return f"{self.kind}, {rules}{width}"

    @property
    def rate(self) -> float:
        """Answers a second, median."""
        return self.median("per_s") or 0.0

    def median(self, figure: str) -> float | None:
        """Over the repetitions; None: this cell has no such figure."""
        values = [result[figure] for result in self.results if figure in result]
        return statistics.median(values) if values else None


def show(cells: Sequence[Cell], title: str) -> None:
    """Prints the table, as Markdown."""
    table = Table(box=box.MARKDOWN)
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "what" else "right")
    for cell in cells:
        table.add_row(cell.name, *_figures(cell, cells))
    console = Console(width=WIDTH, highlight=False)
    console.print(title, soft_wrap=True)
    console.print(table)


def show_kept(cells: Sequence[Cell]) -> None:
    """Prints what keeping states is worth, as Markdown: ratios to the same service without."""
    table = Table(box=box.MARKDOWN)
    for column in ("with states kept, over without", "per second", "p50", "p99"):
        table.add_column(column, justify="left" if column.startswith("with") else "right")
    for cell in (own for own in cells if own.kind is Kind.KEEPING):
        plain = next(
            own
            for own in cells
            if own.kind is Kind.SERVICE and (own.width, own.n_rules) == (cell.width, cell.n_rules)
        )
        table.add_row(
            f"{cell.n_rules or 'no'} rules, {cell.width} in flight",
            *(_ratio(cell, plain, figure) for figure in ("per_s", "p50_ms", "p99_ms")),
        )
    Console(width=WIDTH, highlight=False).print(table)


def _ratio(cell: Cell, other: Cell, figure: str) -> str:
    """Median over the repetitions of what one is of the other in the same repetition."""
    pairs = zip(cell.results, other.results, strict=True)
    return f"{statistics.median(own[figure] / plain[figure] for own, plain in pairs):.2f}"


def _figures(cell: Cell, cells: Sequence[Cell]) -> Iterator[str]:
    yield f"{cell.rate:,.0f}"
    for figure in ("p50_ms", "p99_ms", "client_ms"):
        value = cell.median(figure)
        yield f"{value:.2f}" if value is not None else ""
    yield "" if cell.kind is Kind.EMPTY else f"{cell.rate / model_rate(cells, cell.n_rules):.2f}"
    if cell.kind in SERVED:
        yield f"{cell.rate / roofline(cells, cell.n_rules, cell.width):.2f}"


def model_rate(cells: Sequence[Cell], n_rules: int) -> float:
    """What the graphs answer a second at the batch size that suits them best."""
    return max(own.rate for own in cells if own.kind is Kind.MODEL and own.n_rules == n_rules)


def roofline(cells: Sequence[Cell], n_rules: int, in_flight: int) -> float:
    """Calls a second of one process that does an empty call and the model's work by turns."""
    empty = next(own for own in cells if own.kind is Kind.EMPTY and own.width == in_flight)
    return 1 / (1 / empty.rate + 1 / model_rate(cells, n_rules))

"""What was measured of each server, and what it comes to beside ours."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from rich import box
from rich.console import Console
from rich.table import Table

from bench.peers.contenders import Contender

CLOSED = (1, 8, 32, 64)
"""Calls in flight of the closed loops; the more, the better the curve that equal p99 is read of."""
SHOWN = (1, 8, 64)
"""Of these there are rows."""
OPEN_SHARES = (0.5, 0.8)
"""Rates of the open loops, of what ours answers at 64 in flight."""
ONE_QUESTION = "64, one question, h2load"
COLUMNS = ("server", "tuning", "load", "per second", "p50 ms", "p99 ms", "server ms", "failed")
RATIOS = ("ours over it", "at ours' p99")
WIDTH = 200

Load = int | str
"""Calls in flight, or the name of another load."""
Figures = dict[str, float]


@dataclass
class Measured:
    """One server's figures, one of each load in each repetition."""

    contender: Contender
    results: dict[Load, list[Figures]] = field(default_factory=dict)

    def add(self, load: Load, figures: Figures) -> None:
        """Takes one repetition's."""
        self.results.setdefault(load, []).append(figures)

    def median(self, load: Load, figure: str) -> float | None:
        """Over the repetitions; None: there is no such figure."""
        values = [own[figure] for own in self.results.get(load, []) if figure in own]
        return statistics.median(values) if values else None

    def rates(self, load: Load) -> list[float]:
        """Answers a second, by repetition."""
        return [own["per_s"] for own in self.results.get(load, [])]

    def curve(self, repetition: int) -> list[tuple[float, float]]:
        """Rate and p99 of each closed loop that was answered, fewer calls in flight first."""
        loops = [self.results[load][repetition] for load in CLOSED if load in self.results]
        return [(own["per_s"], own["p99_ms"]) for own in loops if own["per_s"]]


def rate_within(curve: Sequence[tuple[float, float]], p99_ms: float) -> float:
    """The highest rate at which p99 is not above a bound; 0: there is none.

    Between two loops of which only one keeps to the bound, rate and p99 go in a straight line.
    """
    best = max((rate for rate, own in curve if own <= p99_ms), default=0.0)
    for (rate, own), (next_rate, next_own) in pairwise(curve):
        low, high = sorted((own, next_own))
        if low <= p99_ms < high:
            share = (p99_ms - own) / (next_own - own)
            best = max(best, rate + share * (next_rate - rate))
    return best


def best_of_ours(measured: Sequence[Measured], load: Load) -> Measured:
    """Ours in the number of processes that answers most."""
    ours = [own for own in measured if own.contender.is_ours]
    return max(ours, key=lambda own: own.median(load, "per_s") or 0.0)


def over(ours: Measured, other: Measured, load: Load) -> float | None:
    """Median of ours' rate over the other's, repetition by repetition."""
    pairs = zip(ours.rates(load), other.rates(load), strict=False)
    ratios = [own / its for own, its in pairs if its]
    return statistics.median(ratios) if ratios else None


def over_at_equal_p99(ours: Measured, other: Measured, load: int) -> float | None:
    """Median of ours' rate over the other's highest rate with a p99 not above ours."""
    ratios = []
    for repetition, figures in enumerate(ours.results.get(load, [])):
        its = rate_within(other.curve(repetition), figures["p99_ms"])
        if its:
            ratios.append(figures["per_s"] / its)
    return statistics.median(ratios) if ratios else None


def loads_of(measured: Sequence[Measured]) -> list[Load]:
    """Those that have rows, in order."""
    found = dict.fromkeys(load for own in measured for load in own.results)
    return [load for load in found if not isinstance(load, int) or load in SHOWN]


def show(measured: Sequence[Measured], title: str) -> None:
    """Prints the table, as Markdown."""
    table = Table(box=box.MARKDOWN)
    for column in (*COLUMNS, *RATIOS):
        table.add_column(
            column,
            justify="left" if column in {"server", "tuning", "load"} else "right",
            no_wrap=True,
        )
    for load in loads_of(measured):
        for own in measured:
            if load in own.results:
                table.add_row(*_cells(own, load), *_ratios(measured, own, load))
    console = Console(width=WIDTH, highlight=False)
    console.print(title, soft_wrap=True)
    console.print(table)


def _cells(own: Measured, load: Load) -> Iterator[str]:
    yield own.contender.name
    yield own.contender.tuning
    yield f"{load} in flight" if isinstance(load, int) else load
    yield f"{own.median(load, 'per_s') or 0:,.0f}"
    for figure in ("p50_ms", "p99_ms", "server_ms"):
        value = own.median(load, figure)
        yield "" if value is None else f"{value:.2f}"
    failed = sum(figures.get("failed", 0) for figures in own.results[load])
    yield f"{failed:.0f}" if failed else ""


def _ratios(measured: Sequence[Measured], own: Measured, load: Load) -> Iterator[str]:
    ours = best_of_ours(measured, load)
    yield _ratio(over(ours, own, load))
    yield _ratio(over_at_equal_p99(ours, own, load)) if isinstance(load, int) else ""


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"

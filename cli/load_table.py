"""What a load measured, printed in ghz's words; whether its calls were answered comes first."""

from collections.abc import Iterator

from rich.table import Table

from cli.output import table
from loadtest.latencies import Latencies
from loadtest.report import PERCENTAGES
from loadtest.result import Result, Window
from loadtest.tally import Tally

WIDTH = 22
"""Columns of the names before the figures."""


def summary(result: Result) -> str:
    """ghz's summary, the status codes before everything else."""
    parts = [_statuses(result.whole), _figures(result)]
    if len(result.whole.latency):
        parts.append(_distribution(result))
    return "\n\n".join(parts) + "\n"


def beside(result: Result) -> Table:
    """Service time and the generator's own lateness, next to the latency that counts both."""
    whole = result.whole
    columns = {"latency": whole.latency, "service time": whole.service, "send lag": whole.lag}
    if not result.load.is_open:
        del columns["latency"], columns["send lag"]  # nothing was due at a time
    made = table("", *columns, right=columns)
    for percent in (*PERCENTAGES, 99.9, 100):
        made.add_row(
            f"{percent:g} %", *(duration(own.percentile_s(percent)) for own in columns.values())
        )
    return made


def windows(result: Result) -> Table:
    """Each step of a load, or each tenth of it."""
    columns = ("seconds", "due/s", "OK/s", "OK %", "dropped", "p50", "p90", "p99", "lag p99")
    made = table(*columns, right=columns)
    for window, tally in zip(result.windows, result.tallies, strict=True):
        made.add_row(*_row(window, tally))
    return made


def remarks(result: Result) -> Iterator[str]:
    """What the figures must not be read without."""
    whole = result.whole
    if result.is_late:
        lag = duration(whole.lag.percentile_s(99))
        yield (
            f"The generator itself was late: {lag} at p99, which the latencies hold too. "
            "Lower the rate, add --processes, or run it on another machine."
        )
    if result.is_busy:
        yield (
            f"The generator was at its limit ({result.cores:.2f} of a core a process): "
            "the service may do more. Add --processes, or run it on another machine."
        )
    if whole.dropped:
        yield (
            f"{whole.dropped} calls were due while {result.load.in_flight} were in flight, "
            "and were not sent: no latency counts them."
        )
    if not result.load.is_open:
        yield "A closed loop asks less when it is answered late: its latencies flatter a stall."


def duration(seconds: float) -> str:
    """As ghz prints it."""
    ms = seconds * 1e3
    return f"{ms:.2f} ms" if ms < 1e3 else f"{seconds:.2f} s"


def _statuses(whole: Tally) -> str:
    names = {f"[{name}]": count for name, count in whole.statuses.most_common()}
    lines = [f"  {name:<{WIDTH}}{count} responses" for name, count in names.items()]
    if whole.dropped:
        lines.append(f"  {'[dropped]':<{WIDTH}}{whole.dropped} calls, not sent")
    errors = [f"  [{count}]   {text}" for text, count in whole.errors.most_common()]
    shown = ["Status code distribution:", *(lines or ["  none: no call ended"])]
    return "\n".join(shown + (["", "Error distribution:", *errors] if errors else []))


def _figures(result: Result) -> str:
    whole = result.whole
    facts = {
        "Name": result.load.name,
        "Count": str(whole.count),
        "Total": duration(result.total_s),
        "Slowest": _unless_none(whole.latency.slowest_s),
        "Fastest": _unless_none(whole.latency.fastest_s),
        "Average": _unless_none(whole.latency.mean_s),
        "Requests/sec": f"{whole.count / result.total_s:.2f}",
        "In flight": f"{result.most_in_flight} at most",
    }
    lines = (f"  {name + ':':<{WIDTH}}{value}" for name, value in facts.items() if value)
    return "\n".join(["Summary:", *lines])


def _unless_none(seconds: float) -> str:
    return duration(seconds) if seconds else ""


def _distribution(result: Result) -> str:
    since = "from when a call was due" if result.load.is_open else "from when a call was sent"
    latency = result.whole.latency
    lines = (f"  {own} % in {duration(latency.percentile_s(own))}" for own in PERCENTAGES)
    return "\n".join([f"Latency distribution ({since}):", *lines])


def _row(window: Window, tally: Tally) -> Iterator[str]:
    yield f"{window.start_s:g}-{window.end_s:g}"
    yield "" if window.rate is None else f"{window.rate:.0f}"
    yield f"{tally.answered / (window.end_s - window.start_s):.0f}"
    yield f"{100 * tally.ok_share:.1f}" if tally.count + tally.dropped else ""
    yield str(tally.dropped)
    yield from (_percentile(tally.latency, percent) for percent in (50, 90, 99))
    yield "" if window.rate is None else _percentile(tally.lag, 99)


def _percentile(latencies: Latencies, percent: float) -> str:
    return duration(latencies.percentile_s(percent)) if len(latencies) else ""

"""Sending a load, and saying whether it was answered."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cli.errors import Refused, Unavailable, told_as
from cli.exit_code import ExitCode
from cli.load_table import beside, remarks, summary, windows
from cli.output import note, progress_console, show, show_json
from loadtest.errors import GeneratorDied, LoadRefused, Unreachable
from loadtest.levels import starts_s
from loadtest.load import Load
from loadtest.processes import Progress as Done
from loadtest.processes import Watch, run
from loadtest.report import as_report
from loadtest.result import Result
from loadtest.status_names import ghz_name
from loadtest.tally import OK, Tally

DROPPED = "Dropped"
"""Beside the statuses: calls that were not sent."""


def allowances(texts: Sequence[str]) -> dict[str, float]:
    """The share of calls that may end with each status.

    Raises:
        BadParameter: one is no CODE=SHARE.
    """
    return dict(_allowance(text) for text in texts)


def send(load: Load, allowed: Mapping[str, float], *, as_json: bool) -> None:
    """Send a load and print what came of it.

    Raises:
        Unavailable: no service answers.
        Refused: more calls than allowed were not answered OK; the table is printed all the same.
        Exit: Ctrl-C ended it early; what was measured is printed.
    """
    with (
        told_as(Unavailable, Unreachable),
        told_as(Refused, LoadRefused, GeneratorDied),
        _watched(load) as watch,
    ):
        result = run(load, watch)
    _show(result, as_json=as_json)
    faults = [*not_allowed(result.whole, allowed)]
    if result.end == "cancel":
        raise typer.Exit(ExitCode.INTERRUPTED)
    if faults:
        raise Refused(faults)


def not_allowed(whole: Tally, allowed: Mapping[str, float]) -> Iterator[str]:
    """A sentence for each status that more calls ended with than may."""
    asked = whole.count + whole.dropped
    if not whole.statuses[OK]:
        yield f"no call was answered, of {asked}"
    counts = {**whole.statuses, DROPPED: whole.dropped}
    counts.pop(OK, None)
    for name, count in counts.items():
        if count > allowed.get(name, 0.0) * asked:
            share = f"{100 * count / asked:.2g} %"
            may = f"at most {100 * allowed.get(name, 0.0):g} % may (--allow {name}=SHARE)"
            yield f"{name}: {count} of {asked} calls, {share}; {may}"


def _allowance(text: str) -> tuple[str, float]:
    code, _, share = text.partition("=")
    name = DROPPED if code.lower() == DROPPED.lower() else ghz_name(code)
    try:
        value = float(share)
    except ValueError:
        value = -1.0
    if name is None or not 0 <= value <= 1:
        raise typer.BadParameter(
            f'"{text}" is no CODE=SHARE, such as UNAVAILABLE=0.01 or DROPPED=0.001',
            param_hint="--allow",
        )
    return name, value


def _show(result: Result, *, as_json: bool) -> None:
    if as_json:
        show_json(as_report(result))
    else:
        show(summary(result))
        if len(result.whole.latency):
            show(beside(result))
        if len(result.windows) > 1:
            show(windows(result))
    for remark in remarks(result):
        note(remark)


@contextmanager
def _watched(load: Load) -> Iterator[Watch]:
    """A line that says how far the load is; nothing where stderr is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    hidden = not sys.stderr.isatty()
    with Progress(*columns, console=progress_console(), transient=True, disable=hidden) as progress:
        task = progress.add_task("connecting", total=_end(load))

        def watch(done: Done, elapsed_s: float) -> None:
            at = elapsed_s if load.total is None or load.is_open else done.ended
            progress.update(task, completed=at, description=_line(done))

        yield watch


def _end(load: Load) -> float:
    """Of the progress: seconds, or calls of a closed loop that is to make so many."""
    if load.is_open:
        return starts_s(load.levels)[-1]
    return load.duration_s if load.total is None else load.total


def _line(done: Done) -> str:
    failed = done.ended - done.ok
    others = f", {failed} not OK" * bool(failed) + f", {done.dropped} dropped" * bool(done.dropped)
    return f"{done.ok} OK{others}, {done.in_flight} in flight"

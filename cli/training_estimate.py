"""What a training run will cost, and what the size of the data chose, before it starts."""

from collections.abc import Sequence

from rich.table import Table

from cli.output import kept_whole, note, progress_console, show, show_json, table
from training.cost.chosen import choices
from training.cost.estimate import Cost
from training.pipeline import Run
from training.study.clock import in_words

MIB = 2**20
TITLE = "Estimate, with the machine as busy as it is now"


def announce(run: Run, costs: Sequence[Cost]) -> None:
    """Print both beside the result; nothing where every step is done already."""
    if costs:
        for sentence in choices(run):
            note(sentence)
        progress_console().print(_table(costs))


def show_estimate(run: Run, costs: Sequence[Cost], *, as_json: bool) -> None:
    """Print both as the result."""
    chosen = choices(run)
    if as_json:
        steps = [cost._asdict() for cost in costs]
        show_json({"chosen": chosen, "seconds": _total_s(costs), "steps": steps})
    elif costs:
        show(*chosen, _table(costs))
    else:
        show("Nothing is left to do: every step is in the work folder.")


def _total_s(costs: Sequence[Cost]) -> float:
    return sum(cost.seconds for cost in costs)


def _table(costs: Sequence[Cost]) -> Table:
    made = table("step", "about", "memory", "decided by", "cheaper by", title=TITLE)
    for cost in costs:
        memory = f"{cost.peak_bytes / MIB:,.0f} MiB"
        made.add_row(cost.step, in_words(cost.seconds), memory, cost.decided_by, cost.cheaper)
    peak = max(cost.peak_bytes for cost in costs)
    made.add_row("all", in_words(_total_s(costs)), f"{peak / MIB:,.0f} MiB", "", "")
    return kept_whole(made, "step", "about", "memory")

"""What the study cost, and how to run it again."""

from training.study.report import plots
from training.study.report.blocks import Block, Figure, Folded, Panel, Section, Table, Verbatim
from training.study.report.results import StudyResults
from training.study.report.sections.absent import absent
from training.study.report.wording import duration, listed

COST_QUESTION = "How long did each part take?"


def cost(results: StudyResults) -> Section:
    """The section on seconds."""
    seconds = results.seconds
    if not seconds:
        return absent("cost", "What it cost", COST_QUESTION, "any")
    total, longest = sum(seconds.values()), max(seconds, key=lambda part: seconds[part])
    return Section(
        name="cost",
        title="What it cost",
        question=COST_QUESTION,
        answer=(
            f"All parts together took {duration(total)} on {results.origin.machine}. The longest"
            f" was {longest} with {duration(seconds[longest])}."
        ),
        blocks=_cost_blocks(results),
        limits=("Wall time: whatever else the machine was doing counts too.",),
    )


def section(results: StudyResults) -> Section:
    """The section on command, commit, seeds and machine."""
    origin = results.origin
    rows = [
        ("command", origin.command),
        ("code commit", origin.code_commit),
        ("seeds of the base models", ", ".join(map(str, origin.seeds))),
        ("machine", origin.machine),
        ("started (UTC)", origin.started),
        ("data set", results.data.name),
    ]
    blocks: list[Block] = [
        Table("Enough to run it again", ("what", "value"), rows, n_text_columns=2)
    ]
    if origin.settings:
        blocks.append(Folded("All settings", [Verbatim(origin.settings)]))
    return Section(
        name="run",
        title="How it was run",
        question="What has to be called to see the same figures?",
        answer=(
            "One command makes every figure of this report from the raw data. With the same code,"
            f" data and seeds ({listed([str(seed) for seed in origin.seeds])}) on the same kind of"
            " machine it gives the same figures, times excepted."
        ),
        blocks=blocks,
    )


def _cost_blocks(results: StudyResults) -> list[Block]:
    seconds = results.seconds
    rows = [(part, duration(spent)) for part, spent in seconds.items()]
    alt = f"Bars: {'; '.join(f'{part} {spent}' for part, spent in rows)}."
    unit, name = (1, "seconds") if max(seconds.values()) < 120 else (60, "minutes")
    spent = [value / unit for value in seconds.values()]
    svg = plots.bars("cost", alt, list(seconds), spent, plots.Axis(name))
    return [
        Figure("Wall time of each part", [Panel("", svg)], is_wide=True),
        Table("Wall time", ("part", "time"), rows),
    ]

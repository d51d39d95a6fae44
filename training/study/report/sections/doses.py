"""Dose and response: what each strength of an edit does, beside controls of equal size."""

from collections.abc import Sequence

from training.study.doses import GROUP, RANDOM, AttributeDoses, DoseCurve, DosesStudy
from training.study.report import plots
from training.study.report.blocks import (
    Block,
    Figure,
    Folded,
    LegendEntry,
    Panel,
    Section,
    Table,
)
from training.study.report.plots import Axis, Series
from training.study.report.results import StudyResults
from training.study.report.sections.absent import absent
from training.study.report.svg import LOOKS, Look
from training.study.report.wording import count, figure, listed, percent, value_of

NAME, TITLE = "doses", "What does each dose do?"
QUESTION = (
    "Does a stronger edit give a larger share, and is it the features that do it, or would any"
    " push of the same size?"
)
SHARE = Axis("share of the top 20", is_percent=True)
KEPT = Axis("NDCG@10 kept", is_percent=True)
UNITS = {"add": "strength (reference units added)", "scale": "factor"}


def section(results: StudyResults) -> Section:
    """The section."""
    study = results.doses
    if study is None:
        return absent(NAME, TITLE, QUESTION, "doses")
    return Section(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        answer=_answer(study),
        blocks=_blocks(study),
        reading=(
            "A dose is what an operator sets: ADD adds so many reference units (one is what the"
            " feature has at its strongest, about) to the group's features; SCALE multiplies what"
            " is there.",
            "The bands are 95 % intervals over users. Random directions, the wrong sign and a"
            " hidden dimension push every user's hidden state exactly as far as the group does.",
            "SCALE finds nothing where no feature of the group is active: these users are counted"
            " in the table.",
        ),
        limits=(
            f"Measured on {count(study.n_users)} users who chose nothing; one base model and, at"
            " each hook point, one autoencoder.",
        ),
    )


def _answer(study: DosesStudy) -> str:
    block = _main_block(study)
    found = [doses for doses in study.doses if doses.block == block]
    told = [sentence for sentence in map(_best_dose, found) if sentence]
    return (
        f"{_hook(study, block).capitalize()}, adding to a group of features at the newest position"
        f" does this at the strongest dose that keeps at least 90 % of NDCG@10: {'; '.join(told)}."
    )


def _best_dose(found: AttributeDoses) -> str:
    curve = _curve(found, "add", "last", GROUP)
    other = _curve(found, "add", "last", RANDOM)
    if curve is None:
        return ""
    places = [i for i, kept in enumerate(curve.kept_shares) if kept >= 0.9]
    if not places:
        return f"{value_of(found.attribute)} has none"
    at = max(places, key=lambda i: curve.shares[i])
    beside = f"; random directions of the same size: {percent(other.shares[at])}" if other else ""
    return (
        f"{value_of(found.attribute)} from {percent(found.share)} to {percent(curve.shares[at])}"
        f" at {curve.strengths[at]:g} ({beside.removeprefix('; ')})"
    )


def _main_block(study: DosesStudy) -> int:
    """The last block's hook, where it was measured; else the first that was."""
    blocks = [doses.block for doses in study.doses]
    return study.n_blocks if study.n_blocks in blocks or not blocks else blocks[0]


def _hook(study: DosesStudy, block: int) -> str:
    return f"after block {block}" if block <= study.n_blocks else "after the final norm"


def _blocks(study: DosesStudy) -> list[Block]:
    main = _main_block(study)
    found = [doses for doses in study.doses if doses.block == main]
    hook = _hook(study, main)
    others = [d for d in study.doses if d.block != main]
    return [
        _response(f"ADD {hook}, newest position: share by dose", found, "add", "last", "add"),
        _response(
            f"SCALE {hook}, newest position: share by factor", found, "scale", "last", "scale"
        ),
        _ways(study),
        _table(study, found, f"Doses of the group {hook}"),
        *(
            [Folded("Doses at the other hook points", [_table(study, others, "Other hook points")])]
            if others
            else []
        ),
    ]


def _response(
    caption: str, found: Sequence[AttributeDoses], operation: str, positions: str, name: str
) -> Figure:
    edits = list(
        dict.fromkeys(
            curve.edit
            for doses in found
            for curve in doses.curves
            if (curve.operation, curve.positions) == (operation, positions)
        )
    )
    looks = dict(zip(edits, LOOKS, strict=False))
    panels = []
    for place, doses in enumerate(found):
        curves = [_curve(doses, operation, positions, edit) for edit in edits]
        shown = [curve for curve in curves if curve is not None]
        title = f"{value_of(doses.attribute)}: {percent(doses.share)} unsteered"
        alt = f"{doses.attribute}: {'; '.join(map(_ends, shown))}."
        series = [_band_series(curve, looks[curve.edit]) for curve in shown]
        svg = plots.lines(f"dose-{name}-{place}", alt, series, Axis(UNITS[operation]), SHARE)
        panels.append(Panel(title, svg))
    legend = [LegendEntry(_edit_word(edit), plots.swatch(look)) for edit, look in looks.items()]
    return Figure(caption, panels, legend)


def _edit_word(edit: str) -> str:
    return "group of features" if edit == GROUP else f"{edit}, equal size"


def _ends(curve: DoseCurve) -> str:
    share, kept = percent(curve.shares[-1]), percent(curve.kept_shares[-1])
    return f"{curve.edit} ends at share {share} with {kept} kept"


def _band_series(curve: DoseCurve, look: Look) -> Series:
    return Series(
        curve.edit, curve.strengths, curve.shares, look, curve.share_lows, curve.share_highs
    )


def _ways(study: DosesStudy) -> Figure:
    """Share against quality kept: each hook point, operation and positions on the same axes."""
    ways = list(
        dict.fromkeys(
            (curve.block, curve.operation, curve.positions)
            for doses in study.doses
            for curve in doses.curves
            if curve.edit == GROUP
        )
    )
    looks = dict(zip(ways, (LOOKS * (1 + len(ways) // len(LOOKS))), strict=False))
    names = list(dict.fromkeys(doses.attribute for doses in study.doses))
    panels = []
    for place, name in enumerate(names):
        curves = [
            c for d in study.doses if d.attribute == name for c in d.curves if c.edit == GROUP
        ]
        series = [_way_series(c, looks[(c.block, c.operation, c.positions)]) for c in curves]
        alt = f"{name}: {'; '.join(f'{_way(study, c)} {_ends(c)}' for c in curves)}."
        panels.append(Panel(value_of(name), plots.lines(f"ways-{place}", alt, series, SHARE, KEPT)))
    legend = [
        LegendEntry(_way_word(study, *way), plots.swatch(look)) for way, look in looks.items()
    ]
    caption = (
        "SCALE against ADD, newest against all positions, by hook point: share and quality kept"
    )
    return Figure(caption, panels, legend)


def _way_series(curve: DoseCurve, look: Look) -> Series:
    """From the weakest to the strongest raising dose, doing nothing first."""
    neutral = 1.0 if curve.operation == "scale" else 0.0
    order = sorted(range(len(curve.strengths)), key=lambda i: curve.strengths[i])
    raising = [i for i in order if curve.strengths[i] >= neutral]
    x, y = ([values[i] for i in raising] for values in (curve.shares, curve.kept_shares))
    return Series(curve.edit, x, y, look)


def _way(study: DosesStudy, curve: DoseCurve) -> str:
    return _way_word(study, curve.block, curve.operation, curve.positions)


def _way_word(study: DosesStudy, block: int, operation: str, positions: str) -> str:
    where = "newest position" if positions == "last" else "all positions"
    return f"{operation.upper()}, {where}, {_hook(study, block)}"


def _curve(found: AttributeDoses, operation: str, positions: str, edit: str) -> DoseCurve | None:
    asked = (operation, positions, edit)
    return next((c for c in found.curves if (c.operation, c.positions, c.edit) == asked), None)


def _table(study: DosesStudy, found: Sequence[AttributeDoses], caption: str) -> Table:
    headings = (
        *("attribute", "way", "nothing active", "strengths", "size of the push"),
        *("share of the top 20", "NDCG kept"),
    )
    rows = [
        (
            f"{value_of(doses.attribute)} ({percent(doses.share)}, NDCG@10 {figure(doses.ndcg)})",
            _way(study, curve),
            percent(doses.inactive_share, 0),
            " / ".join(f"{strength:g}" for strength in curve.strengths),
            " / ".join(f"{share:.2f}" for share in curve.norm_shares),
            " / ".join(f"{100 * share:.0f}" for share in curve.shares) + " %",
            " / ".join(f"{100 * kept:.0f}" for kept in curve.kept_shares) + " %",
        )
        for doses in found
        for curve in doses.curves
        if curve.edit == GROUP
    ]
    note = (
        "Size of the push: length of the change over that of the hidden state. Nothing active:"
        f" users in whom SCALE has nothing to act on. Hook points: {listed(_hooks(study))}."
    )
    return Table(caption, headings, rows, note, n_text_columns=2)


def _hooks(study: DosesStudy) -> list[str]:
    return [_hook(study, block) for block in dict.fromkeys(d.block for d in study.doses)]

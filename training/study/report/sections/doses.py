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
from training.study.report.plots import Axis, Guide, Series
from training.study.report.results import StudyResults
from training.study.report.sections.absent import absent
from training.study.report.svg import BAD, LOOKS, SERIES, Look
from training.study.report.wording import DASH, count, listed, percent, value_of

NAME, TITLE = "doses", "What does each dose do?"
QUESTION = (
    "Does a stronger edit give a larger share, and is it the features that do it, or would any"
    " push of the same size?"
)
UNSTEERED = Look(BAD, "--")
SHARE = Axis("share of the top 20", is_percent=True)
KEPT = Axis("NDCG@10 kept", is_percent=True)
UNITS = {"ADD": "strength (reference units added)", "SCALE": "factor"}


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
        f"A stronger dose raises the share further. {_hook(study, block).capitalize()}, the"
        f" strongest ADD that keeps at least 90 % of NDCG@10 brings {'; '.join(told)}. Random"
        " directions push just as far and are the control."
    )


def _best_dose(found: AttributeDoses) -> str:
    curve = _curve(found, "ADD", "last", GROUP)
    other = _curve(found, "ADD", "last", RANDOM)
    if curve is None:
        return ""
    places = [i for i, kept in enumerate(curve.kept_shares) if kept >= 0.9]
    if not places:
        return f"{value_of(found.attribute)} has none"
    at = max(places, key=lambda i: curve.shares[i].value)
    reached = percent(curve.shares[at].value)
    beside = f" (random directions: {percent(other.shares[at].value)})" if other else ""
    name, dose = value_of(found.attribute), f"{curve.strengths[at]:g}"
    return f"{name} from {percent(found.share)} to {reached} by {dose} units{beside}"


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
        _response(f"ADD {hook}, newest position: share by dose", found, "ADD", "last"),
        _response(f"SCALE {hook}, newest position: share by factor", found, "SCALE", "last"),
        _ways(study),
        Folded(
            "All doses in figures",
            [_table(study, found, f"The group {hook}"), *_others(study, others)],
        ),
    ]


def _others(study: DosesStudy, found: Sequence[AttributeDoses]) -> list[Table]:
    return [_table(study, found, "The group at the other hook points")] if found else []


def _response(
    caption: str, found: Sequence[AttributeDoses], operation: str, positions: str
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
        unsteered = [Guide(doses.share, "")]
        x = Axis(UNITS[operation])
        svg = plots.lines(f"dose-{operation}-{place}", alt, series, x, SHARE, unsteered)
        panels.append(Panel(title, svg))
    legend = [LegendEntry(_edit_word(edit), plots.swatch(look)) for edit, look in looks.items()]
    legend.append(LegendEntry("without steering", plots.swatch(UNSTEERED)))
    return Figure(caption, panels, legend)


def _edit_word(edit: str) -> str:
    return "group of features" if edit == GROUP else f"{edit}, equal size"


def _ends(curve: DoseCurve) -> str:
    share, kept = percent(curve.shares[-1].value), percent(curve.kept_shares[-1])
    return f"{curve.edit} ends at share {share} with {kept} kept"


def _band_series(curve: DoseCurve, look: Look) -> Series:
    values, lows, highs = (
        [getattr(band, end) for band in curve.shares] for end in ("value", "low", "high")
    )
    return Series(curve.edit, curve.strengths, values, look, lows, highs)


def _ways(study: DosesStudy) -> Figure:
    """Share against quality kept: each hook point, operation and positions on the same axes."""
    names = list(dict.fromkeys(doses.attribute for doses in study.doses))
    panels = []
    for place, name in enumerate(names):
        found = [d for d in study.doses if d.attribute == name]
        shown = [(d, c) for d in found for c in d.curves if c.edit == GROUP]
        series = [_way_series(doses, curve) for doses, curve in shown]
        alt = f"{name}: {'; '.join(f'{_way(study, d, c)} {_ends(c)}' for d, c in shown)}."
        panels.append(Panel(value_of(name), plots.lines(f"ways-{place}", alt, series, SHARE, KEPT)))
    legend = {
        _way(study, doses, curve): plots.swatch(_way_look(doses, curve))
        for doses in study.doses
        for curve in doses.curves
        if curve.edit == GROUP
    }
    caption = (
        "SCALE against ADD, newest against all positions, by hook point: share and quality kept"
    )
    return Figure(caption, panels, [LegendEntry(name, drawn) for name, drawn in legend.items()])


def _way_look(doses: AttributeDoses, curve: DoseCurve) -> Look:
    """Colour by hook point, dash by operation, mark by positions."""
    dash = "-" if curve.operation == "ADD" else ":"
    return Look(
        SERIES[doses.block % len(SERIES) - 1], dash, "o" if curve.positions == "last" else "s"
    )


def _way_series(doses: AttributeDoses, curve: DoseCurve) -> Series:
    """From doing nothing to the strongest raising dose."""
    neutral = 1.0 if curve.operation == "SCALE" else 0.0
    order = sorted(range(len(curve.strengths)), key=lambda i: curve.strengths[i])
    raising = [i for i in order if curve.strengths[i] > neutral]
    x = [doses.share, *(curve.shares[i].value for i in raising)]
    y = [1.0, *(curve.kept_shares[i] for i in raising)]
    return Series(curve.edit, x, y, _way_look(doses, curve))


def _way(study: DosesStudy, doses: AttributeDoses, curve: DoseCurve) -> str:
    where = "newest position" if curve.positions == "last" else "all positions"
    return f"{curve.operation}, {where}, {_hook(study, doses.block)}"


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
            value_of(doses.attribute),
            _way(study, doses, curve),
            percent(doses.inactive_share, 0) if curve.operation == "SCALE" else DASH,
            " / ".join(f"{strength:g}" for strength in curve.strengths),
            " / ".join(f"{share:.2f}" for share in curve.norm_shares),
            " / ".join(f"{100 * share.value:.0f}" for share in curve.shares) + " %",
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

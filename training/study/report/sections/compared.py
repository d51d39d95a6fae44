"""The SAE beside its controls: differences in one table, and what they say in words."""

from collections.abc import Sequence
from itertools import groupby

from training.study.comparison import CLEAR_Q
from training.study.interpretation_results import Comparison, InterpretationStudy
from training.study.question import LAST
from training.study.report.blocks import Block, Cell, Table
from training.study.report.wording import figure, listed, minus

WORDS = {
    "mean best AUC": "telling attributes apart (AUC)",
    "values at AUC .9": "attributes told apart almost perfectly (AUC .9)",
    "mean best precision": "precision where strongest",
    "values at precision .9": "attributes with precision .9",
    "purity": "having one attribute in common where strongest (purity)",
    "purity of its own": "having an attribute of its own in common",
    "alike by attributes": "top items alike in attributes",
    "alike by co-occurrence": "top items taken by the same users",
    "R2 from label": "being predicted by one label",
}
"""What a measure is called by somebody who does not know it."""
Sides = tuple[list[Comparison], list[Comparison], list[Comparison]]


def control(study: InterpretationStudy, beginning: str) -> str:
    """The first control whose name begins so; empty where there is none."""
    return next((c.other for c in study.comparisons if c.other.startswith(beginning)), "")


def against(study: InterpretationStudy, one: str, other: str) -> list[Comparison]:
    """The comparisons of two sets that are about the last item, or about no item."""
    return [
        c for c in study.comparisons if (c.one, c.other) == (one, other) and c.target in (LAST, "")
    ]


def sides(found: Sequence[Comparison]) -> Sides:
    """Those that are clearly above, not told apart, clearly below."""
    clear = [c for c in found if c.q <= CLEAR_Q]
    return (
        [c for c in clear if c.difference > 0],
        [c for c in found if c.q > CLEAR_Q or c.difference == 0],
        [c for c in clear if c.difference < 0],
    )


def sentence(found: Sequence[Comparison], subject: str) -> str:
    """What the comparisons say, of a subject in the plural; empty where there are none."""
    if not found:
        return ""
    above, level, below = sides(found)
    told = [
        f"clearly {word} in {listed([_named(c) for c in part])}"
        for part, word in ((above, "ahead"), (below, "behind"))
        if part
    ]
    rest = [f"level, as far as can be told, in the other {len(level)}"] if level else []
    return f"{subject} {'; '.join([*told, *rest])}."


def claim(found: Sequence[Comparison]) -> str:
    """Whether the set is ahead, in a word."""
    above, _, below = sides(found)
    if above and below:
        return "holds in part"
    return "holds" if above else "does not hold"


def matrix(study: InterpretationStudy, one: str) -> list[Block]:
    """Differences of a set from each of its controls, a row for each measure."""
    found = [c for c in study.comparisons if c.one == one and c.target in (LAST, "")]
    others = list(dict.fromkeys(c.other for c in found))
    rows = [
        [Cell(_word(key)), *_row(list(group), others)]
        for key, group in groupby(
            sorted(found, key=lambda c: _order(found, c)), lambda c: c.measure
        )
    ]
    table = Table(
        caption=f"How far the {one} is ahead of each control, about the last item",
        headings=("measure", *others),
        rows=rows,
        note=(
            "Difference of the measure; its 95 % interval is in the folded tables. Coloured where"
            f" it is clear (q of at most {CLEAR_Q:g}): green ahead, red behind."
        ),
    )
    return [table] if rows else []


def tables(study: InterpretationStudy) -> list[Table]:
    """Every pair of sets by every measure and target."""
    pairs = dict.fromkeys((c.one, c.other) for c in study.comparisons)
    return [
        _table([c for c in study.comparisons if (c.one, c.other) == pair], *pair) for pair in pairs
    ]


def _order(found: Sequence[Comparison], one: Comparison) -> int:
    """Measures in the order in which they first come."""
    return list(dict.fromkeys(c.measure for c in found)).index(one.measure)


def _row(group: Sequence[Comparison], others: Sequence[str]) -> list[Cell]:
    by_other = {c.other: c for c in group}
    return [_difference(by_other.get(other)) for other in others]


def _difference(found: Comparison | None) -> Cell:
    return Cell("") if found is None else Cell(_signed(found, found.difference), _tone(found))


def _table(found: Sequence[Comparison], one: str, other: str) -> Table:
    return Table(
        caption=f"{one} against {other}",
        headings=("measure", one, other, "difference (95 % interval)", "q"),
        rows=[_cells(comparison) for comparison in found],
        note="q: how likely such a difference is where there is none, corrected for all of them.",
    )


def _cells(found: Comparison) -> list[Cell]:
    other = figure(found.other_value, 3)
    if found.n_draws > 1:
        ends = (figure(end, 3) for end in (found.other_lowest, found.other_highest))
        other = f"{other} (draws {' to '.join(ends)})"
    low, high = (_signed(found, end) for end in (found.low, found.high))
    return [
        Cell(f"{found.measure}, {found.target}" if found.target else found.measure),
        Cell(figure(found.one_value, 3)),
        Cell(other),
        Cell(f"{_signed(found, found.difference)} ({low} to {high})", _tone(found)),
        Cell(figure(found.q, 3)),
    ]


def _named(found: Comparison) -> str:
    return f"{_word(found.measure)} {_signed(found, found.difference)}"


def _word(measure: str) -> str:
    return WORDS.get(measure, measure)


def _signed(found: Comparison, value: float) -> str:
    digits = 1 if found.measure.startswith("values") else 3
    return minus(f"{value:+.{digits}f}")


def _tone(found: Comparison) -> str:
    if found.q > CLEAR_Q or found.difference == 0:
        return ""
    return "good" if found.difference > 0 else "bad"

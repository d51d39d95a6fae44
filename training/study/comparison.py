"""Is one set of directions better than another? Differences on the same drawn users, and words."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from training.study.directions import NOT_SPARSE
from training.study.interpretation_results import Comparison
from training.study.judging import (
    AREA,
    BY_ATTRIBUTES,
    BY_READERS,
    COVERED_AREA,
    COVERED_PRECISION,
    OWN_PURITY,
    PRECISION,
    PURITY,
    R2,
    Figure,
    Figures,
)
from training.study.question import LAST, NEXT, SHARE
from training.study.separation import q_values

CLEAR_Q = 0.05
"""False discovery rate at which a difference is called one."""
Z_95 = 1.959963984540054
TOLD = (
    *((AREA, target) for target in (LAST, NEXT, SHARE)),
    *((name, LAST) for name in (COVERED_AREA, PRECISION, COVERED_PRECISION, PURITY, OWN_PURITY)),
    *((name, "") for name in (BY_ATTRIBUTES, BY_READERS, R2)),
)
"""Measures that the verdict tells; the others stand in the comparisons."""

Floats = npt.NDArray[np.float64]


class Contender(NamedTuple):
    """A set of directions, drawn once or several times."""

    name: str
    """What tables call it."""
    draws: Sequence[Figures]
    """Its figures, one for each draw."""


def comparisons(pairs: Sequence[tuple[Contender, Contender]]) -> tuple[Comparison, ...]:
    """Each pair by every measure, q corrected over all of them.

    Args:
        pairs: the set in question and its control.
    """
    rows = [
        (one, other, key, _difference(one, other, key))
        for one, other in pairs
        for key in one.draws[0]
    ]
    q = q_values(np.array([difference.p for *_, difference in rows])) if rows else np.zeros(0)
    return tuple(
        _comparison(one, other, key, difference, float(corrected))
        for (one, other, key, difference), corrected in zip(rows, q, strict=True)
    )


class _Difference(NamedTuple):
    value: float
    error: float

    @property
    def p(self) -> float:
        """Two-sided, of no difference."""
        if self.error == 0:
            return float(self.value == 0)
        return float(2 * stats.norm.sf(abs(self.value) / self.error))


def _difference(one: Contender, other: Contender, key: tuple[str, str]) -> _Difference:
    """The difference and its standard error: of the users drawn, and of the directions drawn."""
    first, second = ([draw[key] for draw in side.draws] for side in (one, other))
    drawn = _mean_drawn(first) - _mean_drawn(second)
    variance = float(drawn.var(ddof=1)) + _of_draws(first) + _of_draws(second)
    return _Difference(_mean_value(first) - _mean_value(second), float(np.sqrt(variance)))


def _mean_drawn(figures: Sequence[Figure]) -> Floats:
    return np.asarray(np.mean([figure.drawn for figure in figures], axis=0))


def _mean_value(figures: Sequence[Figure]) -> float:
    return float(np.mean([figure.value for figure in figures]))


def _of_draws(figures: Sequence[Figure]) -> float:
    """Variance of the mean over draws; 0 for what is not random."""
    values = [figure.value for figure in figures]
    return float(np.var(values, ddof=1) / len(values)) if len(values) > 1 else 0.0


def _comparison(
    one: Contender,
    other: Contender,
    key: tuple[str, str],
    difference: _Difference,
    q: float,
) -> Comparison:
    found = [draw[key].value for draw in other.draws]
    margin = Z_95 * difference.error
    return Comparison(
        measure=key[0],
        target=key[1],
        one=one.name,
        other=other.name,
        one_value=_mean_value([draw[key] for draw in one.draws]),
        other_value=float(np.mean(found)),
        other_lowest=min(found),
        other_highest=max(found),
        n_draws=len(found),
        difference=difference.value,
        low=difference.value - margin,
        high=difference.value + margin,
        q=q,
    )


def verdict(compared: Sequence[Comparison]) -> tuple[str, ...]:
    """Where each set in question is better than its controls and where not, one sentence each.

    First what holds against every control, then each measure of TOLD. A difference counts where
    its q is at most CLEAR_Q. The SAE's own directions before sparsity are compared, but no control.
    """
    sentences = []
    for one in dict.fromkeys(c.one for c in compared):
        by_measure: dict[str, list[Comparison]] = {}
        for c in compared:
            if c.one == one and (c.measure, c.target) in TOLD:
                by_measure.setdefault(_measure(c), []).append(c)
        sentences.append(_overall(one, by_measure))
        sentences += [_by(measure, found) for measure, found in by_measure.items()]
    return tuple(sentences)


def _overall(one: str, by_measure: Mapping[str, Sequence[Comparison]]) -> str:
    controls = {m: [c for c in by_measure[m] if c.other != NOT_SPARSE] for m in by_measure}
    first = [m for m, found in controls.items() if found and all(_side(c) > 0 for c in found)]
    last = [m for m, found in controls.items() if found and all(_side(c) < 0 for c in found)]
    n = len({c.other for found in controls.values() for c in found})
    return (
        f"{one}, beside {n} controls: clearly above all of them by {_listed(first, 'no measure')}; "
        f"clearly below all of them by {_listed(last, 'none')}."
    )


def _by(measure: str, compared: Sequence[Comparison]) -> str:
    sides: dict[int, list[str]] = {1: [], 0: [], -1: []}
    for c in compared:
        sides[_side(c)].append(_with_change(c))
    above, level, below = (_listed(found, "none") for found in sides.values())
    one = compared[0].one
    return f"{one}, {measure}: above {above}; not told apart from {level}; below {below}."


def _side(c: Comparison) -> int:
    """1: clearly higher, -1: clearly lower, 0: not told apart."""
    return int(np.sign(c.difference)) if c.q <= CLEAR_Q else 0


def _measure(c: Comparison) -> str:
    return f"{c.measure} ({c.target})" if c.target else c.measure


def _with_change(c: Comparison) -> str:
    digits = 1 if c.measure.startswith("values") else 3
    return f"{c.other} ({c.difference:+.{digits}f})"


def _listed(found: Sequence[str], nothing: str) -> str:
    return ", ".join(found) or nothing

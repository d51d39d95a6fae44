"""What became of every rule of a batch: what `steering.report.reports` says of each, in one pass.

A pair is one rule with one of its features; the pairs of all rules lie in one line.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steering.merge import Merged
from steering.report import AT_LIMIT, REPLACED, SCALED_DOWN, RuleReport, RuleStatus, changed
from steering.resolved import ResolvedRule
from steering.rules import Operation
from steering.space import Floats, Indices
from steering.stages import Activations, Stages
from steering.touched import Touched

Flags = NDArray[np.bool_]
FATES = (
    (RuleStatus.APPLIED, ""),
    (RuleStatus.INACTIVE, ""),
    (RuleStatus.CLIPPED, SCALED_DOWN),
    (RuleStatus.CLIPPED, AT_LIMIT),
    (RuleStatus.OVERRIDDEN, REPLACED),
)
APPLIED, INACTIVE, SHIFT_CLIPPED, LIMITED, OVERRIDDEN = range(len(FATES))


class Pairs(NamedTuple):
    """Every rule with every feature of its."""

    rules: list[ResolvedRule]
    """All rows' rules."""
    operations: NDArray[np.int64]
    """[rules]."""
    rows: NDArray[np.int64]
    """[rules] the row of each."""
    rule: NDArray[np.int64]
    """[pairs] the rule of each."""
    values: NDArray[np.float64]
    """[pairs] as in ResolvedRule."""
    per_unit: NDArray[np.float64]
    """[pairs] as in ResolvedRule."""
    before: NDArray[np.float64]
    """[pairs] activations from the encoder at the newest position."""
    is_touched: Flags
    """[pairs] whether any rule acts on the feature; else the pair's own does not."""
    at: NDArray[np.int64]
    """[pairs] where the feature lies in the line, at the row's oldest position."""

    def per_rule(self, values: NDArray[np.float64]) -> list[float]:
        """Sums over each rule's pairs."""
        if len(self.rules) == len(self.rule):
            own: list[float] = values.tolist()
            return own
        summed = np.bincount(self.rule, weights=values, minlength=len(self.rules))
        told: list[float] = summed.tolist()
        return told

    def any_of(self, holds: Flags, pair: NDArray[np.int64] | None = None) -> Flags:
        """[rules] whether it holds for any of a rule's pairs.

        Args:
            holds: one for each pair, or for each of `pair`.
            pair: which pair each speaks of; None: all in order.
        """
        rule = self.rule if pair is None else self.rule[pair]
        if len(self.rules) == len(rule):
            return holds
        return np.bincount(rule, weights=holds, minlength=len(self.rules)) > 0


def fates(
    touched: Touched,
    line: Merged,
    steps: Stages,
    after: Activations,
    is_shift_clipped: Sequence[bool],
    activations: Floats,
) -> list[tuple[RuleReport, ...]]:
    """The reports of each row, one per rule in its plan's order.

    Args:
        touched: where the rows' features lie.
        line: the rules of every row, merged, [line].
        steps: the edit step by step, [1, line].
        after: [line] activations after every limit.
        is_shift_clipped: per row, whether its whole shift was scaled down.
        activations: [positions of all rows, d_sae] from the encoder.
    """
    if not any(row.plan.rules for row in touched.rows):
        return [() for _ in touched.rows]
    pairs = _pairs(touched, activations)
    if len(after):
        final = np.where(pairs.is_touched, after[_newest(pairs, touched)], pairs.before)
        codes = _codes(pairs, touched, line.pin, steps, np.array(is_shift_clipped)).tolist()
    else:
        final, codes = pairs.before, [INACTIVE] * len(pairs.rules)
    told = map(
        _report,
        pairs.rules,
        codes,
        pairs.per_rule(pairs.before * pairs.per_unit),
        pairs.per_rule(final * pairs.per_unit),
    )
    return [_row(row.plan.why_not, [next(told) for _ in row.plan.rules]) for row in touched.rows]


def _pairs(touched: Touched, activations: Floats) -> Pairs:
    rules = [rule for row in touched.rows for rule in row.plan.rules]
    features = np.concatenate([rule.indices for rule in rules])
    rows = np.repeat(np.arange(len(touched.rows)), [len(row.plan.rules) for row in touched.rows])
    rule = np.repeat(np.arange(len(rules)), [len(own.indices) for own in rules])
    row = rows[rule]
    is_touched, at = _found(touched, row, features, activations.shape[1])
    return Pairs(
        rules=rules,
        operations=np.array([own.rule.operation for own in rules]),
        rows=rows,
        rule=rule,
        values=np.concatenate([own.values for own in rules]),
        per_unit=np.concatenate([own.per_unit for own in rules]),
        before=activations[touched.newest[row], features].astype(np.float64),
        is_touched=is_touched,
        at=at,
    )


def _found(
    touched: Touched, row: NDArray[np.int64], features: Indices, d_sae: int
) -> tuple[Flags, NDArray[np.int64]]:
    """Whether each feature [pairs] of a row is touched, and where it lies in the line."""
    known = np.repeat(np.arange(len(touched.rows)), touched.widths) * d_sae + touched.own
    wanted = row * d_sae + features
    place = np.searchsorted(known, wanted)
    place[place == len(known)] = 0
    is_touched = known[place] == wanted if len(known) else np.zeros(len(wanted), dtype=bool)
    if touched.places is not None:
        starts = np.array([0, *accumulate(touched.widths)])
        place += (np.array(touched.ends) - starts)[row]
    return is_touched, np.where(is_touched, place, 0)


def _newest(pairs: Pairs, touched: Touched) -> NDArray[np.int64]:
    """[pairs] where the feature lies in the line, at the row's newest position."""
    if touched.places is None:
        return pairs.at
    older = [(row.end - row.start - 1) for row in touched.rows]
    steps = np.multiply(older, touched.widths)[pairs.rows[pairs.rule]]
    return np.where(pairs.is_touched, pairs.at + steps, 0)


def _codes(
    pairs: Pairs,
    touched: Touched,
    pin: NDArray[np.float64],
    steps: Stages,
    is_shift_clipped: Flags,
) -> NDArray[np.int64]:
    """[rules] places in FATES."""
    pair, at = _everywhere(pairs, touched)
    acted = pairs.any_of(_acted(pairs, pair, steps, at), pair)
    codes = np.where(acted, APPLIED, INACTIVE)
    if is_shift_clipped.any():
        codes[acted & is_shift_clipped[pairs.rows]] = SHIFT_CLIPPED
    if steps.is_limited.any():
        codes[acted & pairs.any_of(steps.is_limited[at], pair)] = LIMITED
    if not (no_pin := np.isnan(pin)).all():
        codes[~pairs.any_of(_stands(pairs, pin, no_pin))] = OVERRIDDEN
    return codes


def _everywhere(
    pairs: Pairs, touched: Touched
) -> tuple[NDArray[np.int64] | None, NDArray[np.int64]]:
    """Each pair at each position of its row: which pair (None: all in order), where in the line."""
    if touched.places is None:
        return None, pairs.at
    row = pairs.rows[pairs.rule]
    counts = np.array([own.end - own.start for own in touched.rows])[row]
    pair = np.repeat(np.arange(len(row)), counts)
    position = np.arange(len(pair)) - np.repeat(np.cumsum(counts) - counts, counts)
    at = pairs.at[pair] + position * np.array(touched.widths)[row[pair]]
    return pair, np.where(pairs.is_touched[pair], at, 0)


def _acted(
    pairs: Pairs, pair: NDArray[np.int64] | None, steps: Stages, at: NDArray[np.int64]
) -> Flags:
    """Where the rule's own operation changed what it was given."""
    values = pairs.values if pair is None else pairs.values[pair]
    present = {rule.rule.operation for rule in pairs.rules}
    if len(present) == 1:
        return np.asarray(changed(present.pop(), values, steps, at)[0])
    own = pairs.operations[pairs.rule if pair is None else pairs.rule[pair]]
    acted = np.zeros(len(at), dtype=bool)
    for operation in present:
        acted |= (own == operation) & changed(operation, values, steps, at)[0]
    return acted


def _stands(pairs: Pairs, pin: NDArray[np.float64], no_pin: Flags) -> Flags:
    """[pairs] whether no SET replaced what the rule did there."""
    operation = pairs.operations[pairs.rule]
    moves = (operation == Operation.SCALE) | (operation == Operation.ADD)
    sets = operation == Operation.SET
    stands = np.where(moves, no_pin[pairs.at], True)
    return np.where(sets, pin[pairs.at] == pairs.values, stands)


def _report(rule: ResolvedRule, code: int, before: float, after: float) -> RuleReport:
    status, message = FATES[code]
    return RuleReport(rule.rule, rule.origin, status, before, after, message)


def _row(why_not: Mapping[int, str], told: list[RuleReport]) -> tuple[RuleReport, ...]:
    for i, why in why_not.items():
        told[i] = told[i]._replace(status=RuleStatus.CONDITION_FALSE, message=why)
    return tuple(told)

"""What became of every rule of a batch: what `steering.report.reports` says of each, in one pass.

A pair is one rule with one of its features; the pairs of all rules lie in one line.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steering.columns import ResolvedColumns, operations_of
from steering.merge import Merged
from steering.report import (
    APPLIED,
    INACTIVE,
    LIMITED,
    OVERRIDDEN,
    SHIFT_CLIPPED,
    Reports,
    RuleReport,
    changed,
)
from steering.resolved import ResolvedRule
from steering.rules import Operation
from steering.space import Floats, Indices
from steering.stages import Activations, Stages
from steering.touched import Touched

Flags = NDArray[np.bool_]


class Pairs(NamedTuple):
    """Every rule with every feature of its."""

    operations: NDArray[np.int64]
    """[rules] of all rows."""
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
        if len(self.operations) == len(self.rule):
            own: list[float] = values.tolist()
            return own
        summed = np.bincount(self.rule, weights=values, minlength=len(self.operations))
        told: list[float] = summed.tolist()
        return told

    def any_of(self, holds: Flags, pair: NDArray[np.int64] | None = None) -> Flags:
        """[rules] whether it holds for any of a rule's pairs.

        Args:
            holds: one for each pair, or for each of `pair`.
            pair: which pair each speaks of; None: all in order.
        """
        rule = self.rule if pair is None else self.rule[pair]
        if len(self.operations) == len(rule):
            return holds
        return np.bincount(rule, weights=holds, minlength=len(self.operations)) > 0


def fates(
    touched: Touched,
    line: Merged,
    steps: Stages,
    after: Activations,
    is_shift_clipped: Sequence[bool],
    activations: Floats,
) -> list[Sequence[RuleReport]]:
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
        final, codes = pairs.before, [INACTIVE] * len(pairs.operations)
    old = pairs.per_rule(pairs.before * pairs.per_unit)
    new = pairs.per_rule(final * pairs.per_unit)
    ends = accumulate((len(row.plan.rules) for row in touched.rows), initial=0)
    told: list[Sequence[RuleReport]] = []
    for row, (start, end) in zip(touched.rows, pairwise(ends), strict=True):
        own = slice(start, end)
        plan = row.plan
        told.append(Reports(plan.rules, codes[own], old[own], new[own], plan.why_not))
    return told


def _pairs(touched: Touched, activations: Floats) -> Pairs:
    operations = [own for row in touched.rows for own in operations_of(row.plan.rules)]
    rows = np.repeat(np.arange(len(touched.rows)), [len(row.plan.rules) for row in touched.rows])
    counts, features, values, per_unit = _joined([row.plan.rules for row in touched.rows])
    rule = np.repeat(np.arange(len(operations)), counts)
    row = rows[rule]
    is_touched, at = _found(touched, row, features, activations.shape[1])
    return Pairs(
        operations=np.array(operations),
        rows=rows,
        rule=rule,
        values=values,
        per_unit=per_unit,
        before=activations[touched.newest[row], features].astype(np.float64),
        is_touched=is_touched,
        at=at,
    )


def _joined(
    rows: Sequence[Sequence[ResolvedRule]],
) -> tuple[list[int], Indices, NDArray[np.float64], NDArray[np.float64]]:
    """Features of each rule; then [pairs] features, values and units per raw activation."""
    columns = [own.pairs for own in rows if isinstance(own, ResolvedColumns)]
    if len(columns) == len(rows):
        return (
            [count for own in columns for count in own.counts],
            np.concatenate([own.indices for own in columns]),
            np.concatenate([own.values for own in columns]),
            np.concatenate([own.per_unit for own in columns]),
        )
    rules = [rule for own in rows for rule in own]
    return (
        [len(own.indices) for own in rules],
        np.concatenate([own.indices for own in rules]),
        np.concatenate([own.values for own in rules]),
        np.concatenate([own.per_unit for own in rules]),
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
        place += np.subtract(touched.ends, touched.starts)[row]
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
    present = {Operation(own) for own in set(pairs.operations.tolist())}
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

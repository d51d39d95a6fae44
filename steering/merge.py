"""Merging rules: per feature one factor, one addend, one pin, one floor and one cap.

Rules of one kind commute bit for bit: factors are multiplied in sorted order, addends summed
exactly. Only SET against SET depends on order: the later layer wins. Within one layer two
different SETs of a feature, and anywhere a FLOOR above a CAP, are refused.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from steering.columns import ResolvedColumns
from steering.errors import RuleConflict
from steering.resolved import ResolvedRule
from steering.rules import Operation
from steering.space import Indices

SMALL = 16
"""Touched features up to which Python's own arithmetic is faster than numpy's."""


@dataclass(frozen=True, eq=False, slots=True)
class Merged:
    """What a plan does to each feature it touches; all arrays are [n], by feature index."""

    features: Indices
    factor: NDArray[np.float64]
    """Product of the SCALEs; 1: none."""
    addend: NDArray[np.float64]
    """Sum of the ADDs, raw; where variants are tried, [variants, 1, n]."""
    pin: NDArray[np.float64]
    """The SET that won, raw; NaN: none."""
    floor: NDArray[np.float64]
    """Largest FLOOR, raw; -inf: none."""
    cap: NDArray[np.float64]
    """Smallest CAP, raw; inf: none."""

    def of(self, operation: Operation) -> NDArray[np.float64]:
        """What the rules of one operation come to."""
        match operation:
            case Operation.SCALE:
                return self.factor
            case Operation.ADD:
                return self.addend
            case Operation.SET:
                return self.pin
            case Operation.FLOOR:
                return self.floor
            case Operation.CAP:
                return self.cap


@dataclass(slots=True)
class _Slot:
    """One feature while its rules are gathered."""

    factors: list[float] = field(default_factory=list)
    addends: list[float] = field(default_factory=list)
    pin: float = math.nan
    pinned_by: ResolvedRule | None = None
    floor: float = -math.inf
    cap: float = math.inf


def merged(rules: Iterable[ResolvedRule]) -> Merged:
    """The rules merged, layers in the order given.

    Raises:
        RuleConflict: two SETs of one layer differ on a feature, or a FLOOR is above a CAP.
    """
    own = list(rules)
    if not own:
        return NOTHING
    is_small = len(own) <= SMALL and sum(len(rule.indices) for rule in own) <= SMALL
    found = _merged_apart(own) if is_small else _merged_at_once(own)
    return _merged_by_turns(own) if found is None else found


def merged_columns(rules: ResolvedColumns) -> Merged:
    """As `merged`, of one request's plain rules.

    Raises:
        RuleConflict: as `merged`.
    """
    if not rules:
        return NOTHING
    pairs, operations = rules.pairs, rules.rules.operations
    indices, values = np.array(pairs.indices), np.array(pairs.values)
    if len(set(pairs.indices)) == len(pairs.indices):
        return _merged_distinct(indices, values, operations, pairs.counts)
    found = _laid(indices, values, operations, pairs.counts)
    return _merged_by_turns(rules) if found is None else found


def _merged_distinct(
    indices: Indices,
    values: NDArray[np.float64],
    operations: Sequence[Operation],
    counts: Sequence[int],
) -> Merged:
    """What pairs of a rule and a feature come to where each feature is another; see `_laid`."""
    order = indices.argsort()
    made = _untouched(indices[order])
    values = values[order]
    present = set(operations)
    if len(present) == 1:
        made.of(present.pop())[:] = values
        return made
    each = np.repeat(operations, counts)[order]
    for operation in present:
        among = each == operation
        made.of(operation)[among] = values[among]
    return made


def _merged_apart(rules: Sequence[ResolvedRule]) -> Merged | None:
    """The rules merged where no two touch one feature; None: some do."""
    lines: dict[int, tuple[float, ...]] = {}
    for rule in rules:
        operation = rule.rule.operation
        for index, value in zip(rule.indices.tolist(), rule.values.tolist(), strict=True):
            if index in lines:
                return None
            lines[index] = _alone(operation, value)
    features = sorted(lines)
    return Merged(np.array(features), *np.array([lines[index] for index in features]).T)


def _alone(operation: Operation, value: float) -> tuple[float, ...]:
    """Factor, addend, pin, floor and cap of a feature that one rule touches."""
    match operation:
        case Operation.SCALE:
            return value, 0.0, math.nan, -math.inf, math.inf
        case Operation.ADD:
            return 1.0, value, math.nan, -math.inf, math.inf
        case Operation.SET:
            return 1.0, 0.0, value, -math.inf, math.inf
        case Operation.FLOOR:
            return 1.0, 0.0, math.nan, value, math.inf
        case Operation.CAP:
            return 1.0, 0.0, math.nan, -math.inf, value


def _merged_at_once(rules: Sequence[ResolvedRule]) -> Merged | None:
    """The rules merged where no order needs care; None: it does.

    Two factors or addends on one feature come out as exact as one by one, three may not.
    """
    return _laid(
        np.concatenate([rule.indices for rule in rules]),
        np.concatenate([rule.values for rule in rules]),
        [rule.rule.operation for rule in rules],
        [len(rule.indices) for rule in rules],
    )


def _laid(
    indices: Indices,
    values: NDArray[np.float64],
    operations: Sequence[Operation],
    counts: Sequence[int],
) -> Merged | None:
    """Pairs of a rule and a feature merged; None: their order needs care.

    Args:
        indices: [pairs] rule by rule.
        values: [pairs].
        operations: [rules].
        counts: [rules] pairs of each.
    """
    in_order = np.sort(indices)
    is_new = np.ones(len(in_order), dtype=bool)
    np.not_equal(in_order[1:], in_order[:-1], out=is_new[1:])
    features = in_order[is_new]
    made = _untouched(features)
    place = np.searchsorted(features, indices)
    present = set(operations)
    if len(present) == 1:
        return made if _lay(made, present.pop(), place, values) else None
    each = np.repeat(operations, counts)
    for operation in present:
        among = each == operation
        if not _lay(made, operation, place[among], values[among]):
            return None
    return None if (made.floor > made.cap).any() else made


def _lay(
    made: Merged, operation: Operation, place: NDArray[np.int64], values: NDArray[np.float64]
) -> bool:
    """Puts the values of one operation at their places, unless their order needs care."""
    match operation:
        case Operation.FLOOR:
            np.maximum.at(made.floor, place, values)
            return True
        case Operation.CAP:
            np.minimum.at(made.cap, place, values)
            return True
    most = np.bincount(place).max()
    match operation:
        case Operation.SCALE:
            np.multiply.at(made.factor, place, values)
        case Operation.ADD:
            np.add.at(made.addend, place, values)
        case Operation.SET:
            made.pin[place] = values
            return bool(most == 1)
    return bool(most <= 2)


def _untouched(features: Indices) -> Merged:
    """These features, and nothing that acts on them."""
    size = len(features)
    return Merged(
        features=features,
        factor=np.ones(size),
        addend=np.zeros(size),
        pin=np.full(size, math.nan),
        floor=np.full(size, -math.inf),
        cap=np.full(size, math.inf),
    )


NOTHING = _untouched(np.array([], dtype=np.int64))


def _merged_by_turns(rules: Sequence[ResolvedRule]) -> Merged:
    """As `merged`: rule by rule, feature by feature."""
    slots: dict[int, _Slot] = {}
    for rule in rules:
        for index, value in zip(rule.indices.tolist(), rule.values.tolist(), strict=True):
            _gather(slots.setdefault(index, _Slot()), rule, index, value)
    features = sorted(slots)
    ordered = [slots[index] for index in features]
    return Merged(
        features=np.array(features, dtype=np.int64),
        factor=np.array([math.prod(sorted(s.factors)) for s in ordered]),
        addend=np.array([math.fsum(s.addends) for s in ordered]),
        pin=np.array([s.pin for s in ordered]),
        floor=np.array([s.floor for s in ordered]),
        cap=np.array([s.cap for s in ordered]),
    )


def widened(rules: Merged, more: Sequence[Indices]) -> Merged:
    """The same, with further features that nothing touches yet."""
    if not more:
        return rules
    features = np.unique(np.concatenate([rules.features, *more]))
    own = np.searchsorted(features, rules.features)

    def placed(values: NDArray[np.float64], neutral: float) -> NDArray[np.float64]:
        wide = np.full(len(features), neutral)
        wide[own] = values
        return wide

    return Merged(
        features=features,
        factor=placed(rules.factor, 1.0),
        addend=placed(rules.addend, 0.0),
        pin=placed(rules.pin, math.nan),
        floor=placed(rules.floor, -math.inf),
        cap=placed(rules.cap, math.inf),
    )


def _gather(slot: _Slot, rule: ResolvedRule, index: int, value: float) -> None:
    match rule.rule.operation:
        case Operation.SCALE:
            slot.factors.append(value)
        case Operation.ADD:
            slot.addends.append(value)
        case Operation.SET:
            _pin(slot, rule, index, value)
        case Operation.FLOOR:
            slot.floor = max(slot.floor, value)
        case Operation.CAP:
            slot.cap = min(slot.cap, value)
    if slot.floor > slot.cap:
        raise RuleConflict(
            str(rule.origin),
            f"on feature {index} a FLOOR of {slot.floor:g} lies above a CAP of {slot.cap:g}"
            " (raw); lower the one or raise the other",
        )


def _pin(slot: _Slot, rule: ResolvedRule, index: int, value: float) -> None:
    other = slot.pinned_by
    if other is not None and value != slot.pin and _same_layer(other, rule):
        raise RuleConflict(
            str(rule.origin),
            f"SETs feature {index} to {value:g}, {other.origin} SETs it to {slot.pin:g} (raw);"
            " keep one of them",
        )
    slot.pin, slot.pinned_by = value, rule


def _same_layer(one: ResolvedRule, other: ResolvedRule) -> bool:
    own, others = one.origin, other.origin
    return (own.preset, own.revision) == (others.preset, others.revision)

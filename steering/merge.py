"""Merging rules: per feature one factor, one addend, one pin, one floor and one cap.

Rules of one kind commute bit for bit: factors are multiplied in sorted order, addends summed
exactly. Only SET against SET depends on order: the later layer wins. Within one layer two
different SETs of a feature, and anywhere a FLOOR above a CAP, are refused.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from steering.columns import ResolvedColumns
from steering.errors import RuleConflict
from steering.resolved import ResolvedRule
from steering.rules import Operation
from steering.space import Indices

SCALE, ADD, SET, FLOOR, CAP = Operation
"""Looked up once: an enum's member costs a call."""
SMALL = 16
"""Touched features up to which Python's own arithmetic is faster than numpy's; rules, too."""
Part: TypeAlias = tuple[Operation, slice | NDArray[np.bool_]]
"""An operation, and which pairs of a rule and a feature are its."""


def _read_only(number: float) -> NDArray[np.float64]:
    own = np.full(512, number)
    own.flags.writeable = False
    return own


NEUTRAL = {
    SCALE: _read_only(1.0),
    ADD: _read_only(0.0),
    SET: _read_only(math.nan),
    FLOOR: _read_only(-math.inf),
    CAP: _read_only(math.inf),
}
"""What each operation says where no rule of its acts, in the order of `Merged`."""
TOGETHER: Mapping[Operation, np.ufunc] = {
    SCALE: np.multiply,
    ADD: np.add,
    FLOOR: np.maximum,
    CAP: np.minimum,
}
"""What two rules of one operation come to on one feature; of two SETs the later wins."""


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
    counts, indices, values, _ = rules.pairs
    operations = rules.rules.operations
    if len(set(operations)) == 1 and _are_distinct(indices):
        order = indices.argsort()
        return _merged_of(indices[order], {operations[0]: values[order]})
    found = _laid(indices, values, _by_rule(operations, counts))
    return _merged_by_turns(rules) if found is None else found


def _are_distinct(indices: Indices) -> bool:
    return len(set(indices.tolist())) == len(indices)


def _merged_of(features: Indices, columns: Mapping[Operation, NDArray[np.float64]]) -> Merged:
    """What operations do to features; those that are not there do nothing."""
    size = len(features)
    return Merged(
        features,
        *[columns[own] if own in columns else _neutral(own, size) for own in NEUTRAL],
    )


def _neutral(operation: Operation, size: int) -> NDArray[np.float64]:
    """[size] what an operation says where no rule of its acts; read-only where it is short."""
    own = NEUTRAL[operation]
    return own[:size] if size <= len(own) else np.full(size, own[0])


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
    operations = [rule.rule.operation for rule in rules]
    counts = [len(rule.indices) for rule in rules]
    return _laid(
        np.concatenate([rule.indices for rule in rules]),
        np.concatenate([rule.values for rule in rules]),
        _by_rule(operations, counts) if len(rules) <= SMALL else _by_operation(operations, counts),
    )


def _by_rule(operations: Sequence[Operation], counts: Sequence[int]) -> list[Part]:
    ends = [*accumulate(counts, initial=0)]
    return [
        (operation, slice(*own)) for operation, own in zip(operations, pairwise(ends), strict=True)
    ]


def _by_operation(operations: Sequence[Operation], counts: Sequence[int]) -> list[Part]:
    each = np.repeat(operations, counts)
    return [(operation, each == operation) for operation in set(operations)]


def _laid(indices: Indices, values: NDArray[np.float64], parts: Sequence[Part]) -> Merged | None:
    """Pairs of a rule and a feature merged; None: their order needs care.

    Args:
        indices: [pairs] rule by rule.
        values: [pairs].
        parts: all of the pairs, those of one operation in each.
    """
    features = np.sort(indices)
    are_distinct = _are_distinct(indices)
    if not are_distinct:
        features = features[np.append(True, features[1:] != features[:-1])]
    place = features.searchsorted(indices)
    columns: dict[Operation, NDArray[np.float64]] = {}
    for operation, own in parts:
        if operation not in columns:
            if not are_distinct and _needs_care(operation, parts, place):
                return None
            columns[operation] = _neutral(operation, len(features)).copy()
        if are_distinct or operation not in TOGETHER:
            columns[operation][place[own]] = values[own]
        else:
            TOGETHER[operation].at(columns[operation], place[own], values[own])
    made = _merged_of(features, columns)
    if are_distinct or FLOOR not in columns or CAP not in columns:
        return made
    return None if (made.floor > made.cap).any() else made


def _needs_care(operation: Operation, parts: Sequence[Part], place: NDArray[np.int64]) -> bool:
    """Whether so many rules of an operation act on one feature that their order may matter."""
    if operation is FLOOR or operation is CAP:
        return False
    most = 2 if operation in TOGETHER else 1
    own = [pairs for other, pairs in parts if other is operation]
    if len(own) <= most and isinstance(own[0], slice):  # a rule has each feature once
        return False
    return bool(np.bincount(np.concatenate([place[pairs] for pairs in own])).max() > most)


NOTHING = _merged_of(np.array([], dtype=np.int64), {})


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

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

from steering.errors import RuleConflict
from steering.resolved import ResolvedRule
from steering.rules import Operation
from steering.space import Indices


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

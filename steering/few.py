"""The edit of one position by few rules, in Python's own numbers.

What `steering.edit.edit` says, where few rows touch few features: there a call of numpy costs more
than the arithmetic in it, most of all right after the model has had the processor's caches.
"""

import math
from collections.abc import Iterator, Sequence
from operator import mul
from typing import NamedTuple

import numpy as np

from steering.columns import ResolvedColumns
from steering.edit import Edit
from steering.plan import Limits, Plan
from steering.report import (
    APPLIED,
    INACTIVE,
    LIMITED,
    OVERRIDDEN,
    SHIFT_CLIPPED,
    Reports,
)
from steering.resolved import ResolvedRule
from steering.rules import Operation
from steering.space import FeatureSpace, Floats

MOST = 16
"""Touched features of a whole batch up to which this is faster (`bench.request_path`)."""


class Step(NamedTuple):
    """One touched feature, step by step; see `steering.stages.Stages`."""

    before: float
    moved: float
    pin: float
    pinned: float
    floored: float
    after: float
    """After the limits on each activation; of the whole shift, too, once that is known."""
    is_limited: bool


def few_edited(
    plan: Plan, space: FeatureSpace, activations: Floats, hidden: Floats, w_dec: Floats
) -> Edit:
    """The edit of one position under a plan without activation ranges.

    Args:
        plan: the request's.
        space: of the bundle.
        activations: [1, d_sae] from the encoder.
        hidden: [1, d_model].
        w_dec: [d_sae, d_model] decoder rows, in the hidden state's own units.
    """
    features, limits = plan.merged.features, plan.limits
    last, rows = activations[0], w_dec[features]
    before = last[features].tolist()
    steps = _steps(plan, space, before)
    after = [step.after for step in steps]
    change = [new - old for new, old in zip(after, before, strict=True)]
    shift = np.array(change, dtype=np.float32) @ rows
    length, stays = _length(shift), _length(hidden[0])
    is_clipped = length > limits.max_shift_share * stays
    if is_clipped:
        kept = limits.max_shift_share * stays / length
        after = [old + kept * own for old, own in zip(before, change, strict=True)]
        shift = (
            np.array([new - old for new, old in zip(after, before, strict=True)], dtype=np.float32)
            @ rows
        )
        length = _length(shift)
    return Edit(
        features=features,
        before=np.array([before]),
        after=np.array([after]),
        shift=shift[np.newaxis],
        norm_share=length / stays if length else 0.0,
        is_shift_clipped=is_clipped,
        is_identity=not (length or shift.any()),
        reports=_reports(plan, steps, after, is_clipped, last),
    )


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return float(sum(map(mul, one, other)))


def _length(vector: Floats) -> float:
    return math.sqrt(float(vector.dot(vector)))


def _steps(plan: Plan, space: FeatureSpace, before: Sequence[float]) -> list[Step]:
    merged = plan.merged
    return [
        _step(plan.limits, *own)
        for own in zip(
            before,
            merged.factor.tolist(),
            merged.addend.tolist(),
            merged.pin.tolist(),
            merged.floor.tolist(),
            merged.cap.tolist(),
            space.reference[merged.features].tolist(),
            strict=True,
        )
    ]


def _step(
    limits: Limits,
    before: float,
    factor: float,
    addend: float,
    pin: float,
    floor: float,
    cap: float,
    reference: float,
) -> Step:
    moved = before * min(factor, limits.max_factor) + addend
    is_pinned = pin == pin  # noqa: PLR0124 - NaN is not itself
    pinned = pin if is_pinned else moved
    floored = max(pinned, floor)
    capped = min(floored, cap)
    bound = limits.max_activation * reference if reference > 0 else math.inf
    reach = max(bound, abs(before))
    after = max(-reach, min(capped, reach))
    is_limited = after != capped or (factor > limits.max_factor and not is_pinned and before != 0)
    return Step(before, moved, pin, pinned, floored, after, is_limited)


def _reports(
    plan: Plan, steps: Sequence[Step], after: Sequence[float], is_clipped: bool, last: Floats
) -> Reports:
    features = plan.merged.features.tolist()
    by_feature = dict(zip(features, zip(steps, after, strict=True), strict=True))
    codes, befores, afters = [], [], []
    for i, (operation, own, values, per_unit) in enumerate(_each(plan.rules)):
        if i in plan.why_not:
            codes.append(INACTIVE)
            old = last[own].tolist()
            new = [
                by_feature[index][1] if index in by_feature else was
                for index, was in zip(own, old, strict=True)
            ]
        else:
            mine = [by_feature[index][0] for index in own]
            codes.append(_code(operation, values, mine, is_clipped))
            old = [step.before for step in mine]
            new = [by_feature[index][1] for index in own]
        befores.append(_dot(old, per_unit))
        afters.append(_dot(new, per_unit))
    return Reports(plan.rules, codes, befores, afters, plan.why_not)


def _each(
    rules: Sequence[ResolvedRule],
) -> Iterator[tuple[Operation, list[int], list[float], list[float]]]:
    """Of each rule: operation, features, values, units per raw activation."""
    if not isinstance(rules, ResolvedColumns):
        for rule in rules:
            listed = rule.indices.tolist(), rule.values.tolist(), rule.per_unit.tolist()
            yield rule.rule.operation, *listed
        return
    pairs, end = rules.pairs, 0
    indices, values = pairs.indices.tolist(), pairs.values.tolist()
    per_unit = pairs.per_unit.tolist()
    for operation, count in zip(rules.rules.operations, pairs.counts, strict=True):
        start, end = end, end + count
        yield operation, indices[start:end], values[start:end], per_unit[start:end]


def _code(
    operation: Operation, values: Sequence[float], steps: Sequence[Step], is_clipped: bool
) -> int:
    """Place in `steering.report.FATES`."""
    pairs = list(zip(steps, values, strict=True))
    if all(_is_replaced(operation, step, value) for step, value in pairs):
        return OVERRIDDEN
    if not any(_acted(operation, step, value) for step, value in pairs):
        return INACTIVE
    if any(step.is_limited for step in steps):
        return LIMITED
    return SHIFT_CLIPPED if is_clipped else APPLIED


def _is_replaced(operation: Operation, step: Step, value: float) -> bool:
    """Whether a SET replaced what the rule did there."""
    if operation in (Operation.SCALE, Operation.ADD):
        return not math.isnan(step.pin)
    return operation is Operation.SET and step.pin != value


def _acted(operation: Operation, step: Step, value: float) -> bool:
    """Whether the rule's own operation changed what it was given."""
    match operation:
        case Operation.SCALE:
            return step.before != 0 and value != 1
        case Operation.ADD:
            return value != 0
        case Operation.SET:
            return step.moved != value
        case Operation.FLOOR:
            return step.pinned < value
        case Operation.CAP:
            return step.floored > value

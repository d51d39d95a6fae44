"""What became of each rule of a plan."""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steering.merge import Merged
from steering.resolved import Origin, ResolvedRule
from steering.rules import Operation, Rule
from steering.space import Floats
from steering.stages import Activations, Stages

REPLACED = "a SET of the same or a later layer replaced it"
AT_LIMIT = "an activation reached its limit"
SCALED_DOWN = "the whole shift was scaled down to its limit"


class RuleStatus(IntEnum):
    """What became of one rule in one request."""

    APPLIED = 1
    """It moved an activation."""
    INACTIVE = 2
    """It found nothing to act on."""
    CLIPPED = 3
    """It moved an activation, and a limit cut the move."""
    UNKNOWN_FEATURE = 4
    """This bundle lacks what it names; its preset was skipped."""
    CONDITION_FALSE = 5
    """Its condition, or its activation range, did not hold."""
    OVERRIDDEN = 6
    """A SET replaced what it did."""


class RuleReport(NamedTuple):
    """One rule's fate."""

    rule: Rule
    origin: Origin
    status: RuleStatus
    activation_before: float = 0.0
    """Of its target before all rules, at the last position, in the rule's unit."""
    activation_after: float = 0.0
    """Of its target after all rules and limits, at the last position, in the rule's unit."""
    message: str = ""
    """Why, where the status alone does not say it."""


def reports(
    rules: Sequence[ResolvedRule],
    why_not: Mapping[int, str],
    merge: Merged,
    steps: Stages,
    after: Activations,
    is_shift_clipped: bool,
    last: Floats,
) -> tuple[RuleReport, ...]:
    """One report per rule, in order.

    Args:
        rules: all of the plan.
        why_not: those left out: position in `rules` -> why.
        merge: the others, merged.
        steps: the edit step by step, [positions, n].
        after: [positions, n] activations after every limit.
        is_shift_clipped: whether the whole shift was scaled down.
        last: [d_sae] activations from the encoder at the last position.
    """
    final = last.astype(np.float64)
    final[merge.features] = after[-1]
    answers = []
    for i, rule in enumerate(rules):
        if i in why_not:
            status, message = RuleStatus.CONDITION_FALSE, why_not[i]
        else:
            status, message = _status(rule, merge, steps, is_shift_clipped)
        answers.append(
            RuleReport(
                rule.rule,
                rule.origin,
                status,
                rule.activation(last[rule.indices]),
                rule.activation(final[rule.indices]),
                message,
            )
        )
    return tuple(answers)


def _status(
    rule: ResolvedRule, merge: Merged, steps: Stages, is_shift_clipped: bool
) -> tuple[RuleStatus, str]:
    own = np.searchsorted(merge.features, rule.indices)
    if _is_overridden(rule, merge.pin[own]):
        return RuleStatus.OVERRIDDEN, REPLACED
    if not changed(rule.rule.operation, rule.values, steps, own).any():
        return RuleStatus.INACTIVE, ""
    if steps.is_limited[own].any():
        return RuleStatus.CLIPPED, AT_LIMIT
    if is_shift_clipped:
        return RuleStatus.CLIPPED, SCALED_DOWN
    return RuleStatus.APPLIED, ""


def _is_overridden(rule: ResolvedRule, pin: NDArray[np.float64]) -> bool:
    match rule.rule.operation:
        case Operation.SCALE | Operation.ADD:
            return bool((~np.isnan(pin)).all())
        case Operation.SET:
            return bool((pin != rule.values).all())
        case _:
            return False


def changed(
    operation: Operation, values: NDArray[np.float64], steps: Stages, own: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """[positions, n] where an operation changes what it is given.

    Args:
        operation: of one rule, or of several.
        values: [n] the rule's, feature by feature.
        steps: the edit step by step.
        own: [n] where those features are in it.
    """
    match operation:
        case Operation.SCALE:
            return np.asarray((steps.before[:, own] != 0) & (values != 1))
        case Operation.ADD:
            return np.broadcast_to(values != 0, (len(steps.before), len(own)))
        case Operation.SET:
            return np.asarray(steps.moved[:, own] != values)
        case Operation.FLOOR:
            return np.less(steps.pinned[:, own], values)
        case Operation.CAP:
            return np.greater(steps.floored[:, own], values)

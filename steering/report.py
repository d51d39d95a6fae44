"""What became of each rule of a plan."""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steering.lazy import Lazy
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


FATES = (
    (RuleStatus.APPLIED, ""),
    (RuleStatus.INACTIVE, ""),
    (RuleStatus.CLIPPED, SCALED_DOWN),
    (RuleStatus.CLIPPED, AT_LIMIT),
    (RuleStatus.OVERRIDDEN, REPLACED),
)
"""What can become of a rule whose condition holds, with why."""
APPLIED, INACTIVE, SHIFT_CLIPPED, LIMITED, OVERRIDDEN = range(len(FATES))


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


class Reports(Lazy[RuleReport]):
    """The reports of one plan's rules as columns, one number for each rule."""

    __slots__ = ("after", "before", "codes", "rules", "why_not")

    def __init__(
        self,
        rules: Sequence[ResolvedRule],
        codes: Sequence[int],
        before: Sequence[float],
        after: Sequence[float],
        why_not: Mapping[int, str],
    ) -> None:
        """The reports.

        Args:
            rules: of the plan, in order.
            codes: places in FATES.
            before: activations before all rules, in each rule's unit.
            after: activations after all rules and limits, likewise.
            why_not: rules whose condition does not hold, whatever their code: place -> why.
        """
        self.rules = rules
        self.codes = codes
        self.before = before
        self.after = after
        self.why_not = why_not

    def __len__(self) -> int:
        return len(self.rules)

    def _made(self, place: int) -> RuleReport:
        rule = self.rules[place]
        status, message = self.fate(place)
        before, after = self.before[place], self.after[place]
        return RuleReport(rule.rule, rule.origin, status, before, after, message)

    def fate(self, place: int) -> tuple[RuleStatus, str]:
        """What became of a rule, and why where the status alone does not say it."""
        if why := self.why_not.get(place):
            return RuleStatus.CONDITION_FALSE, why
        return FATES[self.codes[place]]


def statuses(reports: Sequence[RuleReport]) -> list[RuleStatus]:
    """What became of each rule."""
    if isinstance(reports, Reports):
        return [reports.fate(place)[0] for place in range(len(reports))]
    return [report.status for report in reports]


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
            return np.repeat(values[np.newaxis] != 0, len(steps.before), axis=0)
        case Operation.SET:
            return np.asarray(steps.moved[:, own] != values)
        case Operation.FLOOR:
            return np.less(steps.pinned[:, own], values)
        case Operation.CAP:
            return np.greater(steps.floored[:, own], values)

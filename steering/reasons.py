"""What single rules and features did to scores: the shifts that tell.

Where scores are linear in the shift (the hook is after the final norm), a rule's or feature's part
of it, times an item's direction, is its part of the score, exactly. Elsewhere the edit without it
is scored beside the edit with it.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from steering.edit import Edit
from steering.lever import Lever
from steering.merge import merged
from steering.plan import Plan
from steering.report import RuleStatus
from steering.resolved import ResolvedRule
from steering.rules import Operation
from steering.space import FeatureSpace, Floats, Indices

ACTED = (RuleStatus.APPLIED, RuleStatus.CLIPPED)


def acting_rules(edit: Edit) -> list[int]:
    """Positions, among the plan's rules, of those that moved an activation."""
    return [i for i, report in enumerate(edit.reports) if report.status in ACTED]


def is_separable(plan: Plan, edit: Edit) -> bool:
    """Whether each rule's move of each activation is its own, whatever the others do.

    So where no limit cut anything, and on each feature rules only add up: any number of ADDs with
    at most one SCALE, or one rule alone.
    """
    if edit.is_shift_clipped or any(r.status is RuleStatus.CLIPPED for r in edit.reports):
        return False
    in_force = [plan.rules[i] for i in plan.remaining()]
    scales, others = Counter[int](), Counter[int]()
    total = Counter(index for rule in in_force for index in rule.indices.tolist())
    for rule in in_force:
        if rule.rule.operation is Operation.SCALE:
            scales.update(rule.indices.tolist())
        elif rule.rule.operation is not Operation.ADD:
            others.update(rule.indices.tolist())
    return max(scales.values(), default=0) <= 1 and all(total[index] == 1 for index in others)


def own_shift(rule: ResolvedRule, edit: Edit, w_dec: Floats) -> Floats:
    """[d_model] a separable rule's part of the shift at the newest position."""
    at = np.searchsorted(edit.features, rule.indices)
    match rule.rule.operation:
        case Operation.SCALE:
            delta = (rule.values - 1) * edit.before[-1, at]
        case Operation.ADD:
            delta = rule.values
        case _:
            delta = edit.after[-1, at] - edit.before[-1, at]
    return np.asarray(delta.astype(np.float32) @ w_dec[rule.indices])


def shift_without(
    plan: Plan,
    left_out: int,
    space: FeatureSpace,
    activations: Floats,
    hidden: Floats,
    w_dec: Floats,
) -> Floats:
    """[positions, d_model] the shift of a plan without one of its rules.

    Args:
        plan: all rules.
        left_out: position of the rule in it.
        space, activations, hidden, w_dec: as `steering.edit.edit` takes them.
    """
    rules = (*plan.rules[:left_out], *plan.rules[left_out + 1 :])
    why_not = {i - (i > left_out): why for i, why in plan.why_not.items() if i != left_out}
    left = merged(rule for i, rule in enumerate(rules) if i not in why_not)
    lever = Lever(Plan(rules, why_not, left, plan.limits), space, (), activations, hidden, w_dec)
    return np.asarray(lever.shifts(np.zeros((1, 0))).shift[0])


def edited(activations: Floats, edit: Edit | None, part: float) -> Floats:
    """[positions, d_sae] activations after a part of an edit.

    Args:
        activations: from the encoder.
        edit: None: nothing is edited.
        part: 0..1.
    """
    after = activations.copy()
    if edit is not None:
        after[:, edit.features] = edit.before + part * (edit.after - edit.before)
    return after


def strongest(
    activations: Floats, reference: NDArray[np.float64], count: int | None = None
) -> Indices:
    """Up to `count` features that are not 0, the largest magnitude in reference units first.

    Args:
        activations: [d_sae] after the edit.
        reference: [d_sae]; features without one are left out.
        count: how many; None: all.
    """
    alive = np.flatnonzero((activations != 0) & (reference > 0))
    order = np.argsort(-np.abs(activations[alive]) / reference[alive], kind="stable")
    return alive[order][:count]


def shifts_ablating(
    features: Sequence[int] | Indices, after: Floats, shift: Floats, w_dec: Floats
) -> Floats:
    """[features, positions, d_model] the shift that also takes one feature out, for each.

    Args:
        features: [n] which.
        after: [positions, d_sae] activations after the edit.
        shift: [positions, d_model] of the edit.
        w_dec: [d_sae, d_model] decoder rows.
    """
    own = np.asarray(features)
    parts = after[:, own].T[:, :, np.newaxis] * w_dec[own][:, np.newaxis, :]
    return np.asarray(shift - parts, dtype=np.float32)

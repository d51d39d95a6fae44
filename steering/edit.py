"""The edit of one history under a plan, and the shift of its hidden state.

h' = h + decode(a') - decode(a) = h + (a' - a) @ W_dec

What the SAE cannot explain passes through untouched, and a plan that changes no activation
leaves h as it is, bit for bit. Nothing here writes to what it is given.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steering.merge import Merged, merged
from steering.plan import Plan
from steering.report import RuleReport, reports
from steering.space import FeatureSpace, Floats, Indices
from steering.stages import Activations, stages


class Edit(NamedTuple):
    """What a plan did to one history."""

    features: Indices
    """[n] features that the plan touches."""
    before: Activations
    """[positions, n] activations from the encoder, raw."""
    after: Activations
    """[positions, n] activations after rules and limits, raw."""
    shift: Floats
    """[positions, d_model] what is added to the hidden state."""
    norm_share: float
    """Norm of the shift over that of the hidden state, at the last position."""
    is_shift_clipped: bool
    """Whether a shift was scaled down to the allowed share, at any position."""
    is_identity: bool
    """Whether the hidden state stays as it is."""
    reports: Sequence[RuleReport]
    """One per rule of the plan, in its order."""


def edit(
    plan: Plan, space: FeatureSpace, activations: Floats, hidden: Floats, w_dec: Floats
) -> Edit:
    """The edit of one history.

    Args:
        plan: the request's.
        space: of the bundle.
        activations: [positions, d_sae] from the encoder, at the positions to edit.
        hidden: [positions, d_model] at the same positions.
        w_dec: [d_sae, d_model] decoder rows, in the hidden state's own units.
    """
    last = activations[-1]
    why_not = {**plan.why_not, **_out_of_range(plan, last)}
    rules = _left(plan, why_not)
    own = rules.features
    before = activations[:, own].astype(np.float64)
    steps = stages(rules, plan.limits, space.reference[own], before)
    delta = steps.limited - before
    kept = _kept_share(delta, hidden, w_dec[own], plan.limits.max_shift_share)
    after = before + kept * delta
    shift = ((after - before) if (kept < 1).any() else delta).astype(np.float32) @ w_dec[own]
    clipped = bool((kept < 1).any())
    return Edit(
        features=own,
        before=before,
        after=after if clipped else steps.limited,
        shift=shift,
        norm_share=_norm_share(shift[-1], hidden[-1]),
        is_shift_clipped=clipped,
        is_identity=not shift.any(),
        reports=reports(plan.rules, why_not, rules, steps, after, clipped, last),
    )


def acting(plan: Plan, last: Floats) -> Merged:
    """The rules of a plan that act on one history, merged.

    Args:
        plan: the request's.
        last: [d_sae] activations from the encoder at the newest position.
    """
    return _left(plan, {**plan.why_not, **_out_of_range(plan, last)})


def _out_of_range(plan: Plan, last: Floats) -> dict[int, str]:
    """Rules whose activation range does not hold: position in the plan -> why."""
    outside = {}
    for i in plan.remaining():
        rule = plan.rules[i]
        bounds = rule.rule.when_activation
        if bounds is None:
            continue
        activation = rule.activation(last[rule.indices])
        if activation not in bounds:
            outside[i] = f"activation {activation:.3g} is outside {bounds.min:g}..{bounds.max:g}"
    return outside


def _left(plan: Plan, why_not: dict[int, str]) -> Merged:
    if len(why_not) == len(plan.why_not):
        return plan.merged
    return merged(rule for i, rule in enumerate(plan.rules) if i not in why_not)


def _kept_share(
    delta: Activations, hidden: Floats, rows: Floats, max_share: float
) -> NDArray[np.float64]:
    """[positions, 1] share of the shift that its limit lets through, 0..1."""
    length = np.linalg.norm(delta.astype(np.float32) @ rows, axis=1, keepdims=True)
    allowed = max_share * np.linalg.norm(hidden, axis=1, keepdims=True)
    kept = np.ones_like(length, dtype=np.float64)
    np.divide(allowed, length, out=kept, where=length > allowed)
    return kept


def _norm_share(shift: Floats, hidden: Floats) -> float:
    """|shift| / |hidden|; 0 where the shift is zero."""
    length = float(np.linalg.norm(shift))
    return length / float(np.linalg.norm(hidden)) if length else 0.0

"""A request's wishes in one bundle: its attributes found, or refused with the nearest name."""

from service.errors import InvalidRequest, Violation
from service.inquiry import Asked
from service.snapshot import ServedModel
from service.wishes import (
    MAX_ABLATED_FEATURES,
    MAX_EXPLAINED_RULES,
    WantedTarget,
    Wishes,
)
from steering.errors import UnknownAttribute
from steering.plan import Plan
from steering.rules import Operation, Rule
from steering.search import Wanted
from steering.target import Target


def asked_of(
    wishes: Wishes, served: ServedModel, plan: Plan, *, is_full: bool, is_disabled: bool
) -> Asked:
    """What the model is asked beyond the plan.

    Args:
        wishes: of the request.
        served: the bundle.
        plan: the request's.
        is_full: whether unsteered ranks are wanted anyway.
        is_disabled: whether nothing may be steered; the wishes are still checked.

    Raises:
        InvalidRequest: the bundle has no group for an attribute, or too many rules are in force to
            be told apart.
    """
    target = _target(wishes.target, served) if wishes.target else None
    if wishes.wants_rule_contributions:
        _check_count(plan)
    return Asked(
        wanted=Wanted(
            target=None if is_disabled else target,
            budget=None if is_disabled else wishes.budget,
            needs_unsteered=is_full or wishes.wants_counterfactual,
        ),
        places=wishes.places,
        n_ablated=MAX_ABLATED_FEATURES,
        wants_rules=wishes.wants_rule_contributions,
        wants_features=wishes.wants_feature_contributions,
        directions=served.directions,
    )


def _target(wanted: WantedTarget, served: ServedModel) -> Target:
    aims, violations = [], []
    for i, own in enumerate(wanted.mix):
        try:
            served.space.group_of(Rule(Operation.ADD, own.attribute, 1.0), f"target.mix[{i}]")
        except UnknownAttribute as unknown:
            violations.append(Violation(unknown.field, unknown.message))
        else:
            aims.append(served.steerables[own.attribute].aim(own.share))
    if violations:
        raise InvalidRequest(violations)
    return Target(tuple(aims), wanted.at_k, wanted.tolerance)


def _check_count(plan: Plan) -> None:
    if (count := len(plan.remaining())) > MAX_EXPLAINED_RULES:
        message = (
            f"{count} rules are in force, and at most {MAX_EXPLAINED_RULES} can be told apart;"
            " ask without it, or with fewer"
        )
        raise InvalidRequest([Violation("with_rule_contributions", message)])

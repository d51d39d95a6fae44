"""What a request asks for that only steering can do: target, budget, counterfactual, reasons."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from steerrec.v1 import recommender_pb2

from service.errors import Violation
from steering.budget import Budget
from steering.rules import MAX_ATTRIBUTE, Attribute

DEFAULT_AT_K = 20
MAX_AT_K = 200
MAX_BUDGET_AT_K = 1000
MAX_MIX = 8
MAX_EXPLAINED_RULES = 32
"""Rules in force whose contributions are told apart; each may take a row of the model's run."""
MAX_ABLATED_FEATURES = 32
"""Features that are left out one by one where scores are not linear in the edit."""
MAX_FEATURES_TOLD = 10
MAX_SHARES_TOLD = 50


@dataclass(frozen=True, slots=True)
class WantedShare:
    """One attribute and the share of it that is wanted."""

    attribute: Attribute
    share: float
    """0..1."""


@dataclass(frozen=True, slots=True)
class WantedTarget:
    """Shares that the slate should reach; whether the bundle has the attributes is still open."""

    mix: tuple[WantedShare, ...]
    """At least one, each attribute once."""
    at_k: int
    """Length of the slate on which shares are counted."""
    tolerance: float
    """How far a share may be off."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is asked beyond rules and presets; at least one of them."""

    target: WantedTarget | None
    budget: Budget | None
    wants_counterfactual: bool
    wants_rule_contributions: bool
    wants_feature_contributions: bool

    @property
    def places(self) -> int:
        """Length of the longest slate that is looked at, k aside."""
        return max(self.target.at_k if self.target else 0, self.budget.at_k if self.budget else 0)


def wishes_of(request: recommender_pb2.RecommendRequest, k: int) -> Wishes | None:
    """The wishes of a request in which nothing is violated; None: it has none.

    Args:
        request: as received.
        k: items wanted.
    """
    if not wishes_anything(request):
        return None
    return Wishes(
        target=_target(request.target) if request.HasField("target") else None,
        budget=_budget(request.budget, k) if request.HasField("budget") else None,
        wants_counterfactual=request.with_counterfactual,
        wants_rule_contributions=request.with_rule_contributions,
        wants_feature_contributions=request.with_feature_contributions,
    )


def wishes_anything(request: recommender_pb2.RecommendRequest) -> bool:
    """Whether a request has any wish."""
    return (
        request.with_counterfactual
        or request.with_rule_contributions
        or request.with_feature_contributions
        or request.HasField("target")
        or request.HasField("budget")
    )


def _target(message: recommender_pb2.Target) -> WantedTarget:
    at_k = message.at_k or DEFAULT_AT_K
    return WantedTarget(
        mix=tuple(
            WantedShare(Attribute(own.attribute.name, own.attribute.value), own.share)
            for own in message.mix
        ),
        at_k=at_k,
        tolerance=message.tolerance if message.HasField("tolerance") else 1 / at_k,
    )


def _budget(message: recommender_pb2.Budget, k: int) -> Budget:
    # an absent bound reads as 0, which is none
    return Budget(message.min_overlap, message.min_score_retained, message.at_k or k)


def wish_violations(request: recommender_pb2.RecommendRequest) -> Iterator[Violation]:
    """What is wrong with the wishes of a request whatever the bundle."""
    if request.HasField("target"):
        yield from _target_violations(request.target)
    if request.HasField("budget"):
        yield from _budget_violations(request.budget)


def _target_violations(target: recommender_pb2.Target) -> Iterator[Violation]:
    if not 1 <= len(target.mix) <= MAX_MIX:
        yield Violation("target.mix", f"{len(target.mix)} attributes; 1 to {MAX_MIX}")
    if not 0 <= target.at_k <= MAX_AT_K:
        message = f"{target.at_k} is not within 1 to {MAX_AT_K}; 0 means {DEFAULT_AT_K}"
        yield Violation("target.at_k", message)
    if target.HasField("tolerance") and not 0 < target.tolerance <= 1:
        message = f"{target.tolerance:g} is not above 0 and at most 1; leave it out for one item"
        yield Violation("target.tolerance", message)
    seen: dict[Attribute, int] = {}
    for i, own in enumerate(target.mix[: MAX_MIX + 1]):
        attribute = Attribute(own.attribute.name, own.attribute.value)
        yield from _share_violations(own, attribute, f"target.mix[{i}]")
        if (first := seen.setdefault(attribute, i)) != i:
            message = f"{attribute} is target.mix[{first}] already; name each attribute once"
            yield Violation(f"target.mix[{i}].attribute", message)


def _share_violations(
    own: recommender_pb2.AttributeShare, attribute: Attribute, path: str
) -> Iterator[Violation]:
    name, value = attribute.name, attribute.value
    if not (name and value):
        message = f"name {name!r} and value {value!r} are both required"
        yield Violation(f"{path}.attribute", message)
    elif max(len(name), len(value)) > MAX_ATTRIBUTE:
        message = f"name and value have at most {MAX_ATTRIBUTE} characters each"
        yield Violation(f"{path}.attribute", message)
    yield from _unit_violations(f"{path}.share", own.share)


def _budget_violations(budget: recommender_pb2.Budget) -> Iterator[Violation]:
    if budget.HasField("min_overlap"):
        yield from _unit_violations("budget.min_overlap", budget.min_overlap)
    if budget.HasField("min_score_retained"):
        yield from _unit_violations("budget.min_score_retained", budget.min_score_retained)
    if not 0 <= budget.at_k <= MAX_BUDGET_AT_K:
        message = f"{budget.at_k} is not within 1 to {MAX_BUDGET_AT_K}; 0 means the request's k"
        yield Violation("budget.at_k", message)


def _unit_violations(field: str, share: float) -> Iterator[Violation]:
    if not (math.isfinite(share) and 0 <= share <= 1):
        yield Violation(field, f"{share:g} is not within 0 to 1")

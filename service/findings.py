"""What is told of an answer beyond its items: target, budget, counterfactual, contributions."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from model_store.catalogue import Catalogue
from service.inquiry import Inquired, Parts
from service.snapshot import ServedModel
from service.wishes import MAX_FEATURES_TOLD, MAX_SHARES_TOLD, WantedTarget, Wishes
from steering.budget import Budget, Kept
from steering.report import RuleReport
from steering.rules import Attribute
from steering.search import Found, TargetStatus, Tried
from steering.space import Floats, Indices

WHOLE = Kept(1.0, 1.0)


@dataclass(frozen=True, slots=True)
class AttributeFinding:
    """What became of one attribute of a target."""

    attribute: Attribute
    wanted_share: float
    share_before: float
    """Under presets and rules, without the target."""
    share_after: float
    strength: float
    """The ADD that was solved for, in reference units."""


@dataclass(frozen=True, slots=True)
class TargetFinding:
    """What became of a target."""

    wanted: WantedTarget
    status: TargetStatus
    attributes: tuple[AttributeFinding, ...]
    message: str
    """Why it was not attained; empty: it was."""


@dataclass(frozen=True, slots=True)
class BudgetFinding:
    """What a budget did."""

    budget: Budget
    kept: Kept
    edit_share: float
    """Part of the edit that was carried out."""

    @property
    def message(self) -> str:
        """What bound; empty: nothing was held back."""
        if self.edit_share == 1:
            return ""
        bounds = (
            f"min_overlap {self.budget.min_overlap:g}" if self.budget.min_overlap else "",
            f"min_score_retained {self.budget.min_score_retained:g}"
            if self.budget.min_score_retained
            else "",
        )
        by = " and ".join(filter(None, bounds))
        return f"{by} let {self.edit_share:.1%} of the edit through"


@dataclass(frozen=True, slots=True)
class ShareChange:
    """Share of an attribute in both slates."""

    attribute: Attribute
    before: float
    after: float


@dataclass(frozen=True, eq=False, slots=True)
class Counterfactual:
    """The unsteered slate and what moved."""

    items: Indices
    """[n] the unsteered slate."""
    scores: Floats
    """[n]."""
    steered_ranks: tuple[int | None, ...]
    """[n] from 1; None: it dropped out."""
    shares: tuple[ShareChange, ...]
    """Those that differ, the largest change first."""

    @property
    def overlap(self) -> float:
        """Part of the unsteered slate that is in the steered one."""
        kept = sum(rank is not None for rank in self.steered_ranks)
        return kept / len(self.steered_ranks) if self.steered_ranks else 1.0


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one rule or feature did to one item's score."""

    index: int
    """Place of the rule's report, or the feature."""
    score_change: float
    activation: float = 0.0
    """Of a feature, after the edit, in reference units."""


@dataclass(frozen=True, slots=True)
class Contributions:
    """What rules or features did to the scores of a slate."""

    is_exact: bool
    """Whether they sum to the whole change."""
    by_item: tuple[tuple[Contribution, ...], ...]
    """The largest first, those of 0 left out."""


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that was asked for; None: it was not, or there is nothing to tell."""

    target: TargetFinding | None = None
    budget: BudgetFinding | None = None
    counterfactual: Counterfactual | None = None
    rules: Contributions | None = None
    features: Contributions | None = None


def findings_of(
    wishes: Wishes, served: ServedModel, k: int, inquired: Inquired, reports: Sequence[RuleReport]
) -> Findings:
    """What came of a steered request.

    Args:
        wishes: of the request.
        served: what answered.
        k: items wanted.
        inquired: what came of its rounds.
        reports: of the reply, the inquiry's among them.
    """
    found = inquired.found
    place_of = {id(report): place for place, report in enumerate(reports)}
    places = [place_of[id(report)] for report in inquired.reports]
    return Findings(
        target=_target(wishes.target, found) if wishes.target else None,
        budget=_budget(wishes.budget, found) if wishes.budget else None,
        counterfactual=_counterfactual(wishes, found, k, served.bundle.catalogue),
        rules=_of_rules(inquired.rules, places),
        features=features_told(inquired, served),
    )


def unsteered_findings(
    wishes: Wishes, served: ServedModel, k: int, items: Indices, scores: Floats, why: str
) -> Findings:
    """What is told of a request that was not steered.

    Args:
        wishes: of the request.
        served: what answered.
        k: items wanted.
        items: [n] the slate, as long as the wishes look; best first.
        scores: [n].
        why: it was not steered, a sentence for a person.
    """
    slate = Tried(
        strengths=np.zeros(0),
        length=0.0,
        part=0.0,
        items=items,
        scores=scores,
        counts=np.zeros(0, dtype=np.int64),
        gap=0.0,
        is_clipped=False,
        all_scores=None,
    )
    found = Found(slate, np.zeros(0), slate, slate, None, WHOLE, why)
    return Findings(
        target=_untouched(wishes.target, served, items, why) if wishes.target else None,
        budget=BudgetFinding(wishes.budget, WHOLE, 1.0) if wishes.budget else None,
        counterfactual=_counterfactual(wishes, found, k, served.bundle.catalogue),
    )


def _target(wanted: WantedTarget, found: Found) -> TargetFinding | None:
    if found.target is None or found.before is None:
        return None
    before, after = (
        tried.counts / max(len(tried.items[: wanted.at_k]), 1)
        for tried in (found.before, found.steered)
    )
    attributes = tuple(
        AttributeFinding(own.attribute, own.share, *map(float, values))
        for own, *values in zip(wanted.mix, before, after, found.strengths, strict=True)
    )
    return TargetFinding(wanted, found.target, attributes, found.message)


def _untouched(
    wanted: WantedTarget, served: ServedModel, items: Indices, why: str
) -> TargetFinding:
    slate = items[: wanted.at_k]
    shares = [
        float(served.steerables[own.attribute].carriers[slate].mean()) if len(slate) else 0.0
        for own in wanted.mix
    ]
    attributes = tuple(
        AttributeFinding(own.attribute, own.share, share, share, 0.0)
        for own, share in zip(wanted.mix, shares, strict=True)
    )
    return TargetFinding(wanted, TargetStatus.UNREACHABLE, attributes, why)


def _budget(budget: Budget, found: Found) -> BudgetFinding:
    return BudgetFinding(budget, found.kept or WHOLE, found.steered.part)


def _counterfactual(
    wishes: Wishes, found: Found, k: int, catalogue: Catalogue
) -> Counterfactual | None:
    if not wishes.wants_counterfactual or found.unsteered is None:
        return None
    bare, steered = found.unsteered.items[:k], found.steered.items[:k]
    rank_of = {index: rank for rank, index in enumerate(steered.tolist(), start=1)}
    changes = sorted(_share_changes(bare, steered, catalogue), key=_size, reverse=True)
    return Counterfactual(
        items=bare,
        scores=found.unsteered.scores[:k],
        steered_ranks=tuple(rank_of.get(index) for index in bare.tolist()),
        shares=tuple(changes[:MAX_SHARES_TOLD]),
    )


def _share_changes(bare: Indices, steered: Indices, catalogue: Catalogue) -> Iterator[ShareChange]:
    before, after = (_carried(items, catalogue) for items in (bare, steered))
    for attribute in before | after:
        if before[attribute] != after[attribute]:
            yield ShareChange(
                attribute,
                before[attribute] / max(len(bare), 1),
                after[attribute] / max(len(steered), 1),
            )


def _carried(items: Indices, catalogue: Catalogue) -> Counter[Attribute]:
    """Items of a slate that carry each attribute."""
    return Counter(
        Attribute(name, value)
        for index in items.tolist()
        for name, values in catalogue.attributes[index].items()
        for value in set(values)
    )


def _size(change: ShareChange) -> tuple[float, str]:
    return abs(change.after - change.before), str(change.attribute)


def _of_rules(parts: Parts | None, places: Sequence[int]) -> Contributions | None:
    if parts is None or not len(parts.indices):
        return None
    indices = [places[i] for i in parts.indices.tolist()]
    by_item = (
        _largest(
            Contribution(index, change)
            for index, change in zip(indices, changes, strict=True)
            if change
        )
        for changes in parts.changes.T.tolist()
    )
    return Contributions(parts.is_exact, tuple(by_item))


def features_told(inquired: Inquired, served: ServedModel) -> Contributions | None:
    """What the strongest features did to each score; None: nobody asked, or none is active."""
    parts = inquired.features
    if parts is None or parts.activations is None or not len(parts.indices):
        return None
    activations = (parts.activations / served.space.reference[parts.indices]).tolist()
    features = parts.indices.tolist()
    by_item = (
        _largest(
            Contribution(index, change, activation)
            for index, change, activation in zip(features, changes, activations, strict=True)
            if change
        )[:MAX_FEATURES_TOLD]
        for changes in parts.changes.T.tolist()
    )
    return Contributions(parts.is_exact, tuple(by_item))


def _largest(contributions: Iterator[Contribution]) -> tuple[Contribution, ...]:
    return tuple(sorted(contributions, key=lambda own: -abs(own.score_change)))

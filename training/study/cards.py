"""Effect cards for the report: all of them summed up, and the best, a middling and the worst.

Nothing is measured here. Cards are ordered by how far ADD raises the share where it keeps most of
the NDCG, so that what is shown is not what looks best.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from model_store.cards import (
    AttributeGroup,
    AttributeValue,
    Band,
    DosePoint,
    DoseResponse,
    FeatureCard,
    FeatureCards,
)
from model_store.manifest import Share
from training.config import Count, Settings
from training.pipeline import Run
from training.progress import Report, silent

ADD = "ADD"


class CardsSettings(Settings):
    """Which cards are shown."""

    kept: Share = 0.9
    """Least NDCG@10 kept at the doses by which cards are ordered."""
    n_groups: Count = 3
    """Cards of groups shown, evenly over the order."""
    n_features: Annotated[int, Field(ge=0)] = 3
    """Cards of single features shown, the same way."""


@dataclass(frozen=True)
class SideEffect:
    """What a dose does to another attribute."""

    attribute: str
    """`name=value`."""
    change: Band
    """Of its share of the top 20, -1..1."""


@dataclass(frozen=True)
class ShownResponse:
    """What one operation does; see `model_store.cards.DoseResponse`."""

    operation: str
    """`ADD` or `SCALE`."""
    attribute: str
    """`name=value` whose share is measured."""
    n_users: int
    """Users measured on."""
    points: tuple[DosePoint, ...]
    """By strength, ascending, the one that changes nothing among them."""
    random: tuple[Band, ...]
    """One per point: mean, lowest and highest share under random directions of equal norm."""
    saturation_strength: float | None
    """Smallest strength with 95 % of the largest rise; None: still rising at the last, or never."""
    inactive_share: float
    """Part of the users for whom SCALE finds nothing to act on."""
    off_target_strength: float
    """Strength at which side effects are given."""
    off_target: tuple[SideEffect, ...]
    """Largest first."""


@dataclass(frozen=True)
class ShownCard:
    """One card."""

    title: str
    """The attribute of a group, or the index and label of a feature."""
    n_features: int
    """Features that the edit is made of."""
    density: float | None
    """Share of positions where it is active; None for a group."""
    evidence: str
    """Why a feature is called so; empty for a group."""
    raised: float
    """Largest rise of the share by ADD where at least `kept` of the NDCG is kept."""
    responses: tuple[ShownResponse, ...]
    """By operation."""


@dataclass(frozen=True)
class CardsStudy:
    """Cards of one bundle; `dataclasses.asdict` of it is JSON."""

    kept: float
    """Least NDCG@10 kept at the doses that are counted."""
    n_groups: int
    """Groups with measured effects."""
    n_groups_above_random: int
    """Those whose ADD raises the share above what random directions of equal norm reach."""
    mean_raised_of_groups: float
    """Mean over groups of the largest rise."""
    n_features: int
    """Features with measured effects."""
    n_features_above_random: int
    """As of groups."""
    mean_raised_of_features: float
    """As of groups."""
    groups: tuple[ShownCard, ...]
    """Some, the largest rise first."""
    features: tuple[ShownCard, ...]
    """Some, the largest rise first."""


def study_of(
    run: Run, settings: CardsSettings | None = None, report: Report = silent
) -> CardsStudy:
    """The cards of a run's bundle, measured where they are not."""
    study = cards_study(run.cards, settings or CardsSettings())
    report("cards", 1, 1)
    return study


def cards_study(cards: FeatureCards, settings: CardsSettings) -> CardsStudy:
    """The study of cards that are there."""
    kept = settings.kept
    groups = [group for group in cards.groups if group.effects]
    features = [card for card in cards.features if card.effects]
    return CardsStudy(
        kept=kept,
        n_groups=len(groups),
        n_groups_above_random=sum(is_above_random(group.effects, kept) for group in groups),
        mean_raised_of_groups=_mean([raised(group.effects, kept) for group in groups]),
        n_features=len(features),
        n_features_above_random=sum(is_above_random(card.effects, kept) for card in features),
        mean_raised_of_features=_mean([raised(card.effects, kept) for card in features]),
        groups=_spread([_group_card(group, kept) for group in groups], settings.n_groups),
        features=_spread([_feature_card(card, kept) for card in features], settings.n_features),
    )


def raised(effects: Sequence[DoseResponse], kept: float) -> float:
    """Largest rise of the share by ADD where at least `kept` of the NDCG is kept; 0 at none."""
    return max((rise for rise, _ in _rises(effects, kept)), default=0.0)


def is_above_random(effects: Sequence[DoseResponse], kept: float) -> bool:
    """Whether the whole band of the share lies above all random directions at that rise."""
    best = max(_rises(effects, kept), key=lambda found: found[0], default=(0.0, False))
    return best[1]


def _rises(effects: Sequence[DoseResponse], kept: float) -> list[tuple[float, bool]]:
    """Rise of the share at each allowed raising dose of ADD, and whether it is above random."""
    found = []
    for response in effects:
        if response.operation == ADD:
            plain = next(p.share_at_20.value for p in response.points if p.strength == 0)
            beside = response.random_share_at_20 or (None,) * len(response.points)
            for point, random in zip(response.points, beside, strict=True):
                if point.strength > 0 and point.ndcg_kept_share.value >= kept:
                    above = random is not None and point.share_at_20.low > random.high
                    found.append((point.share_at_20.value - plain, above))
    return found


def _group_card(group: AttributeGroup, kept: float) -> ShownCard:
    return ShownCard(
        title=_name(group.attribute),
        n_features=len(group.members),
        density=None,
        evidence="",
        raised=raised(group.effects, kept),
        responses=tuple(map(_response, group.effects)),
    )


def _feature_card(card: FeatureCard, kept: float) -> ShownCard:
    evidence = card.label_evidence
    return ShownCard(
        title=f"Feature {card.feature_index}: {card.label or 'no label'}",
        n_features=1,
        density=card.density,
        evidence=evidence.reason if evidence else "",
        raised=raised(card.effects, kept),
        responses=tuple(map(_response, card.effects)),
    )


def _response(response: DoseResponse) -> ShownResponse:
    return ShownResponse(
        operation=response.operation,
        attribute=_name(response.attribute),
        n_users=response.n_users,
        points=response.points,
        random=response.random_share_at_20,
        saturation_strength=response.saturation_strength,
        inactive_share=response.inactive_share,
        off_target_strength=response.off_target_strength,
        off_target=tuple(
            SideEffect(_name(side.attribute), side.share_change) for side in response.off_target
        ),
    )


def _spread(cards: Sequence[ShownCard], n: int) -> tuple[ShownCard, ...]:
    """n of the cards, evenly over their order: the largest rise first, the smallest last."""
    order = sorted(cards, key=lambda card: -card.raised)
    if n >= len(order):
        return tuple(order)
    places = [round(place * (len(order) - 1) / max(n - 1, 1)) for place in range(n)]
    return tuple(order[place] for place in places)


def _name(attribute: AttributeValue) -> str:
    return f"{attribute.name}={attribute.value}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0

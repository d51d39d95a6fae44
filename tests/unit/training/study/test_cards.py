"""Effect cards summed up: what counts as a rise, as more than random, and which are shown."""

import dataclasses
import json

from model_store.cards import (
    AttributeGroup,
    AttributeValue,
    Band,
    DosePoint,
    DoseResponse,
    FeatureCard,
    FeatureCards,
    GroupMember,
    OffTarget,
)
from training.study.cards import CardsSettings, cards_study, is_above_random, raised

KEPT = 0.9
NOTHING = Band(0, 0, 0)


def band(value: float) -> Band:
    return Band(value, value - 0.01, value + 0.01)


def response(rises: dict[float, tuple[float, float]], random: float = 0.1) -> DoseResponse:
    """ADD by strength: share and NDCG kept."""
    points = tuple(
        DosePoint(s, band(share), band(share), band(kept), NOTHING, NOTHING, NOTHING)
        for s, (share, kept) in rises.items()
    )
    return DoseResponse(
        operation="ADD",
        attribute=AttributeValue(name="genre", value="Horror"),
        n_users=100,
        points=points,
        random_share_at_20=tuple(band(random) for _ in points),
        inactive_share=0,
        off_target_strength=1,
        off_target=(
            OffTarget(attribute=AttributeValue(name="genre", value="Drama"), share_change=NOTHING),
        ),
    )


def group(value: str, rise: float) -> AttributeGroup:
    return AttributeGroup(
        attribute=AttributeValue(name="genre", value=value),
        members=(GroupMember(feature_index=0, weight=1),),
        effects=(response({0: (0.1, 1), 1: (0.1 + rise, 1)}),),
    )


def test_a_rise_counts_where_enough_is_kept() -> None:
    effects = [response({-1: (0.9, 1), 0: (0.1, 1), 1: (0.2, 0.95), 2: (0.5, 0.5)})]
    assert round(raised(effects, KEPT), 9) == 0.1


def test_nothing_is_raised_where_every_dose_costs_too_much() -> None:
    assert raised([response({0: (0.1, 1), 1: (0.2, 0.5)})], KEPT) == 0


def test_a_share_among_random_ones_is_not_above_them() -> None:
    effects: dict[float, tuple[float, float]] = {0: (0.1, 1), 1: (0.2, 1)}
    assert is_above_random([response(effects, random=0.1)], KEPT)
    assert not is_above_random([response(effects, random=0.185)], KEPT)


def test_the_best_the_middle_and_the_last_card_are_shown() -> None:
    groups = tuple(group(name, rise) for name, rise in zip("edcba", range(5), strict=True))
    cards = FeatureCards(features=(), groups=groups)
    study = cards_study(cards, CardsSettings(n_groups=3))
    assert [card.title for card in study.groups] == ["genre=a", "genre=c", "genre=e"]


def test_cards_without_effects_are_not_counted() -> None:
    card = FeatureCard(feature_index=0, reference_activation=1, density=0.1)
    study = cards_study(FeatureCards(features=(card,)), CardsSettings())
    assert (study.n_features, study.n_groups, study.mean_raised_of_groups) == (0, 0, 0)


def test_the_study_is_json() -> None:
    study = cards_study(FeatureCards(features=(), groups=(group("a", 0.1),)), CardsSettings())
    assert json.loads(json.dumps(dataclasses.asdict(study)))["n_groups"] == 1

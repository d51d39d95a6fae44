"""Attribute groups, from effects on scores that are known."""

import numpy as np
import pytest
import torch

from model_store.cards import AttributeValue, FeatureCard
from model_store.manifest import SaeKind, SaeShape
from training.attributes import AttributeTable
from training.config import CardsConfig
from training.groups import attribute_groups, feature_vectors
from training.imitation import Effects
from training.sae import Sae

CONFIG = CardsConfig(group_size=2)
N_ITEMS = 8
HORROR = np.isin(np.arange(N_ITEMS + 1), [1, 2, 3, 4])


def table() -> AttributeTable:
    return AttributeTable((AttributeValue(name="genre", value="Horror"),), HORROR[:, None])


def measured(scores: np.ndarray, mass: list[float]) -> Effects:
    return Effects(
        torch.ones(len(scores), 3),
        np.array(mass)[:, None],
        scores,
        np.full(N_ITEMS + 1, 1 / N_ITEMS),
    )


def on(*items: int, by: float = 1.0) -> np.ndarray:
    return by * np.isin(np.arange(N_ITEMS + 1), items)


def test_a_group_is_what_together_raises_all_items_alike() -> None:
    halves = np.stack([on(1, 2, by=0.5), on(3, 4, by=1.0), on(1, 5, 6, by=0.8)])
    (group,) = attribute_groups(measured(halves, [0.1, 0.2, 0.3]), table(), CONFIG)
    assert [member.feature_index for member in group.members] == [0, 1]
    assert [member.weight for member in group.members] == pytest.approx([2 / 3, 1 / 3])


def test_a_group_holds_no_more_than_it_may() -> None:
    parts = np.stack([on(1, 2), on(3), on(4), on(1, 2, 3, by=0.5)])
    (group,) = attribute_groups(measured(parts, [0.1] * 4), table(), CONFIG)
    assert [member.feature_index for member in group.members] == [3, 2]


def test_a_member_raises_the_attribute_alone_too() -> None:
    parts = np.stack([on(1, 2), on(3, 4)])
    (group,) = attribute_groups(measured(parts, [0.1, -0.1]), table(), CONFIG)
    assert [member.feature_index for member in group.members] == [0]


def test_where_nothing_imitates_weights_are_by_effect() -> None:
    others = np.stack([on(5, 6), on(7)])
    (group,) = attribute_groups(measured(others, [0.1, 0.3]), table(), CONFIG)
    assert [member.feature_index for member in group.members] == [1, 0]
    assert [member.weight for member in group.members] == pytest.approx([0.75, 0.25])


def test_what_nothing_raises_has_no_group() -> None:
    assert attribute_groups(measured(np.stack([on(1)]), [-0.1]), table(), CONFIG) == ()


def test_a_dead_feature_adds_nothing() -> None:
    sae = Sae(SaeShape(kind=SaeKind.TOPK, d_sae=2, k=1), 4)
    cards = [
        FeatureCard(feature_index=0, reference_activation=3, density=1),
        FeatureCard(feature_index=1, reference_activation=0, density=0),
    ]
    vectors = feature_vectors(sae, cards, 2.0)
    assert torch.equal(vectors[0], 6 * sae.W_dec[0])
    assert not vectors[1].any()

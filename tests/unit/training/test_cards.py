"""Feature cards, from activations whose meaning is known."""

import numpy as np
import pytest
import torch
from scipy import sparse

from model_store.cards import FeatureCard
from model_store.manifest import SaeKind, SaeShape
from training.attributes import AttributeTable, attribute_table
from training.cards import Readings, feature_cards, mean_by_item, readings
from training.config import CardsConfig
from training.dataset import Dataset, Item
from training.labels import nameable
from training.sae import Sae

CONFIG = CardsConfig(label_clusters=0, min_items=2, min_item_count=1)
GENRES = [("Horror",), ("Horror",), ("Comedy",), ("Comedy",), ("Comedy", "Horror"), ()]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    items = tuple(Item(f"i{n}", f"Title {n}", {"genre": g}) for n, g in enumerate(GENRES, 1))
    histories = tuple(np.roll(np.arange(1, 7, dtype=np.int32), user) for user in range(6))
    return Dataset("six", items, tuple("abcdef"), histories, "0" * 64)


@pytest.fixture(scope="module")
def table(dataset: Dataset) -> AttributeTable:
    return attribute_table(dataset, CONFIG.min_items)


@pytest.fixture(scope="module")
def cards(dataset: Dataset, table: AttributeTable) -> tuple[FeatureCard, ...]:
    """Feature 0 fires on Horror, 1 on the items of no clear genre, 2 never."""
    items = np.tile(np.arange(1, 7), 40)
    horror = np.isin(items, [1, 2, 5]) * np.linspace(1, 2, len(items))
    mixed = np.isin(items, [2, 3, 6]) * 3.0
    activations = np.stack([horror, mixed, np.zeros(len(items))], axis=1)
    read = Readings(sparse.csc_array(activations.astype(np.float32)), items)
    named = nameable(dataset, table, dataset.histories, CONFIG, seed=0)
    return feature_cards(read, dataset, named, CONFIG)


def test_attributes_that_too_few_items_carry_are_left_out(dataset: Dataset) -> None:
    assert [value.value for value in attribute_table(dataset, 3).values] == ["Comedy", "Horror"]
    assert attribute_table(dataset, 4).values == ()


def test_the_reference_is_a_percentile_of_the_non_zero_activations(
    cards: tuple[FeatureCard, ...],
) -> None:
    assert 1.97 < cards[0].reference_activation <= 2
    assert cards[1].reference_activation == 3


def test_density_is_the_share_of_positions(cards: tuple[FeatureCard, ...]) -> None:
    assert [card.density for card in cards] == [0.5, 0.5, 0]


def test_the_attribute_that_a_feature_tells_apart_comes_first(
    cards: tuple[FeatureCard, ...],
) -> None:
    first = cards[0].attributes[0]
    assert (first.attribute.value, first.roc_auc) == ("Horror", 1)


def test_a_feature_with_a_clear_attribute_is_named_by_it(cards: tuple[FeatureCard, ...]) -> None:
    assert cards[0].label == "genre: Horror"


def test_a_feature_without_one_is_named_by_its_top_titles(cards: tuple[FeatureCard, ...]) -> None:
    assert cards[1].label == "Title 2 / Title 3 / Title 6"


def test_top_items_are_in_reference_units(cards: tuple[FeatureCard, ...]) -> None:
    assert [item.item_id for item in cards[1].top_items] == ["i2", "i3", "i6"]
    assert [item.activation for item in cards[1].top_items] == pytest.approx([1, 1, 1])


def test_a_dead_feature_has_an_empty_card(cards: tuple[FeatureCard, ...]) -> None:
    assert cards[2] == FeatureCard(feature_index=2, reference_activation=0, density=0)
    assert cards[2].is_dead


def test_means_are_over_the_positions_of_an_item() -> None:
    read = Readings(sparse.csc_array(np.array([[2.0], [4.0], [1.0]])), np.array([1, 1, 2]))
    means, seen = mean_by_item(read, 3)
    assert means.toarray()[:, 0].tolist() == [0, 3, 1, 0]
    assert seen.tolist() == [0, 2, 1, 0]


def test_a_large_reading_is_sampled() -> None:
    sae = Sae(SaeShape(kind=SaeKind.TOPK, d_sae=8, k=2), 4)
    items = torch.arange(1, 101)
    read = readings(sae, torch.randn(100, 4), items, max_positions=30, seed=0)
    assert read.activations.shape == (30, 8)
    assert len(set(read.items.tolist())) == 30

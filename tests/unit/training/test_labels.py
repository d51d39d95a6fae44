"""What a feature is called, and why."""

import numpy as np
import numpy.typing as npt
import pytest

from model_store.cards import AttributeValue, LabelSource, TopItem
from training.attributes import AttributeTable, attribute_table
from training.config import CardsConfig
from training.dataset import Dataset, Item
from training.labels import Clarity, Label, Nameable, clarity, label, nameable

CONFIG = CardsConfig(min_items=2, label_clusters=2, label_auc=0.6, label_lift=1.5)
HISTORIES = tuple(
    np.array(items, dtype=np.int32) for items in ([1, 2, 3], [2, 1, 3], [4, 5, 6], [6, 5, 4, 4])
)
KINDS = ("Old", "Old", "New", "New", "New", "New")
READ = np.tile(np.arange(1, 7), 30)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    items = tuple(Item(f"i{n}", f"Title {n}", {"age": (k,)}) for n, k in enumerate(KINDS, 1))
    return Dataset("six", items, tuple("abcd"), HISTORIES, "0" * 64)


@pytest.fixture(scope="module")
def named(dataset: Dataset) -> Nameable:
    return nameable(dataset, attribute_table(dataset, 2), HISTORIES, CONFIG, seed=0)


def _clarity(fires: list[int], carries: npt.NDArray[np.bool_]) -> Clarity:
    """Of a feature that fires whenever one of the items is read."""
    carried, rows = carries[READ], np.flatnonzero(np.isin(READ, fires))
    return clarity(np.ones(len(rows), dtype=np.float32), carried[rows], carried)


def _label(fires: list[int], named: Nameable, dataset: Dataset) -> Label:
    attributes = _clarity(fires, named.table.carries)
    together = _clarity(fires, named.cluster_carries)
    top = [TopItem(item_id=f"i{item}", activation=1.0) for item in fires]
    titles = {item.item_id: item.title for item in dataset.items}
    return label(attributes, together, top, named, titles, CONFIG)


def test_lift_is_the_share_of_the_activation_over_the_share_of_positions() -> None:
    carries = np.array([0, 1, 1, 0, 0, 0, 0], dtype=np.bool_)[:, None]
    assert _clarity([1, 2], carries).lift.tolist() == pytest.approx([3])
    assert _clarity([1, 3], carries).lift.tolist() == pytest.approx([1.5])


def test_clusters_are_called_after_their_most_read_items_and_an_attribute(
    named: Nameable,
) -> None:
    assert set(named.cluster_names) == {
        "around Title 1 / Title 2, mostly age: Old",
        "around Title 4 / Title 5, mostly age: New",
    }


def test_a_clear_attribute_comes_first(named: Nameable, dataset: Dataset) -> None:
    text, evidence = _label([1, 2], named, dataset)
    assert text == "age: Old"
    assert evidence is not None
    assert evidence.source is LabelSource.ATTRIBUTE
    assert evidence.attribute == AttributeValue(name="age", value="Old")
    assert evidence.measure == "lift"
    assert evidence.value == pytest.approx(3)
    assert "3.0 times as much" in evidence.reason


def test_a_clear_cluster_comes_next(named: Nameable, dataset: Dataset) -> None:
    text, evidence = _label([4, 5, 6], _without_attributes(named), dataset)
    assert text == "around Title 4 / Title 5, mostly age: New"
    assert evidence is not None
    assert evidence.source is LabelSource.CO_OCCURRENCE
    assert evidence.attribute is None


def test_titles_come_last(named: Nameable, dataset: Dataset) -> None:
    text, evidence = _label([2, 4, 5], named, dataset)
    assert text == "Title 2 / Title 4 / Title 5"
    assert evidence is not None
    assert evidence.source is LabelSource.TITLES
    assert evidence.value is None


def test_a_dead_feature_has_no_label(named: Nameable, dataset: Dataset) -> None:
    assert _label([], named, dataset) == Label("", None)


def test_without_clusters_none_is_named(dataset: Dataset) -> None:
    config = CONFIG.model_copy(update={"label_clusters": 0})
    none = nameable(dataset, attribute_table(dataset, 2), HISTORIES, config, seed=0)
    assert none.cluster_names == ()
    assert none.cluster_carries.shape == (7, 0)


def _without_attributes(named: Nameable) -> Nameable:
    table = AttributeTable((), np.zeros((7, 0), dtype=np.bool_))
    return Nameable(table, named.cluster_names, named.cluster_carries)

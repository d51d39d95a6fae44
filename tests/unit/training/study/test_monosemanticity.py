"""Whether the items that a direction answers to belong together."""

import numpy as np
import numpy.typing as npt
import pytest

from training.study.monosemanticity import (
    TOP_ITEMS,
    item_means,
    jaccard,
    monosemanticity,
    random_similarity,
    shown_items,
    top_items,
)

TWO_KINDS = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], dtype=np.bool_)


def _of_means(*means: float) -> npt.NDArray[np.float64]:
    return monosemanticity(top_items(np.array([means], dtype=np.float32).T), jaccard(TWO_KINDS))


def test_items_are_shown_that_are_read_often() -> None:
    items = np.array([5, 1, 2, 2, 5, 5, 3, 3])
    assert shown_items(items, min_count=2, at_most=9).tolist() == [2, 3, 5]
    assert shown_items(items, min_count=2, at_most=2).tolist() == [2, 5]


def test_item_means_average_the_rows_where_an_item_is_the_newest() -> None:
    activations = np.array([[1.0], [3.0], [5.0], [7.0]], dtype=np.float32)
    means = item_means(activations, np.array([2, 2, 1, 4]), np.array([1, 2]))
    assert means[:, 0].tolist() == [5, 2]


def test_a_row_may_count_several_times_or_never() -> None:
    activations = np.array([[1.0], [4.0], [5.0]], dtype=np.float32)
    weights = np.array([2.0, 1.0, 0.0])
    means = item_means(activations, np.array([2, 2, 1]), np.array([1, 2]), weights)
    assert means[:, 0].tolist() == [0, 2]


def test_jaccard_is_common_over_all() -> None:
    similarity = jaccard(np.array([[1, 1, 0], [0, 1, 1], [0, 0, 0]], dtype=np.bool_))
    assert similarity[0, 1] == pytest.approx(1 / 3)
    assert similarity[2, 2] == 0


def test_a_direction_of_one_kind_of_item_is_wholly_alike() -> None:
    assert _of_means(2.0, 1.0, 0.0, -1.0).tolist() == [1.0]


def test_pairs_count_by_their_activations() -> None:
    # pairs 1-2 alike with 2, 1-3 unlike with 2, 2-3 unlike with 1
    assert _of_means(2.0, 1.0, 1.0, 0.0)[0] == pytest.approx(2 / 5)


def test_a_direction_with_one_item_has_no_similarity() -> None:
    assert np.isnan(_of_means(1.0, 0.0, -3.0, 0.0)).all()


def test_only_the_strongest_items_count() -> None:
    n = TOP_ITEMS + 10
    similarity = np.zeros((n, n))
    similarity[:TOP_ITEMS, :TOP_ITEMS] = 1.0
    means = np.arange(n, 0, -1, dtype=np.float32)[:, None]
    assert monosemanticity(top_items(means), similarity)[0] == pytest.approx(1)


def test_random_items_are_as_alike_as_all_pairs_are() -> None:
    assert random_similarity(jaccard(TWO_KINDS)) == pytest.approx(1 / 3)

"""Whether the items that a direction answers to belong together."""

import numpy as np
import pytest

from training.study.monosemanticity import (
    item_means,
    jaccard,
    monosemanticity,
    random_similarity,
)

SHOWN = np.array([False, True, True, True, True])
TWO_KINDS = np.array([[0, 0], [1, 0], [1, 0], [0, 1], [0, 1]], dtype=np.bool_)


def test_item_means_average_the_rows_where_an_item_is_the_newest() -> None:
    means, seen = item_means(np.array([[1.0], [3.0], [5.0]]), np.array([2, 2, 1]), 3)
    assert means[:, 0].tolist() == [0, 5, 2, 0]
    assert seen.tolist() == [0, 1, 2, 0]


def test_jaccard_is_common_over_all() -> None:
    similarity = jaccard(np.array([[1, 1, 0], [0, 1, 1], [0, 0, 0]], dtype=np.bool_))
    assert similarity[0, 1] == pytest.approx(1 / 3)
    assert similarity[2, 2] == 0


def test_a_direction_of_one_kind_of_item_is_wholly_alike() -> None:
    means = np.array([[9.0, 2.0, 1.0, 0.0, -1.0]]).T
    assert monosemanticity(means, SHOWN, jaccard(TWO_KINDS)).tolist() == [1.0]


def test_pairs_count_by_their_activations() -> None:
    means = np.array([[0.0, 2.0, 1.0, 1.0, 0.0]]).T
    # pairs 1-2 alike with 2, 1-3 unlike with 2, 2-3 unlike with 1
    assert monosemanticity(means, SHOWN, jaccard(TWO_KINDS))[0] == pytest.approx(2 / 5)


def test_a_direction_with_one_item_has_no_similarity() -> None:
    means = np.array([[0.0, 1.0, 0.0, -3.0, 0.0]]).T
    assert np.isnan(monosemanticity(means, SHOWN, jaccard(TWO_KINDS))).all()


def test_items_that_are_not_shown_do_not_count() -> None:
    means = np.array([[9.0, 1.0, 1.0, 0.0, 0.0]]).T
    shown = np.array([False, True, False, True, True])
    assert np.isnan(monosemanticity(means, shown, jaccard(TWO_KINDS))).all()


def test_random_items_are_as_alike_as_all_pairs_are() -> None:
    assert random_similarity(SHOWN, jaccard(TWO_KINDS)) == pytest.approx(1 / 3)

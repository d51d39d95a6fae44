"""Active features and ranks."""

import numpy as np

from steering.explain import most_active, ranks


def test_the_most_active_features_come_in_reference_units_strongest_first() -> None:
    activations = np.array([0, 3, 8, 1], dtype=np.float32)
    assert most_active(activations, np.array([1.0, 1, 4, 0]), 5) == [(1, 3.0), (2, 2.0)]


def test_rank_1_is_the_best_score() -> None:
    scores = np.array([-np.inf, 5, 9, 7], dtype=np.float32)
    assert ranks(scores, np.array([2, 3, 1])).tolist() == [1, 2, 3]


def test_of_equal_scores_the_smaller_index_ranks_first() -> None:
    scores = np.array([-np.inf, 5, 5, 5], dtype=np.float32)
    assert ranks(scores, np.array([3, 1, 2])).tolist() == [3, 1, 2]

"""Ranking metrics on scores small enough to count by hand."""

import numpy as np
import pytest

from training.errors import UndefinedMetric
from training.metrics import (
    MISS,
    attribute_share,
    hit_rate,
    mrr,
    ndcg,
    popularity_scores,
    ranks,
)

NOTHING = np.array([], dtype=np.int32)


def rank_of(target: int, scores: list[float], excluded: list[int] | None = None) -> int:
    rows = np.array([scores], dtype=np.float32)
    shut_out = np.array(excluded or [], dtype=np.int32)
    return int(ranks(rows, np.array([target]), [shut_out])[0])


def test_the_best_item_has_rank_1() -> None:
    assert rank_of(2, [0.0, 1.0, 3.0, 2.0]) == 1


def test_padding_is_never_ranked() -> None:
    assert rank_of(2, [9.0, 1.0, 3.0, 2.0]) == 1


def test_an_excluded_item_makes_room() -> None:
    assert rank_of(3, [0.0, 1.0, 3.0, 2.0], excluded=[2]) == 1


def test_a_tie_is_won_by_the_smaller_index() -> None:
    assert [rank_of(target, [0.0, 5.0, 5.0, 5.0]) for target in (1, 2, 3)] == [1, 2, 3]


def test_an_excluded_target_is_a_miss() -> None:
    assert rank_of(2, [0.0, 1.0, 3.0, 2.0], excluded=[2]) == MISS


def test_a_target_with_score_minus_infinity_is_a_miss() -> None:
    assert rank_of(1, [0.0, -np.inf, 3.0, 2.0]) == MISS


def test_rows_do_not_touch_each_other() -> None:
    scores = np.array([[0, 1, 2, 3], [0, 3, 2, 1]], dtype=np.float32)
    excluded = [np.array([3]), NOTHING]
    assert ranks(scores, np.array([1, 1]), excluded).tolist() == [2, 1]


def test_ranking_leaves_the_scores_as_they_are() -> None:
    scores = np.array([[7, 1, 2]], dtype=np.float32)
    ranks(scores, np.array([1]), [np.array([2])])
    assert scores.tolist() == [[7, 1, 2]]


def test_broadcast_scores_can_be_ranked() -> None:
    scores = np.broadcast_to(np.array([0, 1, 2], dtype=np.float32), (2, 3))
    assert ranks(scores, np.array([1, 2]), [NOTHING, NOTHING]).tolist() == [2, 1]


@pytest.mark.parametrize("target", [0, 4, -1])
def test_a_target_that_is_no_item_is_refused(target: int) -> None:
    with pytest.raises(UndefinedMetric, match=r"^targets must be item indices from 1 to 3$"):
        rank_of(target, [0.0, 1.0, 3.0, 2.0])


def test_scores_with_nan_are_refused() -> None:
    with pytest.raises(UndefinedMetric, match="a model that diverged cannot be ranked"):
        rank_of(1, [0.0, float("nan"), 1.0])


def test_scores_of_one_dimension_are_refused() -> None:
    with pytest.raises(UndefinedMetric, match=r"not of shape \(3,\)$"):
        ranks(np.zeros(3, dtype=np.float32), np.array([1]), [NOTHING])


def test_rows_that_do_not_match_are_refused() -> None:
    with pytest.raises(UndefinedMetric, match=r"^2 rows of scores, 1 targets and 2 arrays"):
        ranks(np.zeros((2, 3), dtype=np.float32), np.array([1]), [NOTHING, NOTHING])


def test_hit_rate_counts_ranks_up_to_k() -> None:
    assert hit_rate(np.array([1, 10, 11, MISS]), 10) == 0.5


def test_ndcg_discounts_by_the_logarithm_of_the_rank() -> None:
    assert ndcg(np.array([1, 3, 4, MISS]), 3) == pytest.approx((1 + 1 / 2) / 4)


def test_mrr_is_the_mean_of_reciprocal_ranks() -> None:
    assert mrr(np.array([1, 4])) == pytest.approx(0.625)


def test_mrr_of_a_miss_is_zero() -> None:
    assert mrr(np.array([MISS])) == 0.0


def test_mrr_forgets_ranks_beyond_k() -> None:
    assert mrr(np.array([1, 4]), 3) == pytest.approx(0.5)


def test_a_metric_of_no_ranks_is_refused() -> None:
    with pytest.raises(UndefinedMetric, match="no user could be evaluated"):
        ndcg(np.array([], dtype=np.int64), 10)


def test_k_below_1_is_refused() -> None:
    with pytest.raises(UndefinedMetric, match=r"^k must be at least 1, not 0$"):
        hit_rate(np.array([1]), 0)


def test_share_is_the_mean_over_slates() -> None:
    carries = np.array([False, True, False, True])
    assert attribute_share([np.array([1, 3]), np.array([1, 2])], carries) == pytest.approx(0.75)


def test_padding_in_a_slate_is_no_item() -> None:
    assert attribute_share(np.array([[1, 0, 0]]), np.array([False, True])) == 1.0


def test_a_slate_without_items_is_left_out() -> None:
    assert attribute_share(np.array([[1, 1], [0, 0]]), np.array([False, True])) == 1.0


def test_the_share_of_no_slates_is_refused() -> None:
    with pytest.raises(UndefinedMetric, match="undefined without slates"):
        attribute_share([], np.array([False, True]))


def test_popularity_counts_interactions_by_item_index() -> None:
    train = [np.array([1, 3, 3], dtype=np.int32), NOTHING, np.array([3], dtype=np.int32)]
    assert popularity_scores(train, 4).tolist() == [0, 1, 0, 3, 0]

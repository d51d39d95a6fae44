"""ROC AUC with DeLong's interval, against its definition."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.association import Z_95, RocAuc, roc_auc

Rows = st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=4, max_size=30)


def _sparse(scores: npt.NDArray[np.float64], labels: npt.NDArray[np.bool_]) -> RocAuc:
    listed = scores > 0
    return roc_auc(scores[listed], labels[listed][:, None], len(scores), np.array([labels.sum()]))


def _by_definition(
    scores: npt.NDArray[np.float64], labels: npt.NDArray[np.bool_]
) -> tuple[float, float]:
    """Area and margin from every pair."""
    pairs = scores[labels][:, None] - scores[~labels][None, :]
    wins = (pairs > 0) + 0.5 * (pairs == 0)
    m, n = wins.shape
    variance = wins.mean(1).var(ddof=1) / m + wins.mean(0).var(ddof=1) / n
    return float(wins.mean()), float(Z_95 * np.sqrt(variance))


@given(rows=Rows)
def test_it_is_what_the_pairs_say(rows: list[tuple[int, bool]]) -> None:
    scores = np.array([float(score) for score, _ in rows])
    labels = np.array([label for _, label in rows])
    if not 2 <= labels.sum() <= len(labels) - 2:
        return
    area, margin = _by_definition(scores, labels)
    found = _sparse(scores, labels)
    assert found.area[0] == pytest.approx(area)
    assert found.low[0] == pytest.approx(max(area - margin, 0))
    assert found.high[0] == pytest.approx(min(area + margin, 1))


def test_a_label_that_no_row_carries_says_nothing() -> None:
    found = _sparse(np.array([0.0, 1.0, 2.0]), np.zeros(3, dtype=np.bool_))
    assert (found.area[0], found.low[0], found.high[0]) == (0.5, 0, 1)


def test_a_feature_that_never_fires_says_nothing() -> None:
    found = _sparse(np.zeros(6), np.array([True, False] * 3))
    assert found.area[0] == 0.5


def test_several_labels_are_measured_at_once() -> None:
    scores, labels = np.array([1.0, 2.0, 3.0]), np.array([[0, 1], [0, 0], [1, 0]], dtype=np.bool_)
    found = roc_auc(scores, labels, 5, np.array([1, 2]))
    assert found.area.tolist() == [1.0, 0.25]

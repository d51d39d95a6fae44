"""Telling labelled rows apart: all directions and labels at once."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from training.study.separation import auc_interval, correlations, p_values, q_values, roc_aucs

RNG = np.random.default_rng(0)
LABELS = RNG.random((400, 3)) < 0.3
ACTIVATIONS = np.round(RNG.standard_normal((400, 4)) + LABELS[:, [0]], 1)
USERS = np.repeat(np.arange(40), 10)


@pytest.mark.parametrize("direction", range(4))
@pytest.mark.parametrize("label", range(3))
def test_areas_are_those_of_scikit_learn_ties_included(direction: int, label: int) -> None:
    expected = roc_auc_score(LABELS[:, label], ACTIVATIONS[:, direction])
    assert roc_aucs(ACTIVATIONS, LABELS)[direction, label] == pytest.approx(expected)


def test_a_label_that_no_row_carries_has_area_one_half() -> None:
    assert (roc_aucs(ACTIVATIONS, np.zeros((400, 1), dtype=np.bool_)) == 0.5).all()


def test_the_point_biserial_r_is_pearsons() -> None:
    expected = np.corrcoef(ACTIVATIONS[:, 1], LABELS[:, 2])[0, 1]
    assert correlations(ACTIVATIONS, LABELS)[1, 2] == pytest.approx(expected)


def test_a_constant_direction_has_r_0_and_p_1() -> None:
    constant = np.full((400, 1), 0.3)
    assert (correlations(constant, LABELS) == 0).all()
    assert (p_values(constant, LABELS, USERS) == 1).all()


def test_p_is_small_where_the_label_moves_the_direction() -> None:
    assert p_values(ACTIVATIONS, LABELS, USERS)[0, 0] < 1e-4


def test_p_is_uniform_under_no_correlation_however_alike_the_rows_of_a_user() -> None:
    rng = np.random.default_rng(1)
    users = np.repeat(np.arange(200), 10)
    activations = rng.standard_normal((200, 300))[users]
    labels = (rng.random((200, 1)) < 0.5)[users]
    assert (p_values(activations, labels, users) < 0.05).mean() == pytest.approx(0.05, abs=0.03)


def test_q_values_are_those_of_benjamini_and_hochberg() -> None:
    p = np.array([[0.01, 0.04], [0.03, 0.5]])
    np.testing.assert_allclose(q_values(p), [[0.04, 0.16 / 3], [0.16 / 3, 0.5]])


def test_the_interval_holds_the_area() -> None:
    low, high = auc_interval(ACTIVATIONS[:, 0], LABELS[:, 0], USERS, draws=200, seed=0)
    area = roc_aucs(ACTIVATIONS, LABELS)[0, 0]
    assert low < area < high


def test_the_interval_is_wider_where_rows_of_a_user_are_alike() -> None:
    copied = np.repeat(np.arange(40), 10)
    activation, label = ACTIVATIONS[:40, 0][copied], LABELS[:40, 0][copied]
    by_user = auc_interval(activation, label, copied, draws=300, seed=0)
    by_row = auc_interval(activation, label, np.arange(400), draws=300, seed=0)
    assert by_user[1] - by_user[0] > 2 * (by_row[1] - by_row[0])


def test_the_interval_of_a_label_without_rows_says_nothing() -> None:
    none = np.zeros(400, dtype=np.bool_)
    assert auc_interval(ACTIVATIONS[:, 0], none, USERS, draws=9, seed=0) == (0.0, 1.0)

"""Telling labelled rows apart: all directions and labels at once."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from training.study.separation import (
    auc_influence,
    correlations,
    p_values,
    precisions,
    q_values,
    roc_aucs,
    strongest,
)

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
    assert correlations(ACTIVATIONS, LABELS)[1, 2] == pytest.approx(expected, rel=1e-4)


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


def test_an_influence_is_what_a_row_that_counts_twice_does_to_the_area() -> None:
    activation, label = ACTIVATIONS[:, 0], LABELS[:, 0]
    influence = auc_influence(activation, label)
    area = roc_auc_score(label, activation)
    weights = np.ones(len(label))
    for row in (0, 7, int(np.flatnonzero(label)[0])):
        weights[row] = 1.001
        change = roc_auc_score(label, activation, sample_weight=weights) - area
        assert influence[row] * 0.001 == pytest.approx(change, rel=0.01, abs=1e-9)
        weights[row] = 1.0
    assert influence.sum() == pytest.approx(0, abs=1e-12)


def test_a_label_without_rows_has_no_influence() -> None:
    assert (auc_influence(ACTIVATIONS[:, 0], np.zeros(400, dtype=np.bool_)) == 0).all()


def test_the_strongest_rows_are_a_share_and_ties_share_the_last_places() -> None:
    column = np.array([[5.0], [1.0], [1.0], [1.0], [0.0], [0.0], [0.0], [0.0]])
    assert strongest(column, 0.25)[:, 0] == pytest.approx([0.5, 1 / 6, 1 / 6, 1 / 6, 0, 0, 0, 0])


def test_precision_is_the_share_of_the_strongest_rows_that_carry_the_label() -> None:
    column = np.arange(10.0)[:, None]
    labels = (np.arange(10) >= 8)[:, None]
    assert precisions(strongest(column, 0.4), labels) == pytest.approx(np.array([[0.5]]))


def test_a_direction_that_never_varies_is_as_precise_as_chance() -> None:
    found = precisions(strongest(np.ones((400, 1)), 0.01), LABELS)
    assert found[0] == pytest.approx(LABELS.mean(0), rel=1e-5)

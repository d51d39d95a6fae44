"""Figures of a set of directions, and what drawn users make of them."""

import numpy as np
import pytest

from model_store.cards import AttributeValue
from training.attributes import AttributeTable
from training.co_occurrence import readers
from training.study.directions import DirectionSet
from training.study.judging import (
    AREA,
    COVERED_AREA,
    OWN_PURITY,
    PRECISION,
    PURITY,
    R2,
    figures,
    predicted,
    scores,
)
from training.study.moments import Moments
from training.study.question import LAST, InterpretationSettings, Question, question

N_USERS, PER_USER, N_ITEMS = 200, 10, 30


@pytest.fixture(scope="module")
def asked() -> Question:
    """Moments of which a third each end with an item of kind a, b and none."""
    rng = np.random.default_rng(0)
    last = rng.integers(1, N_ITEMS + 1, N_USERS * PER_USER)
    carries = (np.arange(N_ITEMS + 1) % 3)[:, None] == [1, 2]
    moments = Moments(
        users=np.repeat(np.arange(N_USERS), PER_USER),
        begun=tuple(np.array([item], dtype=np.int32) for item in last),
        next_items=rng.integers(1, N_ITEMS + 1, len(last)),
    )
    table = AttributeTable(tuple(AttributeValue(name="kind", value=v) for v in "ab"), carries)
    settings = InterpretationSettings(
        draws=300, similarity_draws=2, min_item_count=1, strongest_share=0.1
    )
    return question(moments, table, readers(moments.begun, N_ITEMS), settings)


def _set(asked: Question, *columns: int, noise: float = 0.0) -> DirectionSet:
    """Directions that are a label each, 0 for kind a, 1 for kind b."""
    drawn = np.random.default_rng(1).standard_normal((len(asked.picks), len(columns)))
    values = asked.labels[:, list(columns)] + noise * drawn
    return DirectionSet("set", values.astype(np.float32))


def test_directions_that_are_the_labels_are_perfect(asked: Question) -> None:
    both = _set(asked, 0, 1)
    found = figures(both, scores(both.activations, asked), asked)
    perfect = {AREA: 1, PRECISION: 1, COVERED_AREA: 2, PURITY: 1}
    assert {name: found[name, LAST].value for name in perfect} == pytest.approx(perfect)
    assert found[R2, ""].value == pytest.approx(1)


def test_what_all_directions_have_in_common_is_not_their_own(asked: Question) -> None:
    same, different = _set(asked, 0, 0), _set(asked, 0, 1)
    own = [
        figures(each, scores(each.activations, asked), asked)[OWN_PURITY, LAST].value
        for each in (same, different)
    ]
    assert own == pytest.approx([0, 1], abs=1e-6)


@pytest.mark.parametrize("name", [AREA, PRECISION, PURITY, OWN_PURITY])
def test_drawn_users_move_a_figure_as_much_as_new_users_would(asked: Question, name: str) -> None:
    noisy = _set(asked, 0, 1, noise=1.0)
    drawn = figures(noisy, scores(noisy.activations, asked), asked)[name, LAST].drawn
    # rows are independent here, so the error is that of as many independent rows
    rows = int((~asked.picks).sum())
    expected = {AREA: 0.017, PRECISION: 0.036, PURITY: 0.056, OWN_PURITY: 0.052}[name]
    assert rows == 1_000
    assert drawn.std() == pytest.approx(expected, rel=0.35)


def test_a_direction_that_is_the_attribute_is_predicted_by_its_label(asked: Question) -> None:
    activations = np.where(asked.labels[:, [1]], 3.0, 1.0).astype(np.float32)
    r2, figure = predicted(activations, asked)
    assert r2 == pytest.approx([1.0])
    assert figure.value == pytest.approx(1.0)


def test_a_constant_direction_is_not_predicted(asked: Question) -> None:
    r2, figure = predicted(np.ones((len(asked.picks), 1), dtype=np.float32), asked)
    assert np.isnan(r2).all()
    assert figure.value == 0


def test_drawn_users_move_r2_around_its_value(asked: Question) -> None:
    noisy = _set(asked, 0, 1, noise=0.5)
    _, figure = predicted(noisy.activations, asked)
    assert 0.3 < figure.value < 0.6
    assert figure.drawn.mean() == pytest.approx(figure.value, abs=0.01)
    assert 0.005 < figure.drawn.std() < 0.05

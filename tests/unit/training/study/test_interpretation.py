"""Judging sets of directions: one half of users picks, the other scores."""

import dataclasses
import json

import numpy as np
import pytest
from rich.console import Console

from model_store.cards import AttributeValue
from training.attributes import AttributeTable
from training.study.directions import DirectionSet
from training.study.interpretation import (
    InterpretationStudy,
    areas_table,
    interpretation_study,
    interpretation_table,
    predicted_shares,
)
from training.study.moments import Moments, sampled_moments
from training.study.question import LAST, Question, InterpretationSettings, question
from training.study.values import co_occurrence

N_ITEMS = 40
SETTINGS = InterpretationSettings(draws=20, min_item_count=1)


@pytest.fixture(scope="module")
def table() -> AttributeTable:
    """One genre, carried by the even items."""
    even = np.arange(N_ITEMS + 1) % 2 == 0
    even[0] = False
    return AttributeTable((AttributeValue(name="genre", value="Even"),), even[:, None])


@pytest.fixture(scope="module")
def moments() -> Moments:
    rng = np.random.default_rng(0)
    histories = [rng.permutation(N_ITEMS)[:15].astype(np.int32) + 1 for _ in range(60)]
    return sampled_moments(histories, per_user=8, seed=0)


@pytest.fixture(scope="module")
def asked(moments: Moments, table: AttributeTable) -> Question:
    cosine = co_occurrence(moments.begun, N_ITEMS)
    return question(moments, table, cosine, SETTINGS)


@pytest.fixture(scope="module")
def study(asked: Question) -> InterpretationStudy:
    noise = np.random.default_rng(1).standard_normal((len(asked.picks), 200)).astype(np.float32)
    telling = np.where(asked.labels[LAST][:, 0], 1.0, 0.1).astype(np.float32)
    found = np.column_stack([noise[:, 0], telling])
    return interpretation_study([DirectionSet("noise", noise), DirectionSet("found", found)], asked)


def test_a_direction_that_is_the_attribute_is_picked_and_has_area_1(
    study: InterpretationStudy,
) -> None:
    best = study.sets[1].best[0]
    assert (best.attribute, best.target, best.direction) == ("genre=Even", LAST, 1)
    assert (best.roc_auc, best.roc_auc_low) == (1, 1)
    assert best.r == pytest.approx(1)
    assert best.q < 1e-6


def test_the_best_of_much_noise_is_chance_on_the_half_that_did_not_pick(
    study: InterpretationStudy,
) -> None:
    measures = study.sets[0].targets[0]
    assert measures.mean_best_auc_picked > 0.58
    assert abs(measures.mean_best_auc - 0.5) < measures.mean_best_auc_picked - 0.5


def test_noise_correlates_with_nothing_once_corrected(study: InterpretationStudy) -> None:
    assert study.sets[0].targets[0].discovered_share < 0.01


def test_covered_values_are_counted_by_bound(study: InterpretationStudy) -> None:
    assert study.sets[1].targets[0].covered == {"0.8": 1, "0.9": 1}


def test_halves_split_users_not_rows(asked: Question) -> None:
    picking = set(asked.moments.users[asked.picks].tolist())
    scoring = set(asked.moments.users[~asked.picks].tolist())
    assert (len(picking), len(scoring), picking & scoring) == (30, 30, set())


def test_a_direction_that_is_the_attribute_is_predicted_by_its_label(asked: Question) -> None:
    activations = np.where(asked.labels[LAST], 3.0, 1.0)
    assert predicted_shares(activations, asked.labels[LAST], asked.picks) == pytest.approx([1.0])


def test_a_constant_direction_has_no_predicted_share(asked: Question) -> None:
    constant = np.ones((len(asked.picks), 1))
    assert np.isnan(predicted_shares(constant, asked.labels[LAST], asked.picks)).all()


def test_dead_features_are_counted(asked: Question) -> None:
    dead = DirectionSet("dead", np.zeros((len(asked.picks), 3), dtype=np.float32))
    judged = interpretation_study([dead], asked).sets[0]
    assert (judged.n_directions, judged.n_constant, judged.predicted_share) == (3, 3, 0.0)


def test_the_study_is_json(study: InterpretationStudy) -> None:
    written = json.loads(json.dumps(dataclasses.asdict(study)))
    assert [judged["name"] for judged in written["sets"]] == ["noise", "found"]


def test_the_table_has_a_row_for_each_set_and_one_for_chance(study: InterpretationStudy) -> None:
    table = interpretation_table(study)
    assert table.row_count == 3
    console = Console(width=200)
    with console.capture() as shown:
        console.print(table)
    assert "1.000, 1 / 1" in shown.get()


def test_areas_are_averaged_by_the_attributes_name(study: InterpretationStudy) -> None:
    console = Console(width=200)
    with console.capture() as shown:
        console.print(areas_table(study, LAST))
    assert "genre, 1" in shown.get()
    assert "1.000" in shown.get()

"""Judging sets of directions: one half of users picks, the other scores."""

import dataclasses
import json

import numpy as np
import pytest

from model_store.cards import AttributeValue
from training.attributes import AttributeTable
from training.co_occurrence import readers
from training.study.directions import DirectionSet
from training.study.interpretation import Candidate, InterpretationStudy, interpretation_study
from training.study.moments import Moments, sampled_moments
from training.study.question import LAST, InterpretationSettings, Question, question

N_ITEMS = 40
SETTINGS = InterpretationSettings(
    draws=40, similarity_draws=3, min_item_count=1, strongest_share=0.05
)


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
    return question(moments, table, readers(moments.begun, N_ITEMS), SETTINGS)


def _noise(asked: Question, n: int, seed: int) -> DirectionSet:
    values = np.random.default_rng(seed).standard_normal((len(asked.picks), n))
    return DirectionSet("noise", values.astype(np.float32))


@pytest.fixture(scope="module")
def study(asked: Question) -> InterpretationStudy:
    telling = np.where(asked.labels[:, 0], 1.0, 0.1).astype(np.float32)
    noise = _noise(asked, 1, 1).activations[:, 0]
    found = DirectionSet("found", np.column_stack([noise, telling]))
    return interpretation_study(
        [
            Candidate(lambda _: found, is_asked_about=True),
            Candidate(lambda draw: _noise(asked, 200, draw), n_draws=2),
        ],
        asked,
    )


def test_a_direction_that_is_the_attribute_is_picked_and_has_area_1(
    study: InterpretationStudy,
) -> None:
    best = study.sets[0].best[0]
    assert (best.attribute, best.target, best.direction) == ("genre=Even", LAST, 1)
    assert (best.roc_auc, best.roc_auc_low, best.precision) == pytest.approx((1, 1, 1))
    assert best.r == pytest.approx(1)
    assert best.q < 1e-6


def test_the_best_of_much_noise_is_chance_on_the_half_that_did_not_pick(
    study: InterpretationStudy,
) -> None:
    measures = study.sets[1].targets[0]
    assert measures.mean_best_auc_picked > 0.58
    assert abs(measures.mean_best_auc - 0.5) < measures.mean_best_auc_picked - 0.5


def test_noise_correlates_with_nothing_once_corrected(study: InterpretationStudy) -> None:
    assert study.sets[1].targets[0].discovered_share < 0.01


def test_covered_values_are_counted_by_bound(study: InterpretationStudy) -> None:
    measures = study.sets[0].targets[0]
    assert measures.covered == measures.precise == {"0.5": 1, "0.8": 1, "0.9": 1}


def test_the_set_asked_about_is_compared_with_every_control(study: InterpretationStudy) -> None:
    first = study.comparisons[0]
    assert (first.measure, first.target, first.n_draws) == ("mean best AUC", LAST, 2)
    assert (first.one, first.other) == ("found", "noise")
    assert first.other_lowest <= first.other_value <= first.other_highest
    assert first.q < 0.01
    assert first.low < first.difference < first.high


def test_the_verdict_says_where_it_is_better(study: InterpretationStudy) -> None:
    assert any("mean best AUC (last item): above noise" in line for line in study.verdict)


def test_a_small_set_is_compared_with_small_controls_alone(asked: Question) -> None:
    sets = [
        Candidate(lambda _: _noise(asked, 4, 0), is_asked_about=True, is_small=True),
        Candidate(lambda _: _noise(asked, 9, 1)),
        Candidate(lambda _: dataclasses.replace(_noise(asked, 4, 2), name="few"), is_small=True),
    ]
    assert {c.other for c in interpretation_study(sets, asked).comparisons} == {"few"}


def test_halves_split_users_not_rows(asked: Question) -> None:
    picking = set(asked.moments.users[asked.picks].tolist())
    scoring = set(asked.moments.users[~asked.picks].tolist())
    assert (len(picking), len(scoring), picking & scoring) == (30, 30, set())


def test_dead_features_are_counted(asked: Question) -> None:
    dead = DirectionSet("dead", np.zeros((len(asked.picks), 3), dtype=np.float32))
    judged = interpretation_study([Candidate(lambda _: dead)], asked).sets[0]
    assert (judged.n_directions, judged.n_constant, judged.predicted_share) == (3, 3, 0.0)


def test_the_study_is_json(study: InterpretationStudy) -> None:
    written = json.loads(json.dumps(dataclasses.asdict(study)))
    assert [judged["name"] for judged in written["sets"]] == ["found", "noise"]

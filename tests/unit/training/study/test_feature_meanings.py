"""What each feature answers to."""

import numpy as np
import pytest

from model_store.cards import AttributeValue
from training.attributes import AttributeTable
from training.co_occurrence import readers
from training.dataset import Dataset, Item
from training.study.directions import DirectionSet
from training.study.feature_meanings import feature_examples, feature_meanings
from training.study.moments import sampled_moments
from training.study.question import InterpretationSettings, Question, question

N_ITEMS = 20
HISTORIES = tuple(
    np.random.default_rng(user).permutation(N_ITEMS)[:12].astype(np.int32) + 1 for user in range(80)
)


@pytest.fixture(scope="module")
def asked() -> Question:
    moments = sampled_moments(HISTORIES, per_user=10, seed=0)
    carries = (np.arange(N_ITEMS + 1) % 4)[:, None] == [1, 2]
    table = AttributeTable(tuple(AttributeValue(name="kind", value=v) for v in "ab"), carries)
    settings = InterpretationSettings(draws=10, min_item_count=1, strongest_share=0.05)
    return question(moments, table, readers(HISTORIES, N_ITEMS), settings)


@pytest.fixture(scope="module")
def features(asked: Question) -> DirectionSet:
    """Feature 0 is dead, 1 fires on kind a, 2 on kind b and sometimes elsewhere, 3 at random."""
    rng = np.random.default_rng(0)
    strength = rng.uniform(1, 2, len(asked.picks))
    noise = rng.random(len(asked.picks)) < 0.2
    columns = [
        np.zeros(len(asked.picks)),
        strength * asked.labels[:, 0],
        strength * (asked.labels[:, 1] | noise),
        strength * noise,
    ]
    return DirectionSet("SAE", np.column_stack(columns).astype(np.float32))


def test_dead_features_mean_nothing(asked: Question, features: DirectionSet) -> None:
    assert [m.feature_index for m in feature_meanings(features, asked)] == [1, 2, 3]


def test_a_feature_is_associated_with_what_it_answers_to(
    asked: Question, features: DirectionSet
) -> None:
    meaning = feature_meanings(features, asked)[0]
    last = meaning.associations[0]
    assert (last.target, last.attribute) == ("last item", "kind=a")
    assert (last.roc_auc, last.precision) == pytest.approx((1, 1))
    assert last.q < 1e-6
    assert meaning.density == pytest.approx(last.carried_share, abs=0.05)


def test_examples_are_the_clearest_feature_of_each_value(
    asked: Question, features: DirectionSet
) -> None:
    items = tuple(Item(str(i), f"Title {i}", {}) for i in range(1, N_ITEMS + 1))
    dataset = Dataset("few", items, ("a",), HISTORIES, "0" * 64)
    shown = feature_examples(feature_meanings(features, asked), features, asked, dataset)
    assert [(e.feature_index, e.attribute) for e in shown] == [(1, "kind=a"), (2, "kind=b")]
    assert set(shown[0].items) == {f"Title {i}" for i in range(1, N_ITEMS + 1, 4)}

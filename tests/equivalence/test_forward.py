"""The service's batched, steered forward pass against the numpy reference, row by row."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from model_store.bundle import Bundle
from service.forward import Answer, Question, forward
from steering.plan import NO_RULES, Limits, Plan, plan_for
from steering.resolved import no_conditions, resolve_rules
from steering.rules import Operation, Rule, Unit
from steering.space import FeatureSpace
from tests.tiny_model import TinyModel, best

ATOL = 1e-4
"""Largest difference of a score: the reference computes in float64."""
FEATURE, VALUE = 4, 0.75
UNLIMITED = Limits(1e9, 1e9, 1e9)


@pytest.fixture
def added(space: FeatureSpace) -> Plan:
    """VALUE, raw, added to FEATURE."""
    rules = [Rule(Operation.ADD, FEATURE, VALUE, Unit.RAW)]
    return plan_for([resolve_rules(rules, space, no_conditions)], {}, UNLIMITED)


def question(history: Sequence[int], plan: Plan, *, is_full: bool = False) -> Question:
    items = np.array(history, dtype=np.int64)
    return Question(items, np.array([], dtype=np.int64), 10, plan, is_full)


def asked(bundle: Bundle, space: FeatureSpace, *questions: Question) -> list[Answer]:
    return [own for own in forward(bundle, space, questions)[0] if isinstance(own, Answer)]


def steered_scores(model: TinyModel, history: Sequence[int]) -> NDArray[np.float64]:
    """The reference's scores with VALUE added to FEATURE at every position that is edited."""
    hidden = model.hidden(history)
    edited = slice(-1, None) if model.hook_block >= model.n_blocks else slice(None)
    hidden[edited] += VALUE * model.W_dec[FEATURE]
    return model.scores(hidden)


def test_unsteered_lists_are_the_references(
    model: TinyModel, bundle: Bundle, space: FeatureSpace
) -> None:
    histories = model.histories(20)
    answers = asked(bundle, space, *(question(own, NO_RULES) for own in histories))
    for history, answer in zip(histories, answers, strict=True):
        assert answer.items.tolist() == best(model.scores(model.hidden(history)), 10)


def test_steered_lists_are_the_references(
    model: TinyModel, bundle: Bundle, space: FeatureSpace, added: Plan
) -> None:
    histories = model.histories(20)
    answers = asked(bundle, space, *(question(own, added) for own in histories))
    for history, answer in zip(histories, answers, strict=True):
        assert answer.items.tolist() == best(steered_scores(model, history), 10)


def test_steered_scores_are_the_references(
    model: TinyModel, bundle: Bundle, space: FeatureSpace, added: Plan
) -> None:
    histories = model.histories(20)
    answers = asked(bundle, space, *(question(own, added) for own in histories))
    for history, answer in zip(histories, answers, strict=True):
        expected = steered_scores(model, history)[answer.items]
        np.testing.assert_allclose(answer.scores, expected, rtol=0, atol=ATOL)


def test_unsteered_scores_beside_steered_ones_are_the_references(
    model: TinyModel, bundle: Bundle, space: FeatureSpace, added: Plan
) -> None:
    histories = model.histories(20)
    answers = asked(bundle, space, *(question(own, added, is_full=True) for own in histories))
    for history, answer in zip(histories, answers, strict=True):
        assert answer.unsteered is not None
        expected = model.scores(model.hidden(history))[answer.items]
        np.testing.assert_allclose(answer.unsteered.scores, expected, rtol=0, atol=ATOL)


def test_a_batch_of_unlike_lengths_answers_each_as_alone(
    model: TinyModel, bundle: Bundle, space: FeatureSpace, added: Plan
) -> None:
    questions = [
        question(own, added if i % 2 else NO_RULES) for i, own in enumerate(model.histories(20))
    ]
    together = asked(bundle, space, *questions)
    for own, answer in zip(questions, together, strict=True):
        (alone,) = asked(bundle, space, own)
        assert answer.items.tolist() == alone.items.tolist()


def test_an_unsteered_row_has_the_same_bits_beside_a_steered_one(
    model: TinyModel, bundle: Bundle, space: FeatureSpace, added: Plan
) -> None:
    one, other = model.histories(20)[5:7]
    calm = asked(bundle, space, question(one, NO_RULES), question(other, NO_RULES))[0]
    beside = asked(bundle, space, question(one, NO_RULES), question(other, added))[0]
    assert calm.scores.tobytes() == beside.scores.tobytes()


def test_an_excluded_item_is_never_answered(
    model: TinyModel, bundle: Bundle, space: FeatureSpace
) -> None:
    history = np.array([3, 7, 11])
    everything = np.arange(1, 46)
    (answer,) = asked(bundle, space, Question(history, everything, 10, NO_RULES, is_full=False))
    assert set(answer.items.tolist()) == {46, 47, 48, 49, 50}

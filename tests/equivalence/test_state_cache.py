"""Kept hidden states change no answer: any requests, any size of cache, any hook point."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_store.bundle import Bundle
from service.directions import ItemDirections
from service.forward import Answer, Ongoing, Question, forward
from service.inquiry import Asked
from service.snapshot import feature_space_of
from service.state_cache import Lookups, StateCache
from steering.plan import NO_RULES, Limits, Plan, plan_for
from steering.resolved import no_conditions, resolve_rules
from steering.rules import Operation, Rule, Unit
from steering.search import Wanted
from steering.space import FeatureSpace
from tests.tiny_model import TinyModel

ATOL = 1e-5
"""Largest difference of a score between runs of other sizes: float32 sums in another order."""
LIMITS = (0, 300, 2_000, 6_000, 10**6)
"""Nothing, less than any entry, a few entries, many, all of them; bytes."""


@pytest.fixture(scope="module")
def plans(space: FeatureSpace) -> list[Plan]:
    """No rules, one that acts on anyone, one that acts on who is active, both."""
    added = Rule(Operation.ADD, 4, 0.75, Unit.RAW)
    doubled = Rule(Operation.SCALE, 2, 2.0, Unit.RAW)
    return [NO_RULES] + [
        plan_for([resolve_rules(rules, space, no_conditions)], {}, Limits(1e9, 1e9, 1e9))
        for rules in ([added], [doubled], [added, doubled])
    ]


kinds = st.tuples(st.integers(0, 11), st.integers(0, 3), st.booleans(), st.booleans())
"""Which history, which plan, whether the full view, whether an inquiry."""
sequences = st.lists(st.lists(kinds, min_size=1, max_size=5), min_size=1, max_size=8)


class Asking:
    """Questions about few histories of one bundle."""

    def __init__(self, model: TinyModel, bundle: Bundle, plans: Sequence[Plan]) -> None:
        self._bundle = bundle
        self._space = feature_space_of(bundle)
        self._histories = [np.array(own, dtype=np.int64) for own in model.histories(12)]
        self._plans = plans
        self._directions = ItemDirections(bundle)

    def answers(
        self, run: Sequence[tuple[int, int, bool, bool]], cache: StateCache | None
    ) -> list[Answer]:
        """Of one run, with all its rounds."""
        asked: list[Question | Ongoing] = [self._question(*own, cache) for own in run]
        done: dict[int, Answer] = {}
        places = list(range(len(asked)))
        while asked:
            outcomes, _ = forward(self._bundle, self._space, asked)
            going = []
            for place, own in zip(places, outcomes, strict=True):
                if isinstance(own, Answer):
                    done[place] = own
                else:
                    going.append((place, own))
            places, asked = [p for p, _ in going], [own for _, own in going]
        return [done[place] for place in range(len(run))]

    def _question(
        self, history: int, plan: int, is_full: bool, is_inquiry: bool, cache: StateCache | None
    ) -> Question:
        items = self._histories[history]
        asked = self._asked() if is_inquiry else None
        none = np.array([], dtype=np.int64)
        return Question(items, none, 10, self._plans[plan], is_full, asked, cache)

    def _asked(self) -> Asked:
        wanted = Wanted(target=None, budget=None, needs_unsteered=True)
        return Asked(wanted, 10, 4, True, True, self._directions)


@pytest.fixture(scope="module")
def asking(model: TinyModel, bundle: Bundle, plans: list[Plan]) -> Asking:
    return Asking(model, bundle, plans)


def bits(answer: Answer) -> Iterator[bytes]:
    """Everything that an answer says in numbers."""
    yield answer.items.tobytes()
    yield answer.scores.tobytes()
    if answer.activations is not None:
        yield answer.activations.tobytes()
    if answer.edit is not None:
        yield repr(answer.edit.reports).encode()
        yield answer.edit.shift.tobytes()
    if answer.unsteered is not None:
        yield answer.unsteered.ranks.tobytes()
        yield answer.unsteered.scores.tobytes()


@settings(deadline=None, max_examples=60)
@given(sequences, st.sampled_from(LIMITS))
def test_one_by_one_any_requests_get_the_same_bits(
    asking: Asking, drawn: list[list[tuple[int, int, bool, bool]]], limit: int
) -> None:
    cache = StateCache(limit)
    for own in (own for run in drawn for own in run):
        (kept,), (computed,) = asking.answers([own], cache), asking.answers([own], None)
        assert [*bits(kept)] == [*bits(computed)]


@settings(deadline=None, max_examples=60)
@given(sequences, st.sampled_from(LIMITS))
def test_in_runs_any_requests_get_the_same_lists_and_scores(
    asking: Asking, drawn: list[list[tuple[int, int, bool, bool]]], limit: int
) -> None:
    cache = StateCache(limit)
    for run in drawn:
        for kept, computed in zip(
            asking.answers(run, cache), asking.answers(run, None), strict=True
        ):
            assert kept.items.tolist() == computed.items.tolist()
            np.testing.assert_allclose(kept.scores, computed.scores, rtol=0, atol=ATOL)


@given(sequences, st.sampled_from(LIMITS))
@settings(deadline=None, max_examples=20)
def test_it_never_takes_more_than_it_may(
    asking: Asking, drawn: list[list[tuple[int, int, bool, bool]]], limit: int
) -> None:
    cache = StateCache(limit)
    for run in drawn:
        asking.answers(run, cache)
        assert cache.size_bytes <= limit


def test_a_history_of_one_run_is_computed_once(asking: Asking) -> None:
    told: list[Lookups] = []
    asking.answers([(3, 0, False, False), (3, 1, False, False)], StateCache(10**6, told.append))
    assert told == [Lookups(hit=0, shared=1, miss=1)]


def test_other_rules_find_the_history(asking: Asking) -> None:
    told: list[Lookups] = []
    cache = StateCache(10**6, told.append)
    asking.answers([(3, 1, False, False)], cache)
    asking.answers([(3, 2, False, False)], cache)
    assert told[1] == Lookups(hit=1, shared=0, miss=0)


def test_an_inquiry_finds_the_history(asking: Asking) -> None:
    told: list[Lookups] = []
    cache = StateCache(10**6, told.append)
    asking.answers([(3, 0, False, False)], cache)
    asking.answers([(3, 1, False, True)], cache)
    assert told[1] == Lookups(hit=1, shared=0, miss=0)


def test_a_second_request_does_not_run_the_lower_half(
    asking: Asking, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = StateCache(10**6)
    asking.answers([(3, 1, False, False)], cache)
    monkeypatch.setattr(bundle.graphs.lower, "run", runs)
    assert asking.answers([(3, 2, False, False)], cache)


def test_activations_are_kept_at_once_of_many_positions_else_of_what_came_back(
    asking: Asking, bundle: Bundle, model: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = StateCache(10**6)
    before = 1 if model.hook_block < model.n_blocks else 2
    for _ in range(before):
        asking.answers([(3, 1, False, False)], cache)
    monkeypatch.setattr(bundle.graphs.encoder, "run", runs)
    assert asking.answers([(3, 2, False, False)], cache)


def runs(*_: object, **__: object) -> None:
    """Stands where a graph is not to run."""
    raise AssertionError("it runs")

"""The batcher with a real bundle and a model that can be held still."""

import asyncio
from time import perf_counter

import numpy as np
import pytest

from model_store.bundle import Bundle
from model_store.store import Store
from service.batcher import Batcher
from service.errors import DeadlineGone, DeadlineTooNear, Draining, Overloaded
from service.forward import Answer, Question, StageSeconds
from service.metrics import Metrics
from service.snapshot import feature_space_of
from steering.plan import NO_RULES
from tests.integration.held import HeldModel


@pytest.fixture(scope="session")
def bundle(tiny_store: Store) -> Bundle:
    return tiny_store.load("production")


@pytest.fixture(scope="session")
def twin(tiny_store: Store) -> Bundle:
    """Another bundle, as far as the batcher can tell."""
    return tiny_store.load("production")


def question(k: int) -> Question:
    return Question(np.array([1, 2]), np.array([], dtype=np.int64), k, NO_RULES, is_full=False)


def small_batcher(queue_limit: int = 10, max_batch: int = 4) -> Batcher:
    return Batcher(Metrics(), max_batch=max_batch, queue_limit=queue_limit, has_thread=True)


def ask(
    own: Batcher, bundle: Bundle, k: int, deadline: float | None = None
) -> "asyncio.Task[Answer]":
    return asyncio.create_task(own.ask(bundle, feature_space_of(bundle), question(k), deadline))


async def busy(own: Batcher, bundle: Bundle, held: HeldModel) -> "asyncio.Task[Answer]":
    """A question (k = 1) that the model is busy with."""
    first = ask(own, bundle, 1)
    await held.is_busy()
    return first


async def finish(held: HeldModel, *asked: "asyncio.Task[Answer]") -> list[object]:
    await asyncio.sleep(0)
    held.let_go()
    return await asyncio.gather(*asked, return_exceptions=True)


async def test_what_waits_goes_into_one_run(bundle: Bundle, held: HeldModel) -> None:
    own = small_batcher()
    asked = [await busy(own, bundle, held), *(ask(own, bundle, k) for k in (2, 3, 4))]
    await finish(held, *asked)
    assert held.runs == [[1], [2, 3, 4]]


async def test_a_run_is_never_larger_than_allowed(bundle: Bundle, held: HeldModel) -> None:
    own = small_batcher(max_batch=2)
    asked = [await busy(own, bundle, held), *(ask(own, bundle, k) for k in (2, 3, 4))]
    await finish(held, *asked)
    assert held.runs == [[1], [2, 3], [4]]


async def test_bundles_never_share_a_run(bundle: Bundle, twin: Bundle, held: HeldModel) -> None:
    own = small_batcher()
    asked = [await busy(own, bundle, held)]
    asked += [ask(own, served, k) for served, k in ((bundle, 2), (twin, 3), (bundle, 4), (twin, 5))]
    await finish(held, *asked)
    assert held.runs == [[1], [2, 4], [3, 5]]


async def test_a_cancelled_question_is_not_asked(bundle: Bundle, held: HeldModel) -> None:
    own = small_batcher()
    first, gone, last = await busy(own, bundle, held), ask(own, bundle, 2), ask(own, bundle, 3)
    await asyncio.sleep(0)
    gone.cancel()
    await finish(held, first, gone, last)
    assert held.runs == [[1], [3]]


async def test_a_question_whose_deadline_passed_is_not_asked(
    bundle: Bundle, held: HeldModel
) -> None:
    own = small_batcher()
    first = await busy(own, bundle, held)
    late = ask(own, bundle, 2, deadline=perf_counter())
    _, outcome = await finish(held, first, late)
    assert (isinstance(outcome, DeadlineGone), held.runs) == (True, [[1]])


async def test_more_than_may_wait_are_refused(bundle: Bundle, held: HeldModel) -> None:
    own = small_batcher(queue_limit=2)
    first = await busy(own, bundle, held)
    outcomes = await finish(held, first, *(ask(own, bundle, k) for k in (2, 3, 4)))
    assert [isinstance(outcome, Overloaded) for outcome in outcomes] == [False, False, False, True]


async def test_a_question_that_would_wait_too_long_for_whole_runs_is_refused(
    bundle: Bundle, held: HeldModel
) -> None:
    own = Batcher(Metrics(), max_batch=2, queue_limit=10, queue_wait_s=1e-9, has_thread=True)
    await known_pace(own, bundle, held)
    first = await busy(own, bundle, held)
    outcomes = await finish(held, first, *(ask(own, bundle, k) for k in (2, 3, 4)))
    assert [isinstance(outcome, Overloaded) for outcome in outcomes] == [False, False, False, True]


async def test_before_any_run_is_timed_nothing_is_too_long(bundle: Bundle, held: HeldModel) -> None:
    own = Batcher(Metrics(), max_batch=2, queue_limit=10, queue_wait_s=1e-9, has_thread=True)
    first = await busy(own, bundle, held)
    outcomes = await finish(held, first, *(ask(own, bundle, k) for k in (2, 3, 4)))
    assert not any(isinstance(outcome, Exception) for outcome in outcomes)


async def test_stopping_answers_what_waits(bundle: Bundle, held: HeldModel) -> None:
    own = small_batcher()
    asked = [await busy(own, bundle, held), ask(own, bundle, 2)]
    await asyncio.sleep(0)
    stopping = asyncio.create_task(own.stop())
    outcomes = await finish(held, *asked)
    await stopping
    assert [len(outcome.items) for outcome in outcomes if isinstance(outcome, Answer)] == [1, 2]


async def test_a_stopped_batcher_refuses(bundle: Bundle) -> None:
    own = small_batcher()
    await own.stop()
    with pytest.raises(Draining):
        await ask(own, bundle, 1)


async def known_pace(own: Batcher, bundle: Bundle, held: HeldModel) -> None:
    """A run that says it took 40 s; the next one is held."""
    held.seconds = StageSeconds(10.0, 10.0, 10.0, 10.0)
    await finish(held, await busy(own, bundle, held))
    held.hold()


async def test_a_question_that_would_wait_too_long_is_refused_at_once(
    bundle: Bundle, held: HeldModel
) -> None:
    own = small_batcher(max_batch=1)
    await known_pace(own, bundle, held)
    asked = [await busy(own, bundle, held), ask(own, bundle, 2)]
    await asyncio.sleep(0)
    with pytest.raises(DeadlineTooNear):
        await ask(own, bundle, 3, deadline=perf_counter() + 20)
    await finish(held, *asked)


async def test_a_question_with_time_enough_waits(bundle: Bundle, held: HeldModel) -> None:
    own = small_batcher(max_batch=1)
    await known_pace(own, bundle, held)
    asked = [await busy(own, bundle, held), ask(own, bundle, 2)]
    asked.append(ask(own, bundle, 3, deadline=perf_counter() + 80))
    outcomes = await finish(held, *asked)
    assert [isinstance(outcome, Answer) for outcome in outcomes] == [True, True, True]


async def test_a_question_that_goes_into_the_next_run_is_not_refused(
    bundle: Bundle, held: HeldModel
) -> None:
    own = small_batcher(max_batch=4)
    await known_pace(own, bundle, held)
    asked = [await busy(own, bundle, held), *(ask(own, bundle, k) for k in (2, 3))]
    asked.append(ask(own, bundle, 4, deadline=perf_counter() + 20))
    outcomes = await finish(held, *asked)
    assert [isinstance(outcome, Answer) for outcome in outcomes] == [True] * 4


async def test_a_refusal_for_time_is_counted(bundle: Bundle, held: HeldModel) -> None:
    metrics = Metrics()
    own = Batcher(metrics, max_batch=1, queue_limit=10, has_thread=True)
    await known_pace(own, bundle, held)
    asked = [await busy(own, bundle, held), ask(own, bundle, 2)]
    await asyncio.sleep(0)
    await asyncio.gather(ask(own, bundle, 3, deadline=perf_counter()), return_exceptions=True)
    await finish(held, *asked)
    dropped = metrics.registry.get_sample_value(
        "steerrec_dropped_total", {"reason": "deadline_near"}
    )
    assert dropped == 1

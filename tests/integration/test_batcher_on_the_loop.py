"""The batcher whose model runs on the event loop, with a real bundle."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import pytest

from model_store.bundle import Bundle
from model_store.store import Store
from service import batcher as batcher_module
from service.batcher import Batcher
from service.errors import Draining, InvalidRequest, Violation
from service.forward import Answer, Ongoing, Question, StageSeconds, forward
from service.metrics import Metrics
from service.snapshot import feature_space_of
from steering.plan import NO_RULES
from steering.space import FeatureSpace


class Runs:
    """Stands where the batcher calls `forward`; remembers the k of each run's questions."""

    def __init__(self) -> None:
        self.seen: list[list[int]] = []
        self.during_first: Callable[[], object] = list
        """Called within the first run."""

    def __call__(
        self, bundle: Bundle, space: FeatureSpace, asked: Sequence[Question | Ongoing]
    ) -> tuple[Sequence[Answer | Ongoing], StageSeconds]:
        """As `forward`; it runs where a loop is, or this raises."""
        asyncio.get_running_loop()
        if not self.seen:
            self.during_first()
        self.seen.append([own.k for own in asked])
        return forward(bundle, space, asked)


class Unread:
    """An asker whose question is read when its run begins."""

    line = None
    caller = None

    def __init__(self, k: int, fault: Exception | None = None) -> None:
        """`fault` is what its caller is told instead of a question being asked."""
        self.is_gone = False
        self.told: list[Answer | Exception] = []
        self.reads = 0
        self._k = k
        self._fault = fault

    def question(self, _place: int) -> Question | None:
        """What it asks, or None."""
        self.reads += 1
        if self._fault is not None:
            self.told.append(self._fault)
            return None
        return question(self._k)

    def tell(self, _place: int, outcome: Answer | Exception) -> None:
        """Remembers it."""
        self.told.append(outcome)


@pytest.fixture(scope="session")
def bundle(tiny_store: Store) -> Bundle:
    return tiny_store.load("production")


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    own = Runs()
    monkeypatch.setattr(batcher_module, "forward", own)
    return own


def question(k: int) -> Question:
    return Question(np.array([1, 2]), np.array([], dtype=np.int64), k, NO_RULES, is_full=False)


def loop_batcher(max_batch: int = 4) -> Batcher:
    return Batcher(Metrics(), max_batch=max_batch, queue_limit=10)


def put(own: Batcher, bundle: Bundle, *askers: Unread) -> None:
    for asker in askers:
        own.put(asker, 0, bundle, feature_space_of(bundle), None, None)


async def _ran(runs: Runs, count: int) -> None:
    while len(runs.seen) < count:
        await asyncio.sleep(0)


async def test_what_comes_in_one_turn_of_the_loop_goes_into_one_run(
    bundle: Bundle, runs: Runs
) -> None:
    put(own := loop_batcher(), bundle, *map(Unread, (1, 2, 3)))
    await own.stop()
    assert runs.seen == [[1, 2, 3]]


async def test_what_reaches_a_socket_during_a_run_goes_into_the_next(
    bundle: Bundle, runs: Runs
) -> None:
    own, (near, far) = loop_batcher(), socket.socketpair()
    loop = asyncio.get_running_loop()

    def read() -> None:
        near.recv(1)
        put(own, bundle, Unread(7))

    with near, far:
        loop.add_reader(near, read)
        runs.during_first = lambda: far.send(b"x")
        put(own, bundle, *(Unread(1) for _ in range(4)), Unread(2))
        await asyncio.wait_for(_ran(runs, 2), 10)
        loop.remove_reader(near)
    assert runs.seen == [[1, 1, 1, 1], [2, 7]]


async def test_a_question_is_read_once(bundle: Bundle, runs: Runs) -> None:
    put(own := loop_batcher(), bundle, asker := Unread(1))
    await own.stop()
    assert asker.reads == 1


async def test_a_question_read_at_its_run_is_answered(bundle: Bundle, runs: Runs) -> None:
    put(own := loop_batcher(), bundle, asker := Unread(3))
    await own.stop()
    assert [len(told.items) for told in asker.told if isinstance(told, Answer)] == [3]


async def test_one_that_needs_no_run_leaves_the_others_theirs(bundle: Bundle, runs: Runs) -> None:
    faulty = Unread(1, InvalidRequest([Violation("k", "wrong")]))
    put(own := loop_batcher(), bundle, Unread(2), faulty, Unread(3))
    await own.stop()
    assert runs.seen == [[2, 3]]


async def test_where_none_needs_a_run_what_waits_behind_them_is_asked(
    bundle: Bundle, runs: Runs
) -> None:
    faulty = [Unread(1, InvalidRequest([Violation("k", "wrong")])) for _ in range(2)]
    put(own := loop_batcher(max_batch=2), bundle, *faulty, Unread(5))
    await own.stop()
    assert runs.seen == [[5]]


async def test_one_that_is_gone_is_not_read(bundle: Bundle, runs: Runs) -> None:
    put(own := loop_batcher(), bundle, asker := Unread(1), Unread(2))
    asker.is_gone = True
    await own.stop()
    assert asker.reads == 0


async def test_the_end_of_a_run_is_told_after_its_askers(bundle: Bundle, runs: Runs) -> None:
    own, asker = loop_batcher(), Unread(1)
    told: list[int] = []
    own.after_run = lambda: told.append(len(asker.told))
    put(own, bundle, asker)
    await own.stop()
    assert told[0] == 1


async def test_an_asker_that_cannot_be_told_holds_nobody(bundle: Bundle, runs: Runs) -> None:
    own, deaf, other = loop_batcher(max_batch=2), Unread(1), Unread(2)
    deaf.told = cast("list[Answer | Exception]", ())  # takes nothing
    put(own, bundle, deaf, other, last := Unread(3))
    await asyncio.wait_for(own.stop(), 10)
    assert [len(asker.told) for asker in (other, last)] == [1, 1]


async def test_a_question_is_awaited_as_one_that_is_put(bundle: Bundle, runs: Runs) -> None:
    own = loop_batcher()
    answer = await own.ask(bundle, feature_space_of(bundle), question(4), None)
    assert len(answer.items) == 4


async def test_a_batcher_on_the_loop_refuses_once_it_stops(bundle: Bundle) -> None:
    own = loop_batcher()
    await own.stop()
    with pytest.raises(Draining):
        put(own, bundle, Unread(1))

"""Micro-batching: requests that wait while the model runs go into its next run together.

An idle model starts at once; batches grow only as long as a run takes. The model runs on the event
loop itself (ADR 0018): a turn of the loop reads what has come, runs it, and writes the answers.
With a thread of its own it leaves the loop free meanwhile, which a server needs that takes in one
call in a turn.

A question that takes several rounds never holds others: what is finished is answered after each
round, and where something waits, the next round runs together with it. Those who ask many questions
do not hold those who ask one (`service.lines`).
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from math import inf
from time import perf_counter
from typing import NamedTuple

from model_store.bundle import Bundle
from service.errors import DeadlineGone, DeadlineTooNear, Draining, Overloaded
from service.forward import Answer, Ongoing, Question, StageSeconds, forward
from service.group import Group
from service.lines import Asker, Lines, Waiting
from service.metrics import Metrics
from steering.space import FeatureSpace

RUNS_REMEMBERED = 8
"""Runs of the model over which the mean of their time is taken."""

Outcome = Answer | Ongoing | Exception

log = logging.getLogger(__name__)


class Single:
    """An asker of one question."""

    line = None
    """It stands in the line of singles."""
    caller = None
    """Not known."""

    def __init__(self, future: asyncio.Future[Answer]) -> None:
        """`future` is cancelled when the caller has gone."""
        self._future = future

    @property
    def is_gone(self) -> bool:
        """Whether nobody waits any more."""
        return self._future.done()

    def question(self, _place: int) -> Question | None:
        """None: it was read when it was asked."""
        return None

    def tell(self, _place: int, outcome: Answer | Exception) -> None:
        """Hands the outcome to who awaits it."""
        if isinstance(outcome, Exception):
            self._future.set_exception(outcome)
        else:
            self._future.set_result(outcome)


class Run(NamedTuple):
    """One run of the model."""

    batch: list[Waiting]
    outcomes: list[Outcome]
    """One for each."""
    seconds: StageSeconds | None
    """None: it failed as a whole."""

    def going(self) -> list[Waiting]:
        """Those that need another round, made ready for it."""
        going = []
        for waiting, outcome in zip(self.batch, self.outcomes, strict=True):
            if isinstance(outcome, Ongoing):
                waiting.ongoing = outcome
                going.append(waiting)
        return going


class Batcher:
    """Answers questions in batches; used from one event loop."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        max_batch: int,
        queue_limit: int,
        queue_wait_s: float = inf,
        has_thread: bool = False,
    ) -> None:
        """Make it; it needs no start.

        Args:
            metrics: where stages, batch sizes and drops are counted.
            max_batch: most questions in one run.
            queue_limit: most questions that wait in each of the two lines.
            queue_wait_s: longest that a single question is expected to wait for whole runs.
            has_thread: whether the model runs in a thread of its own.
        """
        self._metrics = metrics
        self.max_batch = max_batch
        """Most questions in one run."""
        self._queue_limit = queue_limit
        self._queue_wait_s = queue_wait_s
        self._lines = Lines()
        self._freed = asyncio.Event()
        """Set whenever questions leave the lines."""
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="model") if has_thread else None
        self.after_run: Callable[[], None] = _nothing
        """Called on the loop once the askers of a run have been told."""
        self._is_busy = False
        self._is_draining = False
        self._run_s = 0.0
        """Running mean of the seconds that a run takes; 0: none was yet."""
        self._idle = asyncio.Event()
        self._idle.set()

    async def ask(
        self, bundle: Bundle, space: FeatureSpace, question: Question, deadline: float | None
    ) -> Answer:
        """The model's answer.

        Args:
            bundle: whose model to ask; a run never mixes two.
            space: of the bundle.
            question: what to ask.
            deadline: on the clock of `time.perf_counter`; None: none.

        Raises:
            Overloaded: as many questions wait as may, or they take too long.
            Draining: `stop` was called.
            DeadlineTooNear: what waits already takes longer than the deadline leaves.
            DeadlineGone: the deadline passed before the model ran.
        """
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.put(Single(future), 0, bundle, space, question, deadline)
        return await future

    def put(
        self,
        asker: Asker,
        place: int,
        bundle: Bundle,
        space: FeatureSpace,
        question: Question | None,
        deadline: float | None,
    ) -> None:
        """Takes one question, whose asker is told what becomes of it.

        Args:
            asker: of it.
            place: of the question among its asker's.
            bundle: whose model to ask; a run never mixes two.
            space: of the bundle.
            question: what to ask; None: the asker reads it when its run begins.
            deadline: on the clock of `time.perf_counter`; None: none.

        Raises:
            Overloaded, Draining, DeadlineTooNear: as `ask`; the asker is not told.
        """
        if self._is_draining:
            raise Draining
        lines = self._lines
        if asker.line is None:
            self.refuse_if_full(asker.caller)
        elif lines.n_grouped >= self._queue_limit:
            raise Overloaded(self._queue_limit)
        if deadline is not None:
            self._check_time(asker, deadline)
        if asker.line is None and lines.n_singles >= self._queue_limit:
            self._push_out()
        lines.put(Waiting(bundle, space, question, asker, place, deadline, since=perf_counter()))
        if not self._is_busy:
            self._is_busy = True
            self._idle.clear()
            # after the requests that this turn of the loop has yet to read
            asyncio.get_running_loop().call_soon(self._run_next)

    async def room(self) -> int:
        """How many questions of a stream may be put now; waits until it is one or more.

        Streams leave half of the groups' line to those who would be refused.
        """
        most = max(1, self._queue_limit // 2)
        while self._lines.n_grouped >= most and not self._is_draining:
            self._freed.clear()
            await self._freed.wait()
        return max(1, most - self._lines.n_grouped)

    def leave(self, group: Group) -> None:
        """Drops what waits of a group whose caller is gone, or has all answers."""
        group.is_gone = True
        if dropped := self._lines.drop(group):
            self._metrics.dropped.labels("cancelled").inc(dropped)
            self._freed.set()

    def refuse_if_full(self, caller: object = None) -> None:
        """Refuses a single question that would wait too long; cheap, so that refusals are.

        What fits into the next run is always let in, however long that takes. Where there is no
        room, a caller with less than its even part is let in all the same: who has the most gives
        way.

        Args:
            caller: who asks, by `Asker.caller`.

        Raises:
            Overloaded: as `ask`.
        """
        lines, limit = self._lines, self._queue_limit
        waiting = lines.n_singles
        if waiting >= limit and not lines.singles.is_within_share(caller, limit):
            raise Overloaded(limit)
        if waiting >= self.max_batch:
            wait_s = lines.runs_ahead_of(caller, self.max_batch) * self._run_s
            if wait_s > self._queue_wait_s:
                raise Overloaded(waiting)

    def _push_out(self) -> None:
        """Refuses a question that waits: the newest of the caller with the most."""
        waiting = self._lines.singles.pop_largest()
        if not waiting.asker.is_gone:
            self._metrics.dropped.labels("pushed_out").inc()
            _tell(waiting, Overloaded(self._queue_limit))

    def _check_time(self, asker: Asker, deadline: float) -> None:
        """Refuses now what would be dropped later.

        Only whole runs ahead count, so that a burst that goes into one run is not refused by what
        lone questions took.
        """
        wait_s = self._lines.runs_ahead(asker, self.max_batch) * self._run_s
        left_s = deadline - perf_counter()
        if wait_s > max(left_s, 0.0):
            self._metrics.dropped.labels("deadline_near").inc()
            raise DeadlineTooNear(wait_s, left_s)

    async def stop(self) -> None:
        """Refuses new questions, answers those that wait, and ends the worker."""
        self._is_draining = True
        await self._idle.wait()
        if self._worker is not None:
            self._worker.shutdown()

    def _run_next(self) -> None:
        began = perf_counter()
        batch = self._next_batch()
        self._metrics.queued.set(len(self._lines))
        if not batch:
            self._is_busy = bool(self._lines)
            if self._is_busy:  # those of this run needed no model
                self._run_soon()
            else:
                self._idle.set()
            self.after_run()
            return
        if self._worker is None:
            run = Run(batch, *outcomes(batch))
            self._deliver(run, began)
            self._end(run)
            return
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._worker, self._rounds, batch, loop)
        running.add_done_callback(self._after)

    def _run_soon(self) -> None:
        """The next run, after the loop has read what came during this one.

        The loop polls its sockets after a callback that it is given now, and before one that this
        callback gives it.
        """
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._run_next)

    def _rounds(self, batch: list[Waiting], loop: asyncio.AbstractEventLoop) -> Run:
        """In the worker: rounds of a batch until it is answered or another question waits."""
        run = Run(batch, *outcomes(batch))
        while (going := run.going()) and not self._lines:
            if len(going) < len(run.batch):
                loop.call_soon_threadsafe(self._deliver, run)
            else:
                loop.call_soon_threadsafe(self._observe, run)
            run = Run(going, *outcomes(going))
        return run

    def _next_batch(self) -> list[Waiting]:
        now = perf_counter()
        taken = self._lines.take(self.max_batch, lambda waiting: self._is_gone(waiting, now))
        self._freed.set()
        queue = self._metrics.stages["queue"]
        for waiting in taken:
            if waiting.ongoing is None:
                queue.observe(now - waiting.since)
        return [waiting for waiting in taken if waiting.is_read()]

    def _is_gone(self, waiting: Waiting, now: float) -> bool:
        if waiting.asker.is_gone:
            self._metrics.dropped.labels("cancelled").inc()
            return True
        if waiting.deadline is not None and waiting.deadline <= now:
            self._metrics.dropped.labels("deadline").inc()
            waiting.asker.tell(waiting.place, DeadlineGone())
            return True
        return False

    def _after(self, ended: asyncio.Future[Run]) -> None:
        run = ended.result()
        self._deliver(run)
        self._lines.put_back(run.going())
        self.after_run()
        self._run_next()

    def _end(self, run: Run) -> None:
        """Lets the loop read before the next run."""
        self._lines.put_back(run.going())
        self.after_run()
        self._run_soon()

    def _deliver(self, run: Run, began: float | None = None) -> None:
        """Tells the askers; `began` is when their questions were read, where that is known."""
        for waiting, outcome in zip(run.batch, run.outcomes, strict=True):
            if not isinstance(outcome, Ongoing) and not waiting.asker.is_gone:
                _tell(waiting, outcome)
        self._observe(run, began)

    def _observe(self, run: Run, began: float | None = None) -> None:
        self._metrics.batch_size.observe(len(run.batch))
        if run.seconds is None:
            return
        for stage, duration in run.seconds._asdict().items():
            self._metrics.stages[stage].observe(duration)
        took_s = sum(run.seconds) if began is None else perf_counter() - began
        share = 1 / RUNS_REMEMBERED if self._run_s else 1.0
        self._run_s += share * (took_s - self._run_s)


def _tell(waiting: Waiting, outcome: Answer | Exception) -> None:
    """Tells an asker; one that cannot be told holds neither the others nor the next run."""
    try:
        waiting.asker.tell(waiting.place, outcome)
    except Exception:
        log.exception("an answer could not be told")


def _nothing() -> None:
    """Nobody wants to know when a run has ended."""


def outcomes(batch: list[Waiting]) -> tuple[list[Outcome], StageSeconds | None]:
    """What became of each question of one bundle; times are None where the run failed as a whole.

    A batch that fails is asked again row by row, each from its beginning, so that a bad row fails
    alone.
    """
    try:
        answers, seconds = forward(
            batch[0].bundle, batch[0].space, [waiting.asks for waiting in batch]
        )
    except Exception as error:  # whatever it is, only its own row may get it
        return ([error] if len(batch) == 1 else list(_one_by_one(batch))), None
    return list(answers), seconds


def _one_by_one(batch: list[Waiting]) -> Iterator[Outcome]:
    for waiting in batch:
        waiting.ongoing = None
        yield from outcomes([waiting])[0]

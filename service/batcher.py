"""Micro-batching: requests that wait while the model runs go into its next run together.

An idle model starts at once; batches grow only as long as a run takes. One worker thread runs the
model, so the event loop goes on reading requests meanwhile.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from time import perf_counter

from model_store.bundle import Bundle
from service.errors import DeadlineGone, Draining, Overloaded
from service.forward import Answer, Question, StageSeconds, forward
from service.metrics import Metrics
from steering.space import FeatureSpace

Outcome = Answer | Exception


@dataclass(eq=False, slots=True)
class Waiting:
    """One question between its arrival and its answer."""

    bundle: Bundle
    space: FeatureSpace
    question: Question
    future: asyncio.Future[Answer]
    """Cancelled when the caller has gone."""
    deadline: float | None
    """On the clock of `time.perf_counter`; None: none."""
    since: float
    """Arrival, on the same clock."""


class Batcher:
    """Answers questions in batches; used from one event loop."""

    def __init__(self, metrics: Metrics, *, max_batch: int, queue_limit: int) -> None:
        """Make it; it needs no start.

        Args:
            metrics: where stages, batch sizes and drops are counted.
            max_batch: most questions in one run.
            queue_limit: most questions that wait.
        """
        self._metrics = metrics
        self._max_batch = max_batch
        self._queue_limit = queue_limit
        self._queue: deque[Waiting] = deque()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._is_busy = False
        self._is_draining = False
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
            Overloaded: as many questions wait as may.
            Draining: `stop` was called.
            DeadlineGone: the deadline passed before the model ran.
        """
        if self._is_draining:
            raise Draining
        if len(self._queue) >= self._queue_limit:
            raise Overloaded(self._queue_limit)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._queue.append(Waiting(bundle, space, question, future, deadline, since=perf_counter()))
        if not self._is_busy:
            self._is_busy = True
            self._idle.clear()
            # after the requests that this turn of the loop has yet to read
            loop.call_soon(self._run_next)
        return await future

    async def stop(self) -> None:
        """Refuses new questions, answers those that wait, and ends the worker."""
        self._is_draining = True
        await self._idle.wait()
        self._worker.shutdown()

    def _run_next(self) -> None:
        batch = self._next_batch()
        self._metrics.queued.set(len(self._queue))
        if not batch:
            self._is_busy = False
            self._idle.set()
            return
        run = asyncio.get_running_loop().run_in_executor(self._worker, outcomes, batch)
        run.add_done_callback(partial(self._deliver, batch))

    def _next_batch(self) -> list[Waiting]:
        """The oldest questions of one bundle; those of others keep their places."""
        batch: list[Waiting] = []
        others: list[Waiting] = []
        now = perf_counter()
        while self._queue and len(batch) < self._max_batch:
            waiting = self._queue.popleft()
            if self._is_gone(waiting, now):
                continue
            if batch and waiting.bundle is not batch[0].bundle:
                others.append(waiting)
                continue
            self._metrics.stages["queue"].observe(now - waiting.since)
            batch.append(waiting)
        self._queue.extendleft(reversed(others))
        return batch

    def _is_gone(self, waiting: Waiting, now: float) -> bool:
        if waiting.future.done():
            self._metrics.dropped.labels("cancelled").inc()
            return True
        if waiting.deadline is not None and waiting.deadline <= now:
            self._metrics.dropped.labels("deadline").inc()
            waiting.future.set_exception(DeadlineGone())
            return True
        return False

    def _deliver(
        self,
        batch: list[Waiting],
        run: asyncio.Future[tuple[list[Outcome], StageSeconds | None]],
    ) -> None:
        answers, seconds = run.result()
        self._metrics.batch_size.observe(len(batch))
        for stage, duration in seconds._asdict().items() if seconds else ():
            self._metrics.stages[stage].observe(duration)
        for waiting, answer in zip(batch, answers, strict=True):
            if waiting.future.done():
                continue
            if isinstance(answer, Exception):
                waiting.future.set_exception(answer)
            else:
                waiting.future.set_result(answer)
        self._run_next()


def outcomes(batch: list[Waiting]) -> tuple[list[Outcome], StageSeconds | None]:
    """What became of each question of one bundle; times are None where the run failed as a whole.

    A batch that fails is asked again row by row, so that a bad row fails alone.
    """
    try:
        answers, seconds = forward(
            batch[0].bundle, batch[0].space, [waiting.question for waiting in batch]
        )
    except Exception as error:  # whatever it is, only its own row may get it
        return ([error] if len(batch) == 1 else list(_one_by_one(batch))), None
    return list(answers), seconds


def _one_by_one(batch: list[Waiting]) -> Iterator[Outcome]:
    for waiting in batch:
        yield from outcomes([waiting])[0]

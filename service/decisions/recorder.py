"""Keeps a sample of the answers in the decision log, off the request path.

An answer is put into a bounded queue, and one task writes. Where the queue is full or the log is
away the decision is dropped and counted: no request waits for the log.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from steerrec.v1 import recommender_pb2

from service.decisions.log import DecisionLog
from service.decisions.record import Answered, new_decision_id
from service.errors import DecisionLogAway
from service.metrics import Metrics
from service.recommend import Pinned

QUEUE = 1000
"""Most decisions that wait to be written."""
FLUSH_S = 2.0
"""How long the end waits for those that do."""

log = logging.getLogger(__name__)


class DecisionRecorder:
    """Names every answer and keeps some; used from one event loop."""

    def __init__(
        self, decisions: DecisionLog, metrics: Metrics, *, sample_share: float, replica_id: str
    ) -> None:
        """Make it; decisions are written within `running`.

        Args:
            decisions: where to.
            metrics: where the decisions are counted.
            sample_share: part of the answers to keep, 0 to 1.
            replica_id: of this replica, for the record.
        """
        self._log = decisions
        self._count = metrics.decisions
        self._sample_share = sample_share
        self._replica_id = replica_id
        self._queue: asyncio.Queue[Answered] = asyncio.Queue(QUEUE)
        self._is_away = False

    def record(
        self,
        request: recommender_pb2.RecommendRequest,
        response: recommender_pb2.RecommendResponse,
        pinned: Pinned,
    ) -> None:
        """Gives the response its decision_id, and has the log keep it where it is sampled.

        Args:
            request: as received.
            response: about to be sent.
            pinned: what it was answered from.
        """
        own = new_decision_id(pinned.moment, self._sample_share)
        response.decision_id = str(own)
        if not own.is_sampled:
            return
        try:
            self._queue.put_nowait(Answered(request, response, pinned.limits, pinned.moment))
        except asyncio.QueueFull:
            self._count.labels("queue_full").inc()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Writes what is recorded within the block, and at its end what still waits."""
        writing = asyncio.create_task(self._write())
        try:
            yield
        finally:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._queue.join(), FLUSH_S)
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing

    async def _write(self) -> None:
        while True:
            answered = await self._queue.get()
            try:
                await self._log.append(answered.to_proto(self._replica_id))
            except DecisionLogAway as away:
                self._count.labels("log_away").inc()
                self._tell(away)
            except Exception:  # whatever it is, the next decision is written
                self._count.labels("failed").inc()
                log.exception("a decision could not be written")
            else:
                self._count.labels("kept").inc()
                self._is_away = False
            finally:
                self._queue.task_done()

    def _tell(self, away: DecisionLogAway) -> None:
        """Says once that the log is away, not for every decision."""
        if not self._is_away:
            log.warning("decisions are dropped while the log is away: %s", away)
        self._is_away = True

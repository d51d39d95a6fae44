"""RecommenderService."""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence

from steerrec.v1 import recommender_pb2, recommender_pb2_grpc

from service.decisions.recorder import DecisionRecorder
from service.errors import InvalidRequest, Violation
from service.metrics import Metrics
from service.query import query_of
from service.recommend import Recommender
from service.reply import reply_of
from service.request_id import REQUEST_ID
from service.rpc.deadline import deadline_of
from service.rpc.interceptor import Context
from service.slate import Slate
from service.status import UNKNOWN, answer_to, status_of

MAX_REQUESTS = 256
PLANNED_AT_ONCE = 256
"""Rules of a batch that are planned before other callers get their turn: some milliseconds."""
PRESET_WEIGHT = 16
"""Rules that a preset counts as."""

log = logging.getLogger(__name__)


class RecommenderServicer(recommender_pb2_grpc.RecommenderServiceServicer):
    """Recommends, one query or many at a time."""

    def __init__(
        self, recommender: Recommender, metrics: Metrics, recorder: DecisionRecorder | None = None
    ) -> None:
        """`recorder` is None where no decision log is on."""
        self._recommender = recommender
        self._metrics = metrics
        self._recorder = recorder

    async def Recommend(
        self, request: recommender_pb2.RecommendRequest, context: Context
    ) -> recommender_pb2.RecommendResponse:
        """The k best items after a history, under the request's plan."""
        return await self._answer(request, REQUEST_ID.get(), deadline_of(context))

    async def BatchRecommend(
        self, request: recommender_pb2.BatchRecommendRequest, context: Context
    ) -> recommender_pb2.BatchRecommendResponse:
        """Every query answered or refused on its own."""
        _check_count(request.requests)
        deadline, batch_id = deadline_of(context), REQUEST_ID.get()
        answering, weight = [], 0
        for i, own in enumerate(request.requests):
            request_id = own.request_id or f"{batch_id}-{i}"
            answering.append(asyncio.create_task(self._result(own, request_id, deadline)))
            weight += len(own.rules) + PRESET_WEIGHT * len(own.presets)
            if weight > PLANNED_AT_ONCE:
                # so that planning many rules does not keep other callers waiting
                await asyncio.sleep(0)
                weight = 0
        results = await asyncio.gather(*answering)
        return recommender_pb2.BatchRecommendResponse(results=results)

    async def _result(
        self, request: recommender_pb2.RecommendRequest, request_id: str, deadline: float | None
    ) -> recommender_pb2.BatchRecommendResult:
        try:
            response = await self._answer(request, request_id, deadline)
        except Exception as error:
            if answer_to(error) is UNKNOWN:
                log.exception("a query of BatchRecommend failed")
            return recommender_pb2.BatchRecommendResult(error=status_of(error, request_id))
        return recommender_pb2.BatchRecommendResult(response=response)

    async def _answer(
        self, request: recommender_pb2.RecommendRequest, request_id: str, deadline: float | None
    ) -> recommender_pb2.RecommendResponse:
        query = query_of(request, request_id)
        pinned = self._recommender.pin(query.model)
        slate = await self._recommender.answer(query, pinned, deadline)
        self._count(slate)
        reply = reply_of(slate)
        if self._recorder is not None:
            self._recorder.record(request, reply, pinned)
        return reply

    def _count(self, slate: Slate) -> None:
        # looking a label up costs more than making the report
        for status, count in Counter(report.status for report in slate.reports).items():
            self._metrics.rule_status.labels(status.name).inc(count)
        for degraded in slate.degraded:
            self._metrics.degraded.labels(degraded.reason.name).inc()
        if slate.findings is not None and slate.findings.target is not None:
            self._metrics.target_status.labels(slate.findings.target.status.name).inc()


def _check_count(requests: Sequence[recommender_pb2.RecommendRequest]) -> None:
    if not 1 <= len(requests) <= MAX_REQUESTS:
        message = f"{len(requests)} of them; 1 to {MAX_REQUESTS}"
        raise InvalidRequest([Violation("requests", message)])

"""RecommenderService."""

import asyncio
import logging
from collections.abc import Sequence
from time import perf_counter

from steerrec.v1 import recommender_pb2, recommender_pb2_grpc

from service.errors import InvalidRequest, Violation
from service.metrics import Metrics
from service.query import query_of
from service.recommend import Recommender
from service.reply import reply_of
from service.request_id import REQUEST_ID
from service.rpc.interceptor import Context
from service.slate import Slate
from service.status import UNKNOWN, answer_to, status_of

MAX_REQUESTS = 256

log = logging.getLogger(__name__)


class RecommenderServicer(recommender_pb2_grpc.RecommenderServiceServicer):
    """Recommends, one query or many at a time."""

    def __init__(self, recommender: Recommender, metrics: Metrics) -> None:
        self._recommender = recommender
        self._metrics = metrics

    async def Recommend(
        self, request: recommender_pb2.RecommendRequest, context: Context
    ) -> recommender_pb2.RecommendResponse:
        """The k best items after a history, under the request's plan."""
        return await self._answer(request, REQUEST_ID.get(), _deadline(context))

    async def BatchRecommend(
        self, request: recommender_pb2.BatchRecommendRequest, context: Context
    ) -> recommender_pb2.BatchRecommendResponse:
        """Every query answered or refused on its own."""
        _check_count(request.requests)
        deadline, batch_id = _deadline(context), REQUEST_ID.get()
        results = await asyncio.gather(
            *(
                self._result(own, own.request_id or f"{batch_id}-{i}", deadline)
                for i, own in enumerate(request.requests)
            )
        )
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
        slate = await self._recommender.recommend(query_of(request, request_id), deadline)
        self._count(slate)
        return reply_of(slate)

    def _count(self, slate: Slate) -> None:
        for report in slate.reports:
            self._metrics.rule_status.labels(report.status.name).inc()
        for degraded in slate.degraded:
            self._metrics.degraded.labels(degraded.reason.name).inc()


def _deadline(context: Context) -> float | None:
    remaining_s = context.time_remaining()
    return None if remaining_s is None else perf_counter() + remaining_s


def _check_count(requests: Sequence[recommender_pb2.RecommendRequest]) -> None:
    if not 1 <= len(requests) <= MAX_REQUESTS:
        message = f"{len(requests)} of them; 1 to {MAX_REQUESTS}"
        raise InvalidRequest([Violation("requests", message)])

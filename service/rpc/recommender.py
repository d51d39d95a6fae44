"""RecommenderService."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterable, Iterator, Sequence
from contextlib import suppress

from steerrec.v1 import recommender_pb2, recommender_pb2_grpc

from service.call_log import CallLog
from service.decisions.recorder import DecisionRecorder
from service.errors import InvalidRequest, Violation
from service.many import Many, Result
from service.metrics import Metrics
from service.query import query_of
from service.recommend import Recommender
from service.reply import reply_of
from service.reply_bytes import tell_reply
from service.request_id import REQUEST_ID, named_by
from service.rpc.deadline import deadline_of
from service.rpc.interceptor import Context
from service.rpc.tally import Tally
from service.slate import Slate
from service.status import UNKNOWN, answer_to, status_of

BATCH = "/steerrec.v1.RecommenderService/BatchRecommend"
STREAM = "/steerrec.v1.RecommenderService/StreamRecommend"
MAX_REQUESTS = 256
MAX_UNANSWERED = 512
"""Requests of a stream that have no result yet, beyond which it is read no further."""
MESSAGE_BYTES = 2**20
"""Size that a message of results does not pass, unless one result alone does."""
RESULT_BYTES = 8
"""Most that a message takes for a result beside the result itself."""

OneResult = recommender_pb2.BatchRecommendResult | recommender_pb2.StreamRecommendResult
RequestMessage = recommender_pb2.StreamRecommendRequest

log = logging.getLogger(__name__)


class RecommenderServicer(recommender_pb2_grpc.RecommenderServiceServicer):
    """Recommends, one query or many at a time."""

    def __init__(
        self,
        recommender: Recommender,
        metrics: Metrics,
        recorder: DecisionRecorder | None = None,
        max_message_bytes: int = MESSAGE_BYTES,
        *,
        call_log: CallLog,
    ) -> None:
        """Make it.

        Args:
            recommender: answers.
            metrics: where fates and degradations are counted.
            recorder: None where no decision log is on.
            max_message_bytes: largest reply that gRPC sends.
            call_log: where refusals within a call are logged.
        """
        self._call_log = call_log
        self._recommender = recommender
        self._tally = Tally(metrics)
        self._recorder = recorder
        self._max_message_bytes = max_message_bytes

    async def Recommend(
        self, request: recommender_pb2.RecommendRequest, context: Context
    ) -> recommender_pb2.RecommendResponse:
        """The k best items after a history, under the request's plan."""
        # before anything is read, so that refusing costs little
        self._recommender.batcher.refuse_if_full()
        query = query_of(request, REQUEST_ID.get())
        pinned = self._recommender.pin(query.model)
        slate = await self._recommender.answer(query, pinned, deadline_of(context))
        self._tally.count([slate])
        reply = reply_of(slate)
        if self._recorder is not None:
            self._recorder.record(request, reply, pinned)
        return reply

    async def BatchRecommend(
        self, request: recommender_pb2.BatchRecommendRequest, context: Context
    ) -> recommender_pb2.BatchRecommendResponse:
        """Every query answered or refused on its own."""
        _check_count(request.requests)
        response = recommender_pb2.BatchRecommendResponse()
        messages = [response.results.add() for _ in request.requests]
        with self._many(context) as many:
            await many.put(request.requests)
            while many.n_unanswered:
                results = await many.results()
                for result in results:
                    self._tell(messages[result.number], result, BATCH)
                self._count_all(results)
                many.taken(len(results))
        return response

    async def StreamRecommend(
        self, requests: AsyncIterable[RequestMessage], context: Context
    ) -> AsyncGenerator[recommender_pb2.StreamRecommendResponse, None]:
        """Every query answered or refused on its own, as soon as it is ready."""
        with self._many(context) as many:
            reading = asyncio.create_task(_read(requests, many))
            reading.add_done_callback(lambda _: many.wake())
            try:
                while many.n_unanswered or not reading.done():
                    results = await many.results()
                    for response in self._responses(results):
                        yield response
                        # only now: a caller who does not read is not read from
                        many.taken(len(response.results))
                    self._count_all(results)
                await reading  # raises what ended it
            finally:
                reading.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await reading

    def _many(self, context: Context) -> Many:
        return Many(self._recommender, REQUEST_ID.get(), deadline_of(context))

    def _responses(
        self, results: Sequence[Result]
    ) -> Iterator[recommender_pb2.StreamRecommendResponse]:
        """The results in messages, none larger than it may be."""
        most = min(MESSAGE_BYTES, self._max_message_bytes)
        response, size_bytes = recommender_pb2.StreamRecommendResponse(), 0
        for result in results:
            message = response.results.add(number=result.number)
            self._tell(message, result, STREAM)
            own_bytes = message.ByteSize() + RESULT_BYTES
            size_bytes += own_bytes
            if size_bytes > most and len(response.results) > 1:
                last = response.results.pop()
                yield response
                response = recommender_pb2.StreamRecommendResponse(results=[last])
                size_bytes = own_bytes
        if response.results:
            yield response

    def _tell(self, message: OneResult, result: Result, method: str) -> None:
        asked, outcome = result.asked, result.outcome
        if isinstance(outcome, Exception):
            if answer_to(outcome) is UNKNOWN:
                with named_by(asked.request_id):
                    log.error("a request of many failed", exc_info=outcome)
            self._call_log.refused(method, outcome, asked.request_id)
            message.error.CopyFrom(status_of(outcome, asked.request_id))
            return
        tell_reply(message.response, outcome)
        if self._recorder is not None and asked.pinned is not None:
            self._recorder.record(asked.request, message.response, asked.pinned)

    def _count_all(self, results: Sequence[Result]) -> None:
        self._tally.count([own.outcome for own in results if isinstance(own.outcome, Slate)])


async def _read(messages: AsyncIterable[RequestMessage], many: Many) -> None:
    """Asks what comes, as long as the caller takes the results.

    Raises:
        InvalidRequest: a message breaks the contract; nothing of it is asked.
        Draining: the replica stops.
    """
    async for message in messages:
        _check_count(message.requests)
        await many.put(message.requests, waits_for_room=True)
        await many.eased(MAX_UNANSWERED - MAX_REQUESTS)


def _check_count(requests: Sequence[recommender_pb2.RecommendRequest]) -> None:
    if not 1 <= len(requests) <= MAX_REQUESTS:
        message = f"{len(requests)} of them; 1 to {MAX_REQUESTS}"
        raise InvalidRequest([Violation("requests", message)])

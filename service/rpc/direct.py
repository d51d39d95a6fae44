"""Recommend from bytes to bytes: no task, no context, and a run's calls one after the other.

A call is let in, or refused, as it arrives. What it asks is read, planned and told when its run
begins and ends, for all calls of the run in turn: the same few functions then find their code and
their tables in the caches (ADR 0018).
"""

from collections.abc import Callable
from functools import lru_cache
from time import perf_counter
from typing import Any, Final, Protocol

import grpc
from google.protobuf.message import DecodeError
from steerrec.v1 import recommender_pb2

from service.call_log import CallLog
from service.decisions.recorder import DecisionRecorder
from service.errors import InvalidRequest, Overloaded, Violation
from service.forward import Answer, Question
from service.metrics import Metrics
from service.query import query_of
from service.recommend import Pinned, Prepared, Recommender
from service.reply_bytes import reply_bytes, tell_reply
from service.request_id import request_id_of
from service.rpc.gate import Gate
from service.rpc.interceptor import NOT_A_MESSAGE, named
from service.rpc.refusals import Refusals
from service.rpc.tally import Tally
from service.settings import PRODUCTION
from service.slate import Slate
from service.wire.direct import DirectCall
from service.wire.metadata import trailers_block

METHOD: Final = "/steerrec.v1.RecommenderService/Recommend"
REFUSED_PER_PLACE: Final = 2
"""Calls refused for want of room between two runs, for each place of a run; beyond them nothing
more is read before the next run has ended from those who were refused. Else callers who ask again
at once would get all of the time, and nobody an answer."""
NOT_READ: Final = recommender_pb2.RecommendRequest()
"""What stands for a request whose bytes nobody has looked at."""


class Intake(Protocol):
    """By which calls come."""

    def hold(self, waiter: Any) -> None:
        """Takes nothing more in from this connection."""

    def go_on(self) -> None:
        """Takes in again from all."""


class DirectRecommend:
    """Takes in calls of Recommend; used from one event loop."""

    def __init__(
        self,
        recommender: Recommender,
        metrics: Metrics,
        gate: Gate,
        recorder: DecisionRecorder | None = None,
        flush: Callable[[], None] | None = None,
        intake: Intake | None = None,
        *,
        call_log: CallLog,
    ) -> None:
        """Make it, and have the batcher tell it where a run ends.

        Args:
            recommender: answers.
            metrics: where calls, fates and degradations are counted.
            gate: by which calls come in.
            recorder: None where no decision log is on.
            flush: writes what has been answered; None: that happens by itself.
            intake: what can be held; None: nothing is.
            call_log: where refusals are logged.
        """
        self.call_log = call_log
        self.recommender = recommender
        self.gate = gate
        self.recorder = recorder
        self.refusals = Refusals(METHOD)
        self._tally = Tally(metrics)
        self._slates: list[Slate] = []
        """Answered since the last run ended."""
        self._counter = lru_cache(lambda code: metrics.requests.labels(METHOD, code.name))
        """Each status's child, looked up once."""
        self._total = metrics.stages["total"]
        self._flush = flush
        self._intake = intake
        self._n_overloaded = 0
        """Refused since the last run ended."""
        self._overloading: list[object] = []
        """Whose calls these were, as long as they are read."""
        self._most_overloaded = REFUSED_PER_PLACE * recommender.batcher.max_batch
        recommender.batcher.after_run = self._after_run

    def begin(self, call: DirectCall) -> None:
        """Puts a call into the line of singles, or refuses it."""
        own = Call(self, call)
        try:
            own.begin()
        except Exception as error:  # whatever it is, its caller gets it
            own.refuse(error)

    def answered(self, slate: Slate, arrived: float) -> None:
        """Counts an answer."""
        self._slates.append(slate)
        self._counter(grpc.StatusCode.OK).inc()
        self._total.observe(perf_counter() - arrived)

    def ended(self, code: grpc.StatusCode, arrived: float) -> None:
        """Counts a call without an answer."""
        self._counter(code).inc()
        self._total.observe(perf_counter() - arrived)

    def overloaded(self, caller: object) -> None:
        """Counts a refusal for want of room."""
        self._n_overloaded += 1
        if self._intake is None:
            return
        self._overloading.append(caller)
        if self._n_overloaded >= self._most_overloaded:
            for own in self._overloading:
                self._intake.hold(own)
            self._overloading.clear()

    def _after_run(self) -> None:
        if self._flush is not None:
            self._flush()
        if self._slates:
            self._tally.count(self._slates)
            self._slates.clear()
        self._n_overloaded = 0
        self._overloading.clear()
        if self._intake is not None:
            self._intake.go_on()


class Call:
    """One call of Recommend: an asker of one question."""

    __slots__ = (
        "_arrived",
        "_direct",
        "_is_inside",
        "_pinned",
        "_prepared",
        "_request",
        "_wire",
    )

    line = None
    """It stands in the line of singles."""

    def __init__(self, direct: DirectRecommend, wire: DirectCall) -> None:
        """It has arrived."""
        self._direct = direct
        self._wire = wire
        self._arrived = perf_counter()
        self._is_inside = False
        self._request = NOT_READ
        self._pinned: Pinned
        self._prepared: Prepared

    def begin(self) -> None:
        """Puts it into its line.

        Raises:
            ServiceError: it is refused; see `service.status.TABLE`.
        """
        direct, wire = self._direct, self._wire
        direct.gate.enter()
        self._is_inside = True
        batcher = direct.recommender.batcher
        # before anything is read, so that refusing costs little
        batcher.refuse_if_full(wire.caller)
        self._request = request = _read(wire.message)
        self._pinned = pinned = direct.recommender.pin(request.model or PRODUCTION)
        served = pinned.served
        batcher.put(self, 0, served.bundle, served.space, None, wire.deadline)
        wire.on_gone = self._gone

    @property
    def is_gone(self) -> bool:
        """Whether nobody waits any more."""
        return self._wire.is_gone

    @property
    def caller(self) -> object:
        """Its connection."""
        return self._wire.caller

    def question(self, _place: int) -> Question | None:
        """What the model is asked; None: the caller has been told."""
        recommender, request = self._direct.recommender, self._request
        try:
            query = query_of(request, request_id_of(request))
            plan = recommender.plan(query, self._pinned)
            own = recommender.prepared(query, self._pinned, plan)
            if isinstance(own, Slate):
                self._answer(own)
                return None
        except Exception as error:  # whatever it is, its caller gets it
            self.refuse(error)
            return None
        self._prepared = own
        return own.question

    def tell(self, _place: int, outcome: Answer | Exception) -> None:
        """Sends the answer, or the refusal."""
        if isinstance(outcome, Exception):
            self.refuse(outcome)
            return
        try:
            self._answer(self._prepared.slate(outcome))
        except Exception as error:  # whatever it is, its caller gets it
            self.refuse(error)

    def refuse(self, error: Exception) -> None:
        """Sends what the table makes of an error."""
        request_id = request_id_of(self._request)
        refused = self._direct.refusals.of(error, request_id)
        self._leave()
        self._wire.refuse(refused.block)
        self._direct.ended(refused.code, self._arrived)
        self._direct.call_log.refused(METHOD, error, request_id, self._arrived)
        if isinstance(error, Overloaded):
            self._direct.overloaded(self._wire.caller)

    def _answer(self, slate: Slate) -> None:
        reply = self._reply(slate)
        self._leave()
        self._wire.answer(reply, trailers_block((named(slate.request_id),)))
        self._direct.answered(slate, self._arrived)

    def _reply(self, slate: Slate) -> bytes:
        recorder = self._direct.recorder
        if recorder is None:
            return reply_bytes(slate)
        reply = recommender_pb2.RecommendResponse()
        tell_reply(reply, slate)
        recorder.record(self._request, reply, self._pinned)
        return reply.SerializeToString()

    def _gone(self) -> None:
        self._leave()
        self._direct.ended(grpc.StatusCode.CANCELLED, self._arrived)

    def _leave(self) -> None:
        self._wire.on_gone = None
        if self._is_inside:
            self._is_inside = False
            self._direct.gate.leave()


def _read(message: bytes) -> recommender_pb2.RecommendRequest:
    """The request.

    Raises:
        InvalidRequest: these bytes are none.
    """
    try:
        return recommender_pb2.RecommendRequest.FromString(message)
    except DecodeError:
        raise InvalidRequest([Violation("request", NOT_A_MESSAGE)]) from None

"""DecisionService."""

from steerrec.v1 import decision_pb2, decision_pb2_grpc

from service.decisions.compare import differences
from service.decisions.log import DecisionLog
from service.decisions.record import parsed_decision_id
from service.decisions.replay import Replayer
from service.errors import DecisionLogOff, DecisionMissing, InvalidRequest, Violation
from service.rpc.deadline import deadline_of
from service.rpc.interceptor import Context
from service.rpc.paging import page_size_of, page_token, position_of

SCOPE = "decisions"
NOT_OURS = "no reply carries such an id; take a reply's decision_id"
NOT_SAMPLED = "it was not sampled (STEERREC_DECISION_SAMPLE_SHARE)"
NOT_KEPT = "it made room for newer ones, was dropped, or is being written"


class DecisionServicer(decision_pb2_grpc.DecisionServiceServicer):
    """Reads the decision log, and answers decisions again."""

    def __init__(self, log: DecisionLog | None, replayer: Replayer) -> None:
        """`log` is None where none is on."""
        self._log = log
        self._replayer = replayer

    async def GetDecision(
        self, request: decision_pb2.GetDecisionRequest, context: Context
    ) -> decision_pb2.GetDecisionResponse:
        """One recorded decision."""
        decision = await self._decision(request.decision_id)
        return decision_pb2.GetDecisionResponse(decision=decision)

    async def ListDecisions(
        self, request: decision_pb2.ListDecisionsRequest, context: Context
    ) -> decision_pb2.ListDecisionsResponse:
        """Recorded decisions, newest first."""
        log = self._on()
        size = page_size_of(request.page_size)
        page = await log.page(size, position_of(request.page_token, SCOPE) or "")
        return decision_pb2.ListDecisionsResponse(
            decisions=page.decisions,
            next_page_token=page_token(SCOPE, page.position) if page.position else "",
        )

    async def ReplayDecision(
        self, request: decision_pb2.ReplayDecisionRequest, context: Context
    ) -> decision_pb2.ReplayDecisionResponse:
        """A recorded decision beside its request's answer now."""
        decision = await self._decision(request.decision_id)
        replayed = await self._replayer.replayed(decision, deadline_of(context))
        found = differences(decision.response, replayed)
        return decision_pb2.ReplayDecisionResponse(
            decision=decision, replayed=replayed, is_same=not found, differences=found
        )

    def _on(self) -> DecisionLog:
        if self._log is None:
            raise DecisionLogOff
        return self._log

    async def _decision(self, decision_id: str) -> decision_pb2.Decision:
        log = self._on()
        if not decision_id:
            raise InvalidRequest([Violation("decision_id", "is required: a reply carries it")])
        own = parsed_decision_id(decision_id)
        if own is None:
            raise DecisionMissing(decision_id, NOT_OURS)
        if not own.is_sampled:
            raise DecisionMissing(decision_id, NOT_SAMPLED)
        found = await log.decision(decision_id)
        if found is None:
            raise DecisionMissing(decision_id, NOT_KEPT)
        return found

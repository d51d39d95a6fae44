"""The requests of one call that asks many, from message to slate (ADR 0014)."""

import asyncio
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Self

from steerrec.v1 import recommender_pb2, rule_pb2

from service.batcher import Batcher
from service.group import Group, Told
from service.planning import Planned
from service.query import Query, query_of
from service.recommend import Pinned, Prepared, Recommender
from service.settings import PRODUCTION
from service.slate import Slate

RULES_AT_ONCE = 256
"""Rules that are planned before other callers get their turn: some milliseconds."""
PRESET_WEIGHT = 16
"""Rules that a preset counts as."""
ITEMS_PER_RULE = 128
"""Items of a history, or excluded ones, that count as one rule."""

Requests = Sequence[recommender_pb2.RecommendRequest]


@dataclass(frozen=True, eq=False, slots=True)
class Asked:
    """One request on its way."""

    request: recommender_pb2.RecommendRequest
    """As received."""
    request_id: str
    """The caller's or ours."""
    pinned: Pinned | None = None
    """What it is answered from; None: it was refused before that was known."""


class Result(NamedTuple):
    """What became of one request."""

    number: int
    """Of the request among those of its call, from 0."""
    asked: Asked
    outcome: Slate | Exception


class Many:
    """The requests of one call; whatever has no result at the end of the block is dropped."""

    def __init__(self, recommender: Recommender, call_id: str, deadline: float | None) -> None:
        """Make it; nothing is asked yet.

        Args:
            recommender: answers.
            call_id: what requests are named after that have no name.
            deadline: of the call, on the clock of `time.perf_counter`; None: none.
        """
        self._recommender = recommender
        self._batcher: Batcher = recommender.batcher
        self._call_id = call_id
        self._deadline = deadline
        self._group = Group()
        self._asked: dict[int, Asked] = {}
        """Those without a result, by number."""
        self._prepared: dict[int, Prepared] = {}
        """Those of them that the model is asked."""
        self._eased = asyncio.Event()
        """Set whenever there are fewer unanswered requests than before."""
        self.n_put = 0
        """Requests so far."""
        self.n_unanswered = 0
        """Of them, how many have no result that was taken."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._batcher.leave(self._group)

    async def put(self, requests: Requests, *, waits_for_room: bool = False) -> None:
        """Asks them, in portions, so that other callers get their turn; results come by `results`.

        Args:
            requests: as received; of one moment and one state of the presets.
            waits_for_room: whether to wait where a full line would refuse them.
        """
        shared, room, left = _Shared(self._recommender), 0, _Portion(self._batcher.max_batch)
        for request in requests:
            if waits_for_room and not room:
                room = await self._batcher.room()
            self._put(request, shared)
            room -= 1
            if left.is_over_after(request):
                await asyncio.sleep(0)
                room = 0  # others may have taken it

    async def results(self) -> list[Result]:
        """What became of some of them; waits for it. May be empty after `wake`."""
        return [self._result(*told) for told in await self._group.news()]

    def wake(self) -> None:
        """Lets `results` return."""
        self._group.wake()

    def taken(self, count: int) -> None:
        """So many results have gone to the caller."""
        self.n_unanswered -= count
        self._eased.set()

    async def eased(self, most: int) -> None:
        """Waits until at most so many are unanswered."""
        while self.n_unanswered > most:
            self._eased.clear()
            await self._eased.wait()

    def _put(self, request: recommender_pb2.RecommendRequest, shared: "_Shared") -> None:
        number = self.n_put
        self.n_put += 1
        self.n_unanswered += 1
        asked = Asked(request, request.request_id or f"{self._call_id}-{number}")
        self._asked[number] = asked
        try:
            self._ask(number, asked, shared)
        except Exception as error:  # whatever it is, only its own request is refused
            self._group.tell(number, error)

    def _ask(self, number: int, asked: Asked, shared: "_Shared") -> None:
        query, plan, pinned = shared.read(asked)
        self._asked[number] = Asked(asked.request, asked.request_id, pinned)
        own = self._recommender.prepared(query, pinned, plan)
        if isinstance(own, Slate):
            self._group.tell(number, own)
            return
        self._prepared[number] = own
        served = pinned.served
        self._batcher.put(
            self._group, number, served.bundle, served.space, own.question, self._deadline
        )

    def _result(self, number: int, told: Told) -> Result:
        asked = self._asked.pop(number)
        if isinstance(told, Slate | Exception):
            self._prepared.pop(number, None)
            return Result(number, asked, told)
        try:
            return Result(number, asked, self._prepared.pop(number).slate(told))
        except Exception as error:  # whatever it is, only its own request is refused
            return Result(number, asked, error)


class _Portion:
    """Counts what is planned until other callers get their turn: a run's questions, some rules."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = self._rules = 0

    def is_over_after(self, request: recommender_pb2.RecommendRequest) -> bool:
        """Whether it is their turn after this one; the next portion begins then."""
        self._count += 1
        self._rules += len(request.rules) + PRESET_WEIGHT * len(request.presets)
        self._rules += (len(request.history) + len(request.exclude_item_ids)) // ITEMS_PER_RULE
        if self._count < self._most and self._rules <= RULES_AT_ONCE:
            return False
        self._count = self._rules = 0
        return True


class _Shared:
    """What is read once for all requests of a message that agree in it."""

    def __init__(self, recommender: Recommender) -> None:
        self._recommender = recommender
        self._pinned: dict[str, Pinned] = {}
        """By label or version."""
        self._read: dict[Hashable, tuple[Query, Planned]] = {}
        """By what steers the request, as bytes."""

    def read(self, asked: Asked) -> tuple[Query, Planned, Pinned]:
        """The query, what applies to it, and what it is answered from.

        Raises:
            ServiceError, SteeringError: see `service.status.TABLE`.
        """
        key = _steering_of(asked.request)
        known = self._read.get(key)
        if known is not None:
            alike, plan = known
            query = query_of(asked.request, asked.request_id, alike)
            return query, plan, self.pinned(query.model)
        query = query_of(asked.request, asked.request_id)
        pinned = self.pinned(query.model)
        plan = self._recommender.plan(query, pinned)
        self._read[key] = query, plan
        return query, plan, pinned

    def pinned(self, model: str) -> Pinned:
        """What is served under a label or version, the same for the whole message.

        Raises:
            ModelNotServed: neither is.
        """
        if model not in self._pinned:
            self._pinned[model] = self._recommender.pin(model)
        return self._pinned[model]


def _steering_of(request: recommender_pb2.RecommendRequest) -> Hashable:
    """All that a plan depends on; requests with the same have the same plan."""
    return (
        request.model or PRODUCTION,
        request.disable_steering,
        request.ignore_defaults,
        request.on_unknown_preset,
        _bytes_of(request.rules),
        _bytes_of(request.presets),
        request.context.SerializeToString(deterministic=True)
        if request.HasField("context")
        else None,
    )


def _bytes_of(
    messages: Iterable[recommender_pb2.PresetReference] | Iterable[rule_pb2.Rule],
) -> tuple[bytes, ...]:
    return tuple([own.SerializeToString(deterministic=True) for own in messages])

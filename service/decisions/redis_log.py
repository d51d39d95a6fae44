"""Decisions in a capped Redis stream, beside the presets."""

import logging
import re
from collections.abc import AsyncIterator, Iterable
from typing import Any, cast

from steerrec.v1.decision_pb2 import Decision

from service.decisions.log import MAX_PAGE_BYTES, Page
from service.decisions.record import from_json, parsed_decision_id, to_json
from service.errors import (
    DecisionLogAway,
    DecisionLogRefuses,
    DecisionUnreadable,
    InvalidRequest,
    Violation,
)
from service.presets.connections import Client
from service.presets.errors import RecordCorrupt, StoreUnavailable
from service.presets.keys import Keys
from service.presets.redis_calls import RedisCalls
from service.presets.redis_faults import Faults

SLACK_MS = 60_000
"""How far the clocks of replicas and Redis may differ, so that an id is found at once."""
CHUNK = 100
"""Entries read at once while an id is looked for."""
ENTRY = re.compile(r"(?!0+-0+$)\d{1,19}-\d{1,19}")
NEWEST, OLDEST = "+", "-"
Entry = tuple[str, dict[str, str]]

log = logging.getLogger(__name__)


class RedisLog:
    """Satisfies `DecisionLog`."""

    def __init__(
        self,
        client: Client,
        *,
        keep: int,
        keys: Keys | None = None,
        faults: Faults | None = None,
    ) -> None:
        """Make it.

        Args:
            client: of the presets' Redis; this log's own from now on.
            keep: decisions that are kept; a few more may be.
            keys: of the deployment.
            faults: reads the errors of that Redis.
        """
        self._calls = RedisCalls(client, faults)
        self._redis = self._calls.redis
        self._keep = keep
        self._key = (keys or Keys()).decisions

    async def append(self, decision: Decision) -> None:
        """See DecisionLog."""
        fields = {"id": decision.decision_id, "decision": to_json(decision)}
        await self._call(self._redis.xadd(self._key, fields, maxlen=self._keep, approximate=True))

    async def decision(self, decision_id: str) -> Decision | None:
        """See DecisionLog. Read from shortly before the id was given, then what is older."""
        own = parsed_decision_id(decision_id)
        if own is None:
            return None
        start = f"{max(1, own.milliseconds - SLACK_MS)}-0"
        async for _, fields in self._forward(start):
            if fields.get("id") == decision_id:
                return from_json(fields.get("decision", ""))
        async for _, fields in self._backward(f"({start}"):
            if fields.get("id") == decision_id:
                return from_json(fields.get("decision", ""))
        return None

    async def page(self, count: int, after: str) -> Page:
        """See DecisionLog. A position is the id of an entry."""
        if after and not ENTRY.fullmatch(after):
            raise InvalidRequest([Violation("page_token", "is not one that this log gave")])
        decisions: list[Decision] = []
        position, size_bytes = "", 0
        async for entry, fields in self._backward(f"({after}" if after else NEWEST):
            if len(decisions) == count or size_bytes > MAX_PAGE_BYTES:
                return Page(decisions, position)
            position = entry
            size_bytes += len(fields.get("decision", ""))
            decisions.extend(_readable(fields))
        return Page(decisions, "")

    async def aclose(self) -> None:
        """See DecisionLog."""
        await self._calls.aclose()

    async def _forward(self, start: str) -> AsyncIterator[Entry]:
        """Entries from `start` on, oldest first."""
        while entries := await self._entries("XRANGE", start, NEWEST):
            for entry in entries:
                yield entry
            start = f"({entries[-1][0]}"

    async def _backward(self, start: str) -> AsyncIterator[Entry]:
        """Entries from `start` on, newest first."""
        while entries := await self._entries("XREVRANGE", start, OLDEST):
            for entry in entries:
                yield entry
            start = f"({entries[-1][0]}"

    async def _entries(self, command: str, start: str, end: str) -> list[Entry]:
        read = self._redis.xrange if command == "XRANGE" else self._redis.xrevrange
        return cast("list[Entry]", await self._call(read(self._key, start, end, count=CHUNK)))

    async def _call(self, call: Any) -> Any:
        """The reply.

        Raises:
            DecisionLogAway: there was none in time, or it was an error.
            DecisionLogRefuses: it will be the same error until somebody acts.
        """
        try:
            return await self._calls.call(call, self._key)
        except StoreUnavailable as away:
            kind = DecisionLogAway if away.fault.is_passing else DecisionLogRefuses
            raise kind(away, str(away.fault)) from away
        except RecordCorrupt as corrupt:
            remedy = "rename or delete that key; decisions are kept again then"
            raise DecisionLogRefuses(corrupt, f"{corrupt}: {remedy}") from corrupt


def _readable(fields: dict[str, str]) -> Iterable[Decision]:
    """The decision of an entry, or nothing where this version cannot read it."""
    try:
        yield from_json(fields.get("decision", ""))
    except DecisionUnreadable as unreadable:
        log.warning("%s", unreadable)

"""The audit chain in Redis: its stream and its tip."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from service.presets.audit import AuditEvent, Tip, event_from_fields, tip_from_text
from service.presets.errors import RecordCorrupt
from service.presets.keys import Keys
from service.presets.redis_calls import CALL_TIMEOUT_S, RedisCalls
from service.presets.scripts import PAGE, PLACE
from service.presets.store import AuditPage, Changes

NOTHING_WRITTEN = "0-0"
MAX_EVENTS = 1000
"""Audit events read at once."""
EVENTS_BACK = 500
"""Newest audit events among which the last one of a preset is looked for."""
ENTRIES_KEPT = 4096
"""Unreadable entries of which it is remembered that the log has them."""
Entries = list[tuple[str, dict[str, str]]]
"""Id and fields of each, oldest first."""

log = logging.getLogger(__name__)


class RedisChain:
    """Reads the chain of one deployment."""

    def __init__(self, calls: RedisCalls, keys: Keys) -> None:
        self._calls = calls
        self._keys = keys

    async def place(self) -> tuple[str, Tip]:
        """Cursor and tip of one moment."""
        keys = (self._keys.audit, self._keys.audit_tip)
        newest, tip = await self._calls.scripted(PLACE, keys)
        return (str(newest[0][0]) if newest else NOTHING_WRITTEN), tip_from_text(tip)

    async def newest_events(self) -> list[AuditEvent]:
        """Newest first."""
        key = self._keys.audit
        try:
            entries = await self._calls.call(
                self._calls.redis.xrevrange(key, count=EVENTS_BACK), key
            )
        except RecordCorrupt:
            return []
        return list(chained_events(entries))

    async def audit_events(self, after: str, limit: int) -> AuditPage:
        """See PresetStore."""
        page, is_last, tip = await self._page(after, limit)
        return AuditPage(
            events=tuple(chained_events(page)),
            cursor=page[-1][0] if page else after,
            is_last=is_last,
            tip=tip,
        )

    async def _page(self, after: str, limit: int) -> tuple[Entries, bool, Tip]:
        """Entries after a cursor, whether there are no more, and the tip."""
        keys = (self._keys.audit, self._keys.audit_tip)
        entries, tip = await self._calls.scripted(PAGE, keys, f"({after}", str(limit + 1))
        page = [(cursor, paired(fields)) for cursor, fields in entries[:limit]]
        return page, len(entries) <= limit, tip_from_text(tip)

    async def whole(self) -> Entries:
        """Every entry of the stream."""
        entries: Entries = []
        cursor, is_last = NOTHING_WRITTEN, False
        while not is_last:
            page, is_last, _ = await self._page(cursor, MAX_EVENTS)
            entries += page
            cursor = page[-1][0] if page else cursor
        return entries

    async def changes(self, cursor: str, wait_s: float) -> Changes:
        """See PresetStore."""
        reply = await self._calls.call(
            self._calls.redis.xread(
                {self._keys.audit: cursor}, count=MAX_EVENTS, block=max(1, round(wait_s * 1000))
            ),
            self._keys.audit,
            CALL_TIMEOUT_S + wait_s,
        )
        entries = _entries(reply, self._keys.audit)
        events = list(chained_events(entries))
        return Changes(
            cursor=entries[-1][0] if entries else cursor,
            names={fields["name"] for _, fields in entries if fields.get("name")},
            tip=events[-1].tip if events else None,
            recoveries=[event for event in events if event.action.is_of_store],
        )


def paired(parts: Sequence[str]) -> dict[str, str]:
    """Fields of an entry that a script gave: field, value, field, value ..."""
    return dict(zip(parts[::2], parts[1::2], strict=True))


def chained_events(entries: Iterable[tuple[str, Mapping[str, str]]]) -> Iterator[AuditEvent]:
    """The events of the chain; what else is in the stream, verifying finds where it matters."""
    for cursor, fields in entries:
        try:
            yield event_from_fields(fields)
        except RecordCorrupt as corrupt:
            _say_once(cursor, str(corrupt))


@lru_cache(maxsize=ENTRIES_KEPT)
def _say_once(cursor: str, why: str) -> None:
    """Logs an unreadable entry the first time that it is read."""
    log.warning("entry %s is no event of the audit chain and is passed over: %s", cursor, why)


def _entries(reply: Any, stream: str) -> Entries:
    """Ids and fields, oldest first, of an XREAD reply in either protocol version."""
    if not reply:
        return []
    if isinstance(reply, dict):
        found = reply[stream]
        return found[0] if found and isinstance(found[0], list) else found
    return cast("Entries", reply[0][1])

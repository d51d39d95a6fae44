"""Presets in Redis.

A write is one Lua script: it compares head and tip, appends the revision and the audit event, and
sets head and tip, or does nothing. A script and not WATCH/MULTI, since it takes one round trip,
one connection, and cannot be left half-way by a caller that goes away.
"""

import asyncio
import json
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from redis.exceptions import RedisError

from service.presets.audit import AuditEvent, Tip, event_from_fields, tip_from_text
from service.presets.compiled import StoredPresets
from service.presets.connections import Client
from service.presets.errors import RecordCorrupt, StoreUnavailable
from service.presets.keys import Keys
from service.presets.record import Head, PresetRevision, from_json, head_from_json, to_json
from service.presets.replicas import Told
from service.presets.store import (
    AuditPage,
    Change,
    Changes,
    HeadLost,
    Recovery,
    TipLost,
    Written,
)

CALL_TIMEOUT_S = 2.0
"""Longest wait for one reply beyond what the call itself asks to wait."""
NOTHING_WRITTEN = "0-0"
TEXTS_KEPT = 4096
"""Stored revisions whose meaning is remembered."""
MAX_EVENTS = 1000
"""Audit events read at once."""

WRITE = """
local head = redis.call('HGET', KEYS[1], ARGV[1])
local etag = head and cjson.decode(head).etag or ''
if etag ~= ARGV[2] then return {'head'} end
local tip = redis.call('GET', KEYS[4]) or '0:'
if tip ~= ARGV[6] then return {'tip', tip} end
if ARGV[4] ~= '' then redis.call('HSET', KEYS[2], ARGV[4], ARGV[5]) end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('SET', KEYS[4], ARGV[7])
return {'written', redis.call('XADD', KEYS[3], '*', unpack(ARGV, 8))}
"""
"""KEYS: heads, revisions, audit, tip. ARGV: name, etag expected, head, revision, its JSON, tip
expected, tip, event. A revision beyond the head's is one that a recovery left that never ended."""

PREPARE = """
local clashing = {}
for i = 1, #ARGV, 2 do
  if redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1]) == 0
      and redis.call('HGET', KEYS[1], ARGV[i]) ~= ARGV[i + 1] then
    table.insert(clashing, ARGV[i])
  end
end
return clashing
"""
"""KEYS: revisions. ARGV: revision, its JSON, revision, its JSON ... Gives those that differ."""

RECOVER = """
local tip = redis.call('GET', KEYS[3]) or '0:'
if tip ~= ARGV[1] then return {'tip', tip} end
for _, head in ipairs(cjson.decode(ARGV[3])) do
  redis.call('HSET', KEYS[1], head[1], head[2])
end
for _, revision in ipairs(cjson.decode(ARGV[4])) do
  redis.call('HSET', KEYS[3 + revision[1]], revision[2], revision[3])
end
redis.call('SET', KEYS[3], ARGV[2])
return {'written', redis.call('XADD', KEYS[2], '*', unpack(ARGV, 5))}
"""
"""KEYS: heads, audit, tip, then revisions of each preset. ARGV: tip expected, tip, heads as pairs,
revisions as (which preset from 1, number, JSON), event."""

PAGE = """
return {
  redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2]),
  redis.call('GET', KEYS[2]) or '0:'
}
"""
PLACE = """
return {
  redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1),
  redis.call('GET', KEYS[2]) or '0:'
}
"""

TELL = """
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local told = redis.call('HGETALL', KEYS[1])
for i = 1, #told, 2 do
  if ms - tonumber(string.match(told[i + 1], '^%d+')) > tonumber(ARGV[3]) then
    redis.call('HDEL', KEYS[1], told[i])
  end
end
return redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', ms) .. ':' .. ARGV[2])
"""
"""KEYS: replicas. ARGV: replica id, report, silence in ms after which one is forgotten."""

TOLD = """
local now = redis.call('TIME')
return {now[1], now[2], redis.call('HGETALL', KEYS[1])}
"""

log = logging.getLogger(__name__)


class RedisStore:
    """Satisfies `PresetStore`."""

    def __init__(self, client: Client, keys: Keys | None = None) -> None:
        """Connects on first use.

        Args:
            client: of `connections.redis_client`.
            keys: of the deployment.
        """
        self._keys = keys or Keys()
        self._redis: Any = client  # its kinds share methods and no type

    async def heads(self) -> Mapping[str, Head]:
        """See PresetStore."""
        stored = await self._call(self._redis.hgetall(self._keys.heads))
        return {name: head_from_json(text) for name, text in stored.items()}

    async def head(self, name: str) -> Head | None:
        """See PresetStore."""
        text = await self._call(self._redis.hget(self._keys.heads, name))
        return head_from_json(text) if text else None

    async def revision(self, name: str, revision: int) -> PresetRevision | None:
        """See PresetStore."""
        text = await self._call(self._redis.hget(self._keys.revisions(name), str(revision)))
        return from_json(text) if text else None

    async def revisions(self, name: str, numbers: Sequence[int]) -> Sequence[PresetRevision]:
        """See PresetStore."""
        if not numbers:
            return ()
        wanted = [str(number) for number in numbers]
        texts = await self._call(self._redis.hmget(self._keys.revisions(name), wanted))
        return tuple(_readable(name, texts))

    async def write(self, change: Change) -> Written | HeadLost | TipLost:
        """See PresetStore. A caller that goes away does not stop a write that was sent."""
        own = self._keys
        record = change.record
        reply = await self._scripted(
            WRITE,
            (own.heads, own.revisions(change.name), own.audit, own.audit_tip),
            change.name,
            change.expected.etag if change.expected else "",
            change.head.to_json(),
            str(record.revision) if record else "",
            to_json(record) if record else "",
            change.tip.to_text(),
            change.event.tip.to_text(),
            *_fields_of(change.event),
        )
        return HeadLost() if reply[0] == "head" else _outcome(reply, change.event)

    async def recover(self, recovery: Recovery) -> Written | TipLost:
        """See PresetStore. One script that wrote everything would hold Redis up for seconds."""
        if (now := await self.tip()) != recovery.tip:
            return TipLost(now)
        own, names = self._keys, list(recovery.records)
        heads = [(name, head.to_json()) for name, head in recovery.heads.items()]
        revisions = [
            (place, number, text)
            for place, name in enumerate(names, 1)
            for number, text in await self._prepared(name, recovery.records[name])
        ]
        reply = await self._scripted(
            RECOVER,
            (own.heads, own.audit, own.audit_tip, *map(own.revisions, names)),
            recovery.tip.to_text(),
            recovery.event.tip.to_text(),
            json.dumps(heads),
            json.dumps(revisions),
            *_fields_of(recovery.event),
        )
        return _outcome(reply, recovery.event)

    async def _prepared(
        self, name: str, records: Sequence[PresetRevision]
    ) -> list[tuple[str, str]]:
        """Writes revisions that are not there. Gives number and text of those that differ from
        what is there: heads may name them."""
        texts = await asyncio.to_thread(_texts, records)
        parts = tuple(part for pair in texts.items() for part in pair)
        clashing = await self._scripted(PREPARE, (self._keys.revisions(name),), *parts)
        return [(number, texts[number]) for number in clashing]

    async def tip(self) -> Tip:
        """See PresetStore."""
        return (await self._place())[1]

    async def audit_events(self, after: str, limit: int) -> AuditPage:
        """See PresetStore."""
        keys = (self._keys.audit, self._keys.audit_tip)
        entries, tip = await self._scripted(PAGE, keys, f"({after}", str(limit + 1))
        page = [(cursor, _paired(fields)) for cursor, fields in entries[:limit]]
        return AuditPage(
            events=tuple(_chained_events(page)),
            cursor=page[-1][0] if page else after,
            is_last=len(entries) <= limit,
            tip=tip_from_text(tip),
        )

    async def cursor(self) -> str:
        """See PresetStore."""
        return (await self._place())[0]

    async def _place(self) -> tuple[str, Tip]:
        """Cursor and tip of one moment."""
        keys = (self._keys.audit, self._keys.audit_tip)
        newest, tip = await self._scripted(PLACE, keys)
        return (str(newest[0][0]) if newest else NOTHING_WRITTEN), tip_from_text(tip)

    async def has(self, cursor: str) -> bool:
        """See PresetStore."""
        if cursor == NOTHING_WRITTEN:
            return True
        return bool(await self._call(self._redis.xrange(self._keys.audit, cursor, cursor)))

    async def read_all(self, kept_revisions: int) -> StoredPresets:
        """See PresetStore. The cursor is read first: what changes meanwhile is read again."""
        cursor, tip = await self._place()
        heads = await self.heads()
        return StoredPresets(heads, await self._records(heads, kept_revisions), cursor, tip)

    async def read(self, names: Collection[str], kept_revisions: int) -> StoredPresets:
        """See PresetStore."""
        found = {name: await self.head(name) for name in names}
        heads = {name: head for name, head in found.items() if head is not None}
        return StoredPresets(heads, await self._records(heads, kept_revisions))

    async def changes(self, cursor: str, wait_s: float) -> Changes:
        """See PresetStore."""
        reply = await self._call(
            self._redis.xread(
                {self._keys.audit: cursor}, count=MAX_EVENTS, block=max(1, round(wait_s * 1000))
            ),
            CALL_TIMEOUT_S + wait_s,
        )
        entries = _entries(reply, self._keys.audit)
        events = list(_chained_events(entries))
        return Changes(
            cursor=entries[-1][0] if entries else cursor,
            names={fields["name"] for _, fields in entries if fields.get("name")},
            tip=events[-1].tip if events else None,
            recoveries=[event for event in events if event.action.is_of_store],
        )

    async def tell(self, replica_id: str, report: str, forget_s: float) -> None:
        """See ReplicaReports."""
        silence = str(round(forget_s * 1000))
        await self._scripted(TELL, [self._keys.replicas], replica_id, report, silence)

    async def told(self, forget_s: float) -> Mapping[str, Told]:
        """See ReplicaReports."""
        seconds, microseconds, told = await self._scripted(TOLD, [self._keys.replicas])
        now_s = int(seconds) + int(microseconds) / 1e6
        parts = {name: entry.partition(":") for name, entry in _paired(told).items()}
        found = {name: Told(now_s - int(ms) / 1e3, own) for name, (ms, _, own) in parts.items()}
        return {name: own for name, own in found.items() if own.age_s <= forget_s}

    async def aclose(self) -> None:
        """See PresetStore."""
        await self._redis.aclose()

    async def _records(
        self, heads: Mapping[str, Head], kept: int
    ) -> dict[str, tuple[PresetRevision, ...]]:
        return {
            name: tuple(await self.revisions(name, head.kept(kept)))
            for name, head in heads.items()
            if not head.is_archived
        }

    async def _scripted(self, script: str, keys: Sequence[str], *arguments: str) -> Any:
        """The reply of a script, which runs to its end though the caller may go away.

        Raises:
            StoreUnavailable: there was none in time, or it was an error.
        """
        running = self._call(self._redis.eval(script, len(keys), *keys, *arguments))
        return await asyncio.shield(asyncio.ensure_future(running))

    async def _call(self, call: Any, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        """The reply.

        Raises:
            StoreUnavailable: there was none in time, or it was an error.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await call
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable(error) from error


@lru_cache(maxsize=TEXTS_KEPT)
def _parsed(text: str) -> PresetRevision:
    """The revision of a text: a change is read with the revisions before it, mostly known ones."""
    return from_json(text)


def _readable(name: str, texts: Iterable[str | None]) -> Iterator[PresetRevision]:
    """The revisions that this version can read; the others do not take their neighbours along."""
    for text in texts:
        try:
            if text:
                yield _parsed(text)
        except RecordCorrupt as corrupt:
            log.error("preset %s: %s", name, corrupt)  # noqa: TRY400 (the sentence says it all)


def _texts(records: Iterable[PresetRevision]) -> dict[str, str]:
    """The stored form of each revision, by number."""
    return {str(record.revision): to_json(record) for record in records}


def _fields_of(event: AuditEvent) -> tuple[str, ...]:
    """Field, value, field, value ... of the stream's entry."""
    return tuple(part for pair in event.to_fields().items() for part in pair)


def _outcome(reply: Sequence[str], event: AuditEvent) -> Written | TipLost:
    """What a script's reply means."""
    told, value = reply
    return Written(value, event.tip) if told == "written" else TipLost(tip_from_text(value))


def _paired(parts: Sequence[str]) -> dict[str, str]:
    """Fields of an entry that a script gave: field, value, field, value ..."""
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _chained_events(entries: Iterable[tuple[str, Mapping[str, str]]]) -> Iterator[AuditEvent]:
    """The events of the chain; what else is in the stream, verifying finds where it matters."""
    for cursor, fields in entries:
        try:
            yield event_from_fields(fields)
        except RecordCorrupt as corrupt:
            log.warning("%s is no event of the audit chain: %s", cursor, corrupt)


def _entries(reply: Any, stream: str) -> list[tuple[str, dict[str, str]]]:
    """Ids and fields, oldest first, of an XREAD reply in either protocol version."""
    if not reply:
        return []
    if isinstance(reply, dict):
        found = reply[stream]
        return found[0] if found and isinstance(found[0], list) else found
    return cast("list[tuple[str, dict[str, str]]]", reply[0][1])

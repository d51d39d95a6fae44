"""Presets in Redis.

A write is one Lua script: it compares the head, appends the revision and the audit event, and
sets the head, or does nothing. A script and not WATCH/MULTI, since it takes one round trip, one
connection, and cannot be left half-way by a caller that goes away.
"""

import asyncio
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, cast

from redis.exceptions import RedisError

from service.presets.compiled import StoredPresets
from service.presets.connections import Client
from service.presets.errors import RecordCorrupt, StoreUnavailable
from service.presets.keys import Keys
from service.presets.record import Head, PresetRevision, from_json, head_from_json, to_json
from service.presets.store import Change, Changes

CALL_TIMEOUT_S = 2.0
"""Longest wait for one reply beyond what the call itself asks to wait."""
NOTHING_WRITTEN = "0-0"
MAX_EVENTS = 1000
"""Audit events read at once."""

WRITE = """
local head = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if head ~= ARGV[2] then return false end
if ARGV[4] ~= '' and redis.call('HSETNX', KEYS[2], ARGV[4], ARGV[5]) == 0 then return false end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return redis.call('XADD', KEYS[3], '*', unpack(ARGV, 6))
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

    async def write(self, change: Change) -> str | None:
        """See PresetStore. A caller that goes away does not stop a write that was sent."""
        keys = (self._keys.heads, self._keys.revisions(change.name), self._keys.audit)
        record = change.record
        arguments = (
            change.name,
            change.expected.to_json() if change.expected else "",
            change.head.to_json(),
            str(record.revision) if record else "",
            to_json(record) if record else "",
            *_event_fields(change),
        )
        writing = asyncio.ensure_future(
            self._call(self._redis.eval(WRITE, len(keys), *keys, *arguments))
        )
        return cast("str | None", await asyncio.shield(writing))

    async def cursor(self) -> str:
        """See PresetStore."""
        newest = await self._call(self._redis.xrevrange(self._keys.audit, count=1))
        return str(newest[0][0]) if newest else NOTHING_WRITTEN

    async def has(self, cursor: str) -> bool:
        """See PresetStore."""
        if cursor == NOTHING_WRITTEN:
            return True
        return bool(await self._call(self._redis.xrange(self._keys.audit, cursor, cursor)))

    async def read_all(self, kept_revisions: int) -> StoredPresets:
        """See PresetStore. The cursor is read first: what changes meanwhile is read again."""
        cursor = await self.cursor()
        heads = await self.heads()
        return StoredPresets(heads, await self._records(heads, kept_revisions), cursor)

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
        events = _events(reply, self._keys.audit)
        names = {fields["name"] for _, fields in events if "name" in fields}
        return Changes(events[-1][0] if events else cursor, names)

    async def aclose(self) -> None:
        """See PresetStore."""
        await self._redis.aclose()

    async def _records(
        self, heads: Mapping[str, Head], kept: int
    ) -> dict[str, tuple[PresetRevision, ...]]:
        names = [name for name, head in heads.items() if not head.is_archived]
        found: dict[str, tuple[PresetRevision, ...]] = {}
        for name in names:
            newest = heads[name].revision
            wanted = [str(n) for n in range(max(1, newest - kept + 1), newest + 1)]
            texts = await self._call(self._redis.hmget(self._keys.revisions(name), wanted))
            found[name] = tuple(_readable(name, texts))
        return found

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


def _readable(name: str, texts: Iterable[str | None]) -> Iterator[PresetRevision]:
    """The revisions that this version can read; the others do not take their neighbours along."""
    for text in texts:
        try:
            if text:
                yield from_json(text)
        except RecordCorrupt as corrupt:
            log.error("preset %s: %s", name, corrupt)  # noqa: TRY400 (the sentence says it all)


def _event_fields(change: Change) -> tuple[str, ...]:
    """Field, value, field, value ... of the audit event."""
    fields = {
        "event": change.event.value,
        "name": change.name,
        "revision": str(change.head.revision),
        "etag": change.head.etag,
        "author": change.author,
        "reason": change.reason,
    }
    return tuple(part for pair in fields.items() for part in pair)


def _events(reply: Any, stream: str) -> list[tuple[str, dict[str, str]]]:
    """Ids and fields, oldest first, of an XREAD reply in either protocol version."""
    if not reply:
        return []
    if isinstance(reply, dict):
        found = reply[stream]
        return found[0] if found and isinstance(found[0], list) else found
    return cast("list[tuple[str, dict[str, str]]]", reply[0][1])

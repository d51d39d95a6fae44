"""Presets in Redis.

A write is one Lua script: it compares head and tip, appends the revision and the audit event, and
sets head and tip, or does nothing. A script and not WATCH/MULTI, since it takes one round trip,
one connection, and cannot be left half-way by a caller that goes away.
"""

import asyncio
import json
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from service.presets.audit import START, AuditEvent, Tip, tip_from_text
from service.presets.compiled import StoredPresets
from service.presets.connections import Client
from service.presets.errors import ChainContended, RecordCorrupt, StoreLostData
from service.presets.keys import Keys
from service.presets.record import Head, PresetRevision, to_json
from service.presets.redis_calls import RedisCalls
from service.presets.redis_census import RedisCensus
from service.presets.redis_chain import RedisChain, paired
from service.presets.redis_faults import Fault, Faults
from service.presets.redis_records import HOW_TO_GO_ON, RedisRecords
from service.presets.redis_risks import Risk, risks_of
from service.presets.replicas import Told
from service.presets.scripts import PREPARE, RECOVER, TELL, TOLD, WRITE
from service.presets.store import (
    AuditPage,
    Change,
    Changes,
    HeadLost,
    Look,
    Recovery,
    TipLost,
    Written,
)

TRIES = 5
"""Of a write while replicas of an earlier version write too."""

MAX_TIME_DIGITS = 15
"""Of a time in ms that a replica told; a longer one is none."""

log = logging.getLogger(__name__)


class RedisStore:
    """Satisfies `PresetStore`."""

    def __init__(
        self, client: Client, keys: Keys | None = None, faults: Faults | None = None
    ) -> None:
        """Connects on first use.

        Args:
            client: of `connections.redis_client`.
            keys: of the deployment.
            faults: reads the errors of that Redis.
        """
        self._keys = keys or Keys()
        self._calls = RedisCalls(client, faults)
        self._redis = self._calls.redis
        self._chain = RedisChain(self._calls, self._keys)
        self._records = RedisRecords(self._calls, self._keys)
        self._census = RedisCensus(self._calls, self._keys, self._chain, self._records)

    @property
    def write_fault(self) -> Fault | None:
        """See PresetStore."""
        return self._calls.write_fault

    async def heads(self) -> Mapping[str, Head]:
        """See PresetStore."""
        return (await self._records.all_heads())[0]

    async def revisions(self, name: str, numbers: Sequence[int]) -> Sequence[PresetRevision]:
        """See PresetStore."""
        records, why = await self._records.readable(name, numbers)
        if why:
            log.debug("%s", why)  # the follower says so once
        return records

    async def head(self, name: str) -> Head | None:
        """See PresetStore."""
        return await self._records.head(name)

    async def revision(self, name: str, revision: int) -> PresetRevision | None:
        """See PresetStore."""
        return await self._records.revision(name, revision)

    async def remnants(self, names: Collection[str]) -> Mapping[str, Head]:
        """See PresetStore."""
        return await self._records.remnants(names)

    async def audit_events(self, after: str, limit: int) -> AuditPage:
        """See PresetStore."""
        return await self._chain.audit_events(after, limit)

    async def changes(self, cursor: str, wait_s: float) -> Changes:
        """See PresetStore."""
        return await self._chain.changes(cursor, wait_s)

    async def look(self, cursor: str, names: Collection[str] = ()) -> Look:
        """See PresetStore."""
        return await self._census.look(cursor, names)

    async def read(self, names: Collection[str], kept_revisions: int) -> StoredPresets:
        """See PresetStore."""
        return await self._records.read(names, kept_revisions)

    async def write(self, change: Change) -> Written | HeadLost | TipLost:
        """See PresetStore. A caller that goes away does not stop a write that was sent."""
        record = change.record
        keys = (*self._keys.of_chain, *self._keys.of_presets([change.name]))
        for _ in range(TRIES):
            reply = await self._calls.written(
                WRITE,
                keys,
                change.name,
                change.expected.etag if change.expected else "",
                change.head.to_json(),
                str(record.revision) if record else "",
                to_json(record) if record else "",
                change.tip.to_text(),
                change.event.tip.to_text(),
                *_fields_of(change.event),
            )
            match reply[0]:
                case "head":
                    return HeadLost()
                case "lost":
                    raise StoreLostData(reply[1])
                case "unreadable":
                    raise RecordCorrupt(f"preset {change.name!r}", f"{reply[1]}; {HOW_TO_GO_ON}")
                case "uncounted":
                    await self._census.count()
                case _:
                    return _outcome(reply, change.event)
        raise ChainContended(TRIES)

    async def recover(self, recovery: Recovery) -> Written | TipLost:
        """See PresetStore. One script that wrote everything would hold Redis up for seconds."""
        if (now := await self.tip()) != recovery.tip:
            return TipLost(now)
        written = {*recovery.heads, *recovery.records, *recovery.dropped}
        names = sorted(written | set(await self._names()))
        heads = [(name, head.to_json()) for name, head in recovery.heads.items()]
        revisions = [
            (names.index(name) + 1, number, text)
            for name, records in recovery.records.items()
            for number, text in await self._prepared(name, records)
        ]
        reply = await self._calls.written(
            RECOVER,
            (*self._keys.of_chain, *self._keys.of_presets(names)),
            recovery.tip.to_text(),
            recovery.event.tip.to_text(),
            json.dumps(heads),
            json.dumps(revisions),
            json.dumps(names),
            json.dumps([(names.index(name) + 1, str(n)) for name, n in _pairs(recovery.dropped)]),
            *_fields_of(recovery.event),
        )
        return _outcome(reply, recovery.event)

    async def _names(self) -> Collection[str]:
        """Of presets that have a head; none where that key holds another type."""
        try:
            return list(await self.heads())
        except RecordCorrupt:
            return ()

    async def _prepared(
        self, name: str, records: Sequence[PresetRevision]
    ) -> list[tuple[str, str]]:
        """Writes revisions that are not there. Gives number and text of those that differ from
        what is there: heads may name them."""
        texts = await asyncio.to_thread(_texts, records)
        parts = tuple(part for pair in texts.items() for part in pair)
        clashing = await self._calls.written(PREPARE, (self._keys.revisions(name),), *parts)
        return [(number, texts[number]) for number in clashing]

    async def tip(self) -> Tip:
        """See PresetStore."""
        return (await self._chain.place())[1]

    async def chain_end(self) -> Tip:
        """See PresetStore."""
        return next((event.tip for event in await self._chain.newest_events()), START)

    async def last_event(self, name: str) -> AuditEvent | None:
        """See PresetStore."""
        return next(
            (event for event in await self._chain.newest_events() if event.name == name), None
        )

    async def cursor(self) -> str:
        """See PresetStore."""
        return (await self._chain.place())[0]

    async def has(self, cursor: str) -> bool:
        """See PresetStore."""
        return (await self._census.look(cursor)).has_cursor

    async def read_all(self, kept_revisions: int) -> StoredPresets:
        """See PresetStore. The cursor is read first: what changes meanwhile is read again."""
        cursor, tip = await self._chain.place()
        heads, unreadable = await self._records.all_heads()
        return await self._records.stored(heads, unreadable, kept_revisions, cursor, tip)

    async def tell(
        self, replica_id: str, report: str, forget_s: float, served: Tip = START
    ) -> None:
        """See ReplicaReports."""
        silence = str(round(forget_s * 1000))
        keys = [self._keys.replicas, self._keys.seen]
        await self._calls.written(TELL, keys, replica_id, report, silence, served.to_text())

    async def told(self, forget_s: float) -> Mapping[str, Told]:
        """See ReplicaReports."""
        seconds, microseconds, told = await self._calls.scripted(TOLD, [self._keys.replicas])
        now_s = int(seconds) + int(microseconds) / 1e6
        parts = {name: entry.partition(":") for name, entry in paired(told).items()}
        found = {
            name: Told(now_s - int(ms) / 1e3, own)
            for name, (ms, _, own) in parts.items()
            if ms.isdecimal() and len(ms) <= MAX_TIME_DIGITS
        }
        return {name: own for name, own in found.items() if own.age_s <= forget_s}

    async def risks(self) -> Mapping[Risk, str]:
        """See PresetStore."""
        return await risks_of(self._calls, self._keys.heads)

    async def aclose(self) -> None:
        """See PresetStore."""
        await self._calls.aclose()


def _pairs(dropped: Mapping[str, tuple[int, ...]]) -> Iterator[tuple[str, int]]:
    return ((name, number) for name, numbers in dropped.items() for number in numbers)


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

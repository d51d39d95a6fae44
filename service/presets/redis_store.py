"""Presets in Redis.

A write is one Lua script: it compares head and tip, appends the revision and the audit event, and
sets head and tip, or does nothing. A script and not WATCH/MULTI, since it takes one round trip,
one connection, and cannot be left half-way by a caller that goes away.
"""

import asyncio
import json
import logging
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from service.presets.audit import START, AuditEvent, Tip, event_from_fields, tip_from_text
from service.presets.census import Contents, Counts, missing
from service.presets.compiled import StoredPresets
from service.presets.connections import Client
from service.presets.errors import (
    ChainContended,
    RecordCorrupt,
    StoreLostData,
    StoreUnavailable,
)
from service.presets.keys import Keys
from service.presets.record import (
    Head,
    PresetRevision,
    from_json,
    head_from_json,
    remnant,
    to_json,
)
from service.presets.redis_calls import CALL_TIMEOUT_S, RedisCalls
from service.presets.redis_faults import Fault, Faults
from service.presets.redis_risks import Risk, risks_of
from service.presets.replicas import Told
from service.presets.scripts import (
    COUNT,
    COUNTS,
    LOOK,
    PAGE,
    PLACE,
    PREPARE,
    RECOVER,
    TELL,
    TOLD,
    WRITE,
)
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

NOTHING_WRITTEN = "0-0"
TEXTS_KEPT = 4096
"""Stored revisions whose meaning is remembered."""
MAX_EVENTS = 1000
"""Audit events read at once."""
EVENTS_BACK = 500
"""Newest audit events among which the last one of a preset is looked for."""
PRESETS_AT_ONCE = 100
"""Presets that one look compares: so many take Redis well under a millisecond."""
COUNT_AGAIN_S = 10.0
"""Pause before a store is read whole again that takes no census, such as a read-only one."""
TRIES = 5
"""Of reading a store whole while others write to it."""
HOW_TO_GO_ON = (
    "`steerrec preset store restore` writes back the last good one that a replica serves,"
    " `steerrec preset store accept` takes it out of force"
)

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
        self._count_at = 0.0
        """When the store may be counted again, where that failed."""

    @property
    def write_fault(self) -> Fault | None:
        """See PresetStore."""
        return self._calls.write_fault

    async def heads(self) -> Mapping[str, Head]:
        """See PresetStore."""
        return (await self._all_heads())[0]

    async def _all_heads(self) -> tuple[dict[str, Head], dict[str, str]]:
        """Readable heads, and why the others cannot be read, by name."""
        key = self._keys.heads
        heads, unreadable = {}, {}
        for name, text in (await self._calls.call(self._redis.hgetall(key), key)).items():
            try:
                heads[name] = self._head(name, text)
            except RecordCorrupt as corrupt:
                unreadable[name] = str(corrupt)
        return heads, unreadable

    async def head(self, name: str) -> Head | None:
        """See PresetStore."""
        text = await self._calls.call(self._redis.hget(self._keys.heads, name), self._keys.heads)
        return self._head(name, text) if text is not None else None

    def _head(self, name: str, text: str) -> Head:
        try:
            return head_from_json(text)
        except RecordCorrupt as corrupt:
            where = f"the head of preset {name!r} in {self._keys.heads}"
            raise RecordCorrupt(where, f"{corrupt.why}; {HOW_TO_GO_ON}") from corrupt

    async def revision(self, name: str, revision: int) -> PresetRevision | None:
        """See PresetStore."""
        key = self._keys.revisions(name)
        text = await self._calls.call(self._redis.hget(key, str(revision)), key)
        return _checked(key, name, revision, text) if text is not None else None

    async def revisions(self, name: str, numbers: Sequence[int]) -> Sequence[PresetRevision]:
        """See PresetStore."""
        records, why = await self._readable(name, numbers)
        if why:
            log.debug("%s", why)  # the follower says so once
        return records

    async def _readable(
        self, name: str, numbers: Sequence[int]
    ) -> tuple[tuple[PresetRevision, ...], str]:
        """The revisions that can be read, and why the first of the others cannot be."""
        if not numbers:
            return (), ""
        key, found, why = self._keys.revisions(name), [], ""
        try:
            texts = await self._calls.call(self._redis.hmget(key, [*map(str, numbers)]), key)
        except RecordCorrupt as corrupt:
            return (), f"{corrupt}; {HOW_TO_GO_ON}"
        for number, text in zip(numbers, texts, strict=True):
            try:
                found += [_checked(key, name, number, text)] if text is not None else []
            except RecordCorrupt as corrupt:  # it does not take its neighbours along
                why = why or str(corrupt)
        return tuple(found), why

    async def write(self, change: Change) -> Written | HeadLost | TipLost:
        """See PresetStore. A caller that goes away does not stop a write that was sent."""
        record = change.record
        keys = (*self._chain_keys(), *self._keys_of([change.name]))
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
                    await self._count()
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
            (*self._chain_keys(), *self._keys_of(names)),
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
        return (await self._place())[1]

    async def chain_end(self) -> Tip:
        """See PresetStore."""
        return next((event.tip for event in await self._newest_events()), START)

    async def last_event(self, name: str) -> AuditEvent | None:
        """See PresetStore."""
        return next((event for event in await self._newest_events() if event.name == name), None)

    async def _newest_events(self) -> list[AuditEvent]:
        """Newest first."""
        key = self._keys.audit
        try:
            entries = await self._calls.call(self._redis.xrevrange(key, count=EVENTS_BACK), key)
        except RecordCorrupt:
            return []
        return list(_chained_events(entries))

    async def remnants(self, names: Collection[str]) -> Mapping[str, Head]:
        """See PresetStore."""
        found = {}
        for name in names:
            key = self._keys.revisions(name)
            try:
                numbers = await self._calls.call(self._redis.hkeys(key), key)
            except RecordCorrupt:
                continue
            if known := [int(number) for number in numbers if number.isdecimal()]:
                found[name] = remnant(max(known))
        return found

    async def audit_events(self, after: str, limit: int) -> AuditPage:
        """See PresetStore."""
        page, is_last, tip = await self._page(after, limit)
        return AuditPage(
            events=tuple(_chained_events(page)),
            cursor=page[-1][0] if page else after,
            is_last=is_last,
            tip=tip,
        )

    async def _page(
        self, after: str, limit: int
    ) -> tuple[list[tuple[str, dict[str, str]]], bool, Tip]:
        """Entries after a cursor, whether there are no more, and the tip."""
        keys = (self._keys.audit, self._keys.audit_tip)
        entries, tip = await self._calls.scripted(PAGE, keys, f"({after}", str(limit + 1))
        page = [(cursor, _paired(fields)) for cursor, fields in entries[:limit]]
        return page, len(entries) <= limit, tip_from_text(tip)

    async def cursor(self) -> str:
        """See PresetStore."""
        return (await self._place())[0]

    async def _place(self) -> tuple[str, Tip]:
        """Cursor and tip of one moment."""
        keys = (self._keys.audit, self._keys.audit_tip)
        newest, tip = await self._calls.scripted(PLACE, keys)
        return (str(newest[0][0]) if newest else NOTHING_WRITTEN), tip_from_text(tip)

    async def has(self, cursor: str) -> bool:
        """See PresetStore."""
        return (await self._look(cursor, ())).has_cursor

    async def look(self, cursor: str, names: Collection[str] = ()) -> Look:
        """See PresetStore."""
        unreadable: dict[str, str] = {}
        for some in batched(sorted(names), PRESETS_AT_ONCE) or [()]:
            found = await self._look(cursor, some)
            unreadable |= found.unreadable
            if found.lost or not found.has_cursor:
                break
        return found._replace(unreadable=unreadable)

    async def _look(self, cursor: str, names: Sequence[str]) -> Look:
        keys = (*self._chain_keys(), *self._keys_of(names))
        state, what, has, unreadable = await self._calls.scripted(LOOK, keys, cursor, *names)
        if state == "uncounted":
            state, what = "lost", await self._counted()
        why = {name: f"{fact}; {HOW_TO_GO_ON}" for name, fact in _paired(unreadable).items()}
        return Look(bool(has), what if state == "lost" else "", why)

    async def _counted(self) -> str:
        """What a store without an up-to-date census lacks; empty: nothing, and it is counted now,
        or cannot be just now."""
        if time.monotonic() < self._count_at:
            return ""
        try:
            await self._count()
        except StoreLostData as lost:
            return lost.what
        except StoreUnavailable as away:
            self._count_at = time.monotonic() + COUNT_AGAIN_S
            log.debug("the presets in Redis could not be counted: %s", away)
        return ""

    async def _count(self) -> None:
        """Writes the census of a store that an earlier version wrote to.

        Raises:
            StoreLostData: the store lacks something that its audit chain names.
        """
        for _ in range(TRIES):
            place = await self._place()
            contents = await self._contents(place[1])
            if await self._place() != place:
                continue
            if lost := missing(contents):
                raise StoreLostData(lost)
            names = list(contents.heads)
            keys = (*self._chain_keys(), *self._keys_of(names))
            await self._calls.written(COUNT, keys, place[1].to_text(), place[0], *names)
            return

    async def _contents(self, tip: Tip) -> Contents:
        keys = self._keys
        census = await self._calls.call(self._redis.hgetall(keys.census), keys.census)
        heads, unreadable = await self._all_heads()
        entries: list[tuple[str, dict[str, str]]] = []
        cursor, is_last = NOTHING_WRITTEN, False
        while not is_last:
            page, is_last, _ = await self._page(cursor, MAX_EVENTS)
            entries += page
            cursor = page[-1][0] if page else cursor
        events = list(_chained_events(entries))
        counts = await self._counts(heads)
        return Contents(tip, events, len(entries), heads, unreadable, counts, census)

    async def _counts(self, heads: Mapping[str, Head]) -> dict[str, Counts]:
        counts: dict[str, Counts] = {}
        for names in batched(list(heads), PRESETS_AT_ONCE):
            shown = [str(heads[name].shown) for name in names]
            found = await self._calls.scripted(COUNTS, self._keys_of(names), *shown)
            counts |= {
                name: Counts(n_revisions, n_previews, bool(has))
                for name, (n_revisions, n_previews, has) in zip(names, found, strict=True)
            }
        return counts

    def _chain_keys(self) -> tuple[str, ...]:
        """As the scripts of the chain take them."""
        own = self._keys
        return own.heads, own.audit, own.audit_tip, own.census, own.seen

    def _keys_of(self, names: Sequence[str]) -> tuple[str, ...]:
        """Revisions and previews of each preset."""
        own = self._keys
        return tuple(key for name in names for key in (own.revisions(name), own.previews(name)))

    async def read_all(self, kept_revisions: int) -> StoredPresets:
        """See PresetStore. The cursor is read first: what changes meanwhile is read again."""
        cursor, tip = await self._place()
        heads, unreadable = await self._all_heads()
        return await self._stored(heads, unreadable, kept_revisions, cursor, tip)

    async def read(self, names: Collection[str], kept_revisions: int) -> StoredPresets:
        """See PresetStore."""
        heads, unreadable = {}, {}
        for name in names:
            try:
                if (head := await self.head(name)) is not None:
                    heads[name] = head
            except RecordCorrupt as corrupt:
                unreadable[name] = str(corrupt)
        return await self._stored(heads, unreadable, kept_revisions)

    async def _stored(
        self,
        heads: Mapping[str, Head],
        unreadable: Mapping[str, str],
        kept: int,
        cursor: str = NOTHING_WRITTEN,
        tip: Tip = START,
    ) -> StoredPresets:
        """These presets with their kept revisions."""
        read = {
            name: await self._readable(name, head.kept(kept))
            for name, head in heads.items()
            if not head.is_archived
        }
        records = {name: found for name, (found, _) in read.items()}
        faults = {name: why for name, (_, why) in read.items() if why}
        return StoredPresets(heads, records, cursor, tip, {**unreadable, **faults})

    async def changes(self, cursor: str, wait_s: float) -> Changes:
        """See PresetStore."""
        reply = await self._calls.call(
            self._redis.xread(
                {self._keys.audit: cursor}, count=MAX_EVENTS, block=max(1, round(wait_s * 1000))
            ),
            self._keys.audit,
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
        parts = {name: entry.partition(":") for name, entry in _paired(told).items()}
        found = {
            name: Told(now_s - int(ms) / 1e3, own)
            for name, (ms, _, own) in parts.items()
            if ms.isdecimal()
        }
        return {name: own for name, own in found.items() if own.age_s <= forget_s}

    async def risks(self) -> Mapping[Risk, str]:
        """See PresetStore."""
        return await risks_of(self._calls, self._keys.heads)

    async def aclose(self) -> None:
        """See PresetStore."""
        await self._calls.aclose()


def batched(names: Sequence[str], most: int) -> list[Sequence[str]]:
    """The names in pieces of at most so many."""
    return [names[start : start + most] for start in range(0, len(names), most)]


@lru_cache(maxsize=TEXTS_KEPT)
def _parsed(text: str) -> PresetRevision:
    """The revision of a text: a change is read with the revisions before it, mostly known ones."""
    return from_json(text)


def _checked(key: str, name: str, number: int, text: str) -> PresetRevision:
    """The revision that a stored text means.

    Raises:
        RecordCorrupt: none, or another one.
    """
    where = f"revision {number} of preset {name!r} in {key}"
    try:
        record = _parsed(text)
    except RecordCorrupt as corrupt:
        raise RecordCorrupt(where, f"cannot be read ({corrupt.why}); {HOW_TO_GO_ON}") from corrupt
    if (record.name, record.revision) != (name, number):
        raise RecordCorrupt(where, f"is of another preset or revision; {HOW_TO_GO_ON}")
    return record


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


def _paired(parts: Sequence[str]) -> dict[str, str]:
    """Fields of an entry that a script gave: field, value, field, value ..."""
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _chained_events(entries: Iterable[tuple[str, Mapping[str, str]]]) -> Iterator[AuditEvent]:
    """The events of the chain; what else is in the stream, verifying finds where it matters."""
    for cursor, fields in entries:
        try:
            yield event_from_fields(fields)
        except RecordCorrupt as corrupt:
            _say_once(cursor, str(corrupt))


@lru_cache(maxsize=TEXTS_KEPT)
def _say_once(cursor: str, why: str) -> None:
    """Logs an unreadable entry the first time that it is read."""
    log.warning("entry %s is no event of the audit chain and is passed over: %s", cursor, why)


def _entries(reply: Any, stream: str) -> list[tuple[str, dict[str, str]]]:
    """Ids and fields, oldest first, of an XREAD reply in either protocol version."""
    if not reply:
        return []
    if isinstance(reply, dict):
        found = reply[stream]
        return found[0] if found and isinstance(found[0], list) else found
    return cast("list[tuple[str, dict[str, str]]]", reply[0][1])

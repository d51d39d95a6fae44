"""Heads and revisions of presets in Redis; what cannot be read is told by name."""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

from service.presets.audit import START, Tip
from service.presets.compiled import StoredPresets
from service.presets.errors import RecordCorrupt
from service.presets.keys import Keys
from service.presets.record import (
    Head,
    PresetRevision,
    from_json,
    head_from_json,
    is_revision,
    remnant,
)
from service.presets.redis_calls import RedisCalls
from service.presets.redis_chain import NOTHING_WRITTEN

TEXTS_KEPT = 4096
"""Stored revisions whose meaning is remembered."""
HOW_TO_GO_ON = (
    "`steerrec preset store restore` writes back the last good one that a replica serves,"
    " `steerrec preset store accept` takes it out of force"
)


class RedisRecords:
    """Reads the presets of one deployment."""

    def __init__(self, calls: RedisCalls, keys: Keys) -> None:
        self._calls = calls
        self._redis = calls.redis
        self._keys = keys

    async def all_heads(self) -> tuple[dict[str, Head], dict[str, str]]:
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

    async def readable(
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

    async def read(self, names: Collection[str], kept_revisions: int) -> StoredPresets:
        """See PresetStore."""
        heads, unreadable = {}, {}
        for name in names:
            try:
                if (head := await self.head(name)) is not None:
                    heads[name] = head
            except RecordCorrupt as corrupt:
                unreadable[name] = str(corrupt)
        return await self.stored(heads, unreadable, kept_revisions)

    async def stored(
        self,
        heads: Mapping[str, Head],
        unreadable: Mapping[str, str],
        kept: int,
        cursor: str = NOTHING_WRITTEN,
        tip: Tip = START,
    ) -> StoredPresets:
        """These presets with their kept revisions."""
        read = {
            name: await self.readable(name, head.kept(kept))
            for name, head in heads.items()
            if not head.is_archived
        }
        records = {name: found for name, (found, _) in read.items()}
        faults = {
            name: why
            for name, (found, fault) in read.items()
            if (why := fault or self._lacking(name, heads[name], found))
        }
        return StoredPresets(heads, records, cursor, tip, {**unreadable, **faults})

    def _lacking(self, name: str, head: Head, found: Sequence[PresetRevision]) -> str:
        """Why what a head shows cannot be served; empty: it can."""
        if head.shown in {record.revision for record in found}:
            return ""
        return f"{self._keys.revisions(name)} lacks revision {head.shown}; {HOW_TO_GO_ON}"

    async def remnants(self, names: Collection[str]) -> Mapping[str, Head]:
        """See PresetStore."""
        found = {}
        for name in names:
            key = self._keys.revisions(name)
            try:
                numbers = await self._calls.call(self._redis.hkeys(key), key)
            except RecordCorrupt:
                continue
            if known := [int(number) for number in numbers if is_revision(number)]:
                found[name] = remnant(max(known))
        return found


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

"""The life of a preset: create, update, archive; each a compare-and-set on what was read."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from service.presets.errors import EtagMismatch, PresetExists, PresetMissing
from service.presets.record import Head, PresetRevision, archived, head_of, next_revision
from service.presets.store import Change, Event, PresetStore

Clock = Callable[[], datetime]


class Stored(NamedTuple):
    """A preset as it stands."""

    record: PresetRevision
    head: Head
    cursor: str = ""
    """Of the audit event, where this was written just now."""


def utc_now() -> datetime:
    """Now, to the microsecond."""
    return datetime.now(UTC)


class Lifecycle:
    """Writes presets to a store. Every method raises StoreUnavailable where that is gone."""

    def __init__(self, store: PresetStore, clock: Clock = utc_now) -> None:
        self._store = store
        self._clock = clock

    async def current(self, name: str) -> Stored:
        """The revision in force.

        Raises:
            PresetMissing: there is none, or it was deleted.
        """
        head = await self._store.head(name)
        record = await self._store.revision(name, head.revision) if head else None
        if head is None or head.is_archived or record is None:
            raise PresetMissing(name)
        return Stored(record, head)

    async def at(self, name: str, revision: int) -> Stored:
        """One revision, of a deleted preset too.

        Raises:
            PresetMissing: there is none.
        """
        head = await self._store.head(name)
        record = await self._store.revision(name, revision)
        if head is None or record is None:
            raise PresetMissing(name, revision)
        return Stored(record, head)

    async def create(self, draft: PresetRevision, *, is_dry: bool = False) -> Stored:
        """The draft as a new preset, in force; over a deleted one its numbers go on.

        Raises:
            PresetExists: the name is in force, or was taken meanwhile.
        """
        head = await self._store.head(draft.name)
        if head is not None and not head.is_archived:
            raise PresetExists(draft.name, head.revision)
        now = self._clock()
        record = next_revision(replace(draft, create_time=now), head, now)
        stored = await self._write(Event.CREATED, record, head, is_dry=is_dry)
        if stored is None:
            taken = await self._store.head(draft.name)
            raise PresetExists(draft.name, taken.revision if taken else record.revision)
        return stored

    async def update(
        self,
        name: str,
        etag: str,
        change: Callable[[PresetRevision], PresetRevision],
        *,
        is_dry: bool = False,
    ) -> Stored:
        """The next revision: what `change` makes of the one in force.

        Raises:
            PresetMissing: no such preset is in force.
            EtagMismatch: the etag is not that of the revision in force.
        """
        now = await self._expected(name, etag)
        record = next_revision(change(now.record), now.head, self._clock())
        stored = await self._write(Event.UPDATED, record, now.head, is_dry=is_dry)
        if stored is None:
            raise await self._lost_race(name)
        return stored

    async def archive(
        self, name: str, etag: str, author: str, reason: str, *, is_dry: bool = False
    ) -> Stored:
        """The preset, out of force; its revisions are kept.

        Raises:
            PresetMissing: no such preset is in force.
            EtagMismatch: the etag is not that of the revision in force.
        """
        now = await self._expected(name, etag)
        head = archived(now.head)
        if is_dry:
            return Stored(now.record, head)
        cursor = await self._store.write(
            Change(Event.ARCHIVED, name, now.head, head, None, author, reason)
        )
        if cursor is None:
            raise await self._lost_race(name)
        return Stored(now.record, head, cursor)

    async def _expected(self, name: str, etag: str) -> Stored:
        now = await self.current(name)
        if now.head.etag != etag:
            raise EtagMismatch(name, now.head.revision)
        return now

    async def _write(
        self, event: Event, record: PresetRevision, before: Head | None, *, is_dry: bool
    ) -> Stored | None:
        head = head_of(record)
        if is_dry:
            return Stored(record, head)
        cursor = await self._store.write(
            Change(event, record.name, before, head, record, record.author, record.reason)
        )
        return Stored(record, head, cursor) if cursor is not None else None

    async def _lost_race(self, name: str) -> EtagMismatch:
        head = await self._store.head(name)
        return EtagMismatch(name, head.revision if head else 0)

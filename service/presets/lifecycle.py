"""The life of a preset: drafted, published, replaced, gone back to, archived.

Each step is a compare-and-set on the etag that was read, and one event of the audit chain.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from service.presets.audit import START, AuditAction, AuditEvent, Tip
from service.presets.errors import (
    AlreadyInForce,
    ChainContended,
    EtagMismatch,
    LastWrite,
    NeverInForce,
    NotADraft,
    PresetExists,
    PresetMissing,
    StoreLostData,
    TooManyDrafts,
)
from service.presets.record import (
    Head,
    PresetRevision,
    RevisionState,
    archived,
    drafted,
    head_of,
    next_revision,
    pointed,
)
from service.presets.store import Change, PresetStore, TipLost, Written

MAX_DRAFTS = 50
"""Of one preset, never published: its head names each."""
MAX_TRIES = 64
"""Of one change, while others are chained first: each time at least one other succeeds."""
PAUSE_S = 0.002
"""Longest pause before the second try; it grows by itself with every further one."""

Clock = Callable[[], datetime]
Gate = Callable[[PresetRevision], Awaitable[None]]
"""Lets a revision into force for the first time, or raises why not."""


class Stored(NamedTuple):
    """A preset as it stands."""

    record: PresetRevision
    head: Head
    cursor: str = ""
    """Of the audit event, where this was written just now."""


class Revisions(NamedTuple):
    """Some revisions of a preset."""

    stored: Sequence[Stored]
    """Newest first."""
    before: int
    """The lowest number looked at; 1: there are no more."""


def utc_now() -> datetime:
    """Now, to the microsecond."""
    return datetime.now(UTC)


async def open_gate(_: PresetRevision) -> None:
    """Lets every revision into force."""


class Lifecycle:
    """Writes presets to a store. Every method raises StoreUnavailable where that is gone, and
    every write ChainContended where other changes kept coming first."""

    def __init__(
        self,
        store: PresetStore,
        clock: Clock = utc_now,
        *,
        publish_gate: Gate = open_gate,
        served_tip: Callable[[], Tip] = lambda: START,
    ) -> None:
        """Writes nothing yet.

        Args:
            store: to write to.
            clock: of the events.
            publish_gate: asked before a revision comes into force for the first time.
            served_tip: where the chain is known to stand; an old one costs a round trip.
        """
        self._store = store
        self._clock = clock
        self._gate = publish_gate
        self._served_tip = served_tip
        self._written_tip = START

    async def current(self, name: str) -> Stored:
        """The revision in force; of a preset with drafts only, the newest.

        Raises:
            PresetMissing: there is none, or it was deleted.
        """
        head = await self._living(name)
        return Stored(await self._shown(name, head), head)

    async def at(self, name: str, revision: int) -> Stored:
        """One revision, of a deleted preset too.

        Raises:
            PresetMissing: there is none.
        """
        head = await self._store.head(name)
        if head is None:
            raise PresetMissing(name, revision)
        return Stored(await self._record(name, revision), head)

    async def revisions(self, name: str, before: int | None, limit: int) -> Revisions:
        """Revisions, newest first, of a deleted preset too.

        Args:
            name: of the preset.
            before: only revisions below this one; None: from the newest.
            limit: numbers looked at; fewer are given where revisions are gone.

        Raises:
            PresetMissing: there is no such preset.
        """
        head = await self._store.head(name)
        if head is None:
            raise PresetMissing(name)
        newest = min(head.revision, head.revision if before is None else before - 1)
        numbers = range(newest, max(0, newest - limit), -1)
        found = await self._store.revisions(name, numbers)
        return Revisions([Stored(record, head) for record in found], newest - len(numbers) + 1)

    async def pair(self, name: str, first: int, second: int) -> tuple[Stored, Stored]:
        """Two revisions, of a deleted preset too.

        Args:
            name: of the preset.
            first: 0: the one in force, or where none is the newest.
            second: 0: the newest.

        Raises:
            PresetMissing: there is no such preset, or one of them.
        """
        head = await self._store.head(name)
        if head is None:
            raise PresetMissing(name)
        numbers = (first or head.shown, second or head.revision)
        one, other = [await self._record(name, number) for number in numbers]
        return Stored(one, head), Stored(other, head)

    async def create(
        self, draft: PresetRevision, *, as_draft: bool = False, is_dry: bool = False
    ) -> Stored:
        """The draft as a new preset, in force or not; over a deleted one its numbers go on.

        Raises:
            PresetExists: the name is taken, or was meanwhile.
            TooManyDrafts: the deleted preset left as many as may be.
        """
        head = await self._store.head(draft.name)
        if head is not None and not head.is_archived:
            raise PresetExists(draft.name, head.revision)
        now = self._clock()
        record = next_revision(replace(draft, create_time=now), head, now)
        action = AuditAction.DRAFTED if as_draft else AuditAction.CREATED
        stored = await self._written(action, record, head, is_dry=is_dry)
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
        as_draft: bool = False,
        is_dry: bool = False,
    ) -> Stored:
        """The next revision, in force or not: what `change` makes of what `current` gives.

        Raises:
            PresetMissing: there is no such preset.
            EtagMismatch: the etag is not the preset's.
            TooManyDrafts: as many are open as may be.
        """
        head = await self._expected(name, etag)
        before = await self._shown(name, head)
        record = next_revision(change(before), head, self._clock())
        action = AuditAction.DRAFTED if as_draft else AuditAction.UPDATED
        stored = await self._written(action, record, head, is_dry=is_dry)
        if stored is None:
            raise await self._lost_race(name)
        return stored

    async def publish(
        self,
        name: str,
        etag: str,
        revision: int,
        author: str,
        reason: str,
        *,
        check: Callable[[PresetRevision], None] = lambda _: None,
        is_dry: bool = False,
    ) -> Stored:
        """The draft, in force.

        Args:
            name: of the preset.
            etag: of the preset, as it was read.
            revision: of the draft.
            author: who publishes.
            reason: why.
            check: raises why the revision cannot come into force.
            is_dry: whether to change nothing.

        Raises:
            PresetMissing: there is no such preset, or revision.
            EtagMismatch: the etag is not the preset's.
            NotADraft: the revision was in force before, or is.
        """
        head = await self._expected(name, etag)
        record = await self._record(name, revision)
        _refuse_undrafted(name, revision, head)
        check(record)
        await self._gate(record)
        return await self._pointed(
            AuditAction.PUBLISHED, record, head, author, reason, is_dry=is_dry
        )

    async def rollback(
        self,
        name: str,
        etag: str,
        revision: int,
        author: str,
        reason: str,
        *,
        check: Callable[[PresetRevision], None] = lambda _: None,
        is_dry: bool = False,
    ) -> Stored:
        """The revision, in force again; a deleted preset comes back with it.

        Args: as for `publish`.

        Raises:
            PresetMissing: there is no such preset, or revision.
            EtagMismatch: the etag is not the preset's.
            NeverInForce: the revision is a draft.
            AlreadyInForce: it is the one in force.
        """
        head = await self._expected(name, etag, is_archived_too=True)
        record = await self._record(name, revision)
        if revision in head.drafts:
            raise NeverInForce(name, revision, is_archived=head.is_archived)
        if revision == head.active:
            raise AlreadyInForce(name, revision)
        check(record)
        return await self._pointed(
            AuditAction.ROLLED_BACK, record, head, author, reason, is_dry=is_dry
        )

    async def archive(
        self, name: str, etag: str, author: str, reason: str, *, is_dry: bool = False
    ) -> Stored:
        """The preset, out of force; its revisions are kept.

        Raises:
            PresetMissing: there is no such preset.
            EtagMismatch: the etag is not the preset's.
        """
        before = await self._expected(name, etag)
        record = await self._shown(name, before)
        head = archived(before)
        if is_dry:
            return Stored(record, head)
        event = self._event(AuditAction.ARCHIVED, record, head, author, reason)
        written = await self._chain(Change(before, head, None, START, event))
        if written is None:
            raise await self._lost_race(name)
        return Stored(record, head, written.cursor)

    async def _living(self, name: str) -> Head:
        head = await self._store.head(name)
        if head is None or head.is_archived:
            raise PresetMissing(name)
        return head

    async def _record(self, name: str, revision: int) -> PresetRevision:
        record = await self._store.revision(name, revision)
        if record is None:
            raise PresetMissing(name, revision)
        return record

    async def _shown(self, name: str, head: Head) -> PresetRevision:
        """The revision in force; of a preset with drafts only, the newest.

        Raises:
            StoreLostData: it is gone, which nothing but a loss explains.
        """
        record = await self._store.revision(name, head.shown)
        if record is None:
            raise StoreLostData(f"preset {name} lacks its revision {head.shown}")
        return record

    async def _expected(self, name: str, etag: str, *, is_archived_too: bool = False) -> Head:
        """The preset's head, which has the etag."""
        head = await self._store.head(name)
        if head is None or (head.is_archived and not is_archived_too):
            raise PresetMissing(name)
        if head.etag != etag:
            raise await self._mismatch(name, head)
        return head

    async def _written(
        self, action: AuditAction, record: PresetRevision, before: Head | None, *, is_dry: bool
    ) -> Stored | None:
        """The new revision as stored; None: somebody else wrote in between."""
        if action is AuditAction.DRAFTED:
            _refuse_more_drafts(record.name, before)
            head = drafted(before, record)
        else:
            await self._gate(record)
            head = head_of(record, before)
        if is_dry:
            return Stored(record, head)
        event = self._event(action, record, head, record.author, record.reason)
        event = replace(event, content_hash=record.content_hash)
        written = await self._chain(Change(before, head, record, START, event))
        return Stored(record, head, written.cursor) if written else None

    async def _pointed(
        self,
        action: AuditAction,
        record: PresetRevision,
        before: Head,
        author: str,
        reason: str,
        *,
        is_dry: bool,
    ) -> Stored:
        """The revision in force, which was there already."""
        head = pointed(before, record.revision)
        if is_dry:
            return Stored(record, head)
        event = self._event(action, record, head, author, reason)
        written = await self._chain(Change(before, head, None, START, event))
        if written is None:
            raise await self._lost_race(record.name)
        return Stored(record, head, written.cursor)

    def _event(
        self, action: AuditAction, record: PresetRevision, head: Head, author: str, reason: str
    ) -> AuditEvent:
        """The event of a change, not yet chained."""
        return AuditEvent(
            sequence=0,
            action=action,
            name=record.name,
            revision=record.revision,
            etag=head.etag,
            content_hash="",
            author=author,
            reason=reason,
            event_time=self._clock(),
            previous_hash="",
        )

    async def _chain(self, change: Change) -> Written | None:
        """The change written, behind whatever was chained first; None: its head was lost."""
        tip = max(self._served_tip(), self._written_tip)
        for tries in range(MAX_TRIES):
            outcome = await self._store.write(change.after(tip))
            match outcome:
                case Written():
                    self._written_tip = max(self._written_tip, outcome.tip)
                    return outcome
                case TipLost():
                    if outcome.tip.sequence <= tip.sequence:  # it forked, or went back
                        raise StoreLostData(
                            f"event {tip.sequence}, which is served here, is not in it"
                        )
                    tip = outcome.tip
                    await asyncio.sleep(random.uniform(0, PAUSE_S * tries))  # noqa: S311
                case _:
                    return None
        raise ChainContended(MAX_TRIES)

    async def _lost_race(self, name: str) -> EtagMismatch:
        return await self._mismatch(name, await self._store.head(name))

    async def _mismatch(self, name: str, head: Head | None) -> EtagMismatch:
        """What a caller with an old etag is told: where the preset stands, and who changed it."""
        event = await self._store.last_event(name)
        last = _last_write(event) if event else None
        return EtagMismatch(name, head.revision if head else 0, head.active if head else 0, last)


def _last_write(event: AuditEvent) -> LastWrite:
    action = event.action.lower().replace("_", " ")
    return LastWrite(event.author, action, event.revision, event.event_time)


def _refuse_more_drafts(name: str, head: Head | None) -> None:
    """Raises TooManyDrafts where another one would be too many."""
    if head is not None and len(head.drafts) >= MAX_DRAFTS:
        raise TooManyDrafts(name, len(head.drafts), head.drafts[0])


def _refuse_undrafted(name: str, revision: int, head: Head) -> None:
    """Raises NotADraft where the revision is none."""
    state = head.state_of(revision)
    if state is RevisionState.ACTIVE:
        raise NotADraft(name, revision, state, "it is in force already")
    if state is not RevisionState.DRAFT:
        raise NotADraft(name, revision, state, "it was in force before: roll back to it")

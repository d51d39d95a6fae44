"""What a store that lost its data means, and the two ways out of it (docs/adr/0008).

Pure but for `LossResolver`, which writes. A loss is never resolved by itself: less than there was
is not taken for a deletion.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from service.presets.audit import START, AuditAction, AuditEvent, Tip, chained
from service.presets.compiled import StoredPresets
from service.presets.errors import ChainContended, NothingKept, NothingLost, RecordCorrupt
from service.presets.record import Head, archived, remnant, restored
from service.presets.store import PresetStore, Recovery, Written

KEPT_REVISIONS = 20
"""Of each preset, that replicas keep."""
NOTHING: Mapping[str, tuple[int, ...]] = MappingProxyType({})
TRIES = 10
"""Times that a recovery is written anew since somebody else chained an event first."""

Clock = Callable[[], datetime]


class StoreState(StrEnum):
    """Where the store stands, as a replica sees it; spelled as in the contract."""

    CONNECTED = "CONNECTED"
    UNREACHABLE = "UNREACHABLE"
    LOST_DATA = "LOST_DATA"


class Resolution(StrEnum):
    """Which way out; spelled as in the contract."""

    RESTORE = "RESTORE"
    ACCEPT = "ACCEPT"


class Follower(Protocol):
    """What the resolver asks of a replica's follower."""

    @property
    def state(self) -> StoreState:
        """Where the store stands."""

    @property
    def stored(self) -> StoredPresets:
        """What is in force here."""

    @property
    def has_copy(self) -> bool:
        """Whether `stored` ever was all that the store had."""

    def check_answers(self) -> None:
        """Raises StoreUnavailable where the store cannot be reached."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What was done, or would be."""

    names: list[str]
    """Presets written back; of ACCEPT those that are no longer in force. In order."""
    cursor: str = ""
    """Of the audit event; empty: nothing was written."""


class LossResolver:
    """Ends a loss, as an operator decides."""

    def __init__(
        self, store: PresetStore, follower: Follower, clock: Clock = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._follower = follower
        self._clock = clock

    async def resolve(
        self, resolution: Resolution, author: str, reason: str, *, is_dry: bool = False
    ) -> Resolved:
        """Writes what the resolution says, as one event of the chain; other replicas follow it.

        Raises:
            NothingLost: this replica knows of no loss, and of nothing that cannot be read.
            NothingKept: RESTORE, and this replica has no copy to write back.
            StoreUnavailable: the store cannot be reached.
            ChainContended: others kept writing to it.
        """
        self._follower.check_answers()
        for _ in range(TRIES):
            served = await self._served()
            if self._follower.state is not StoreState.LOST_DATA and not served.unreadable:
                raise NothingLost
            if resolution is Resolution.RESTORE and not self._follower.has_copy:
                raise NothingKept
            tip, in_store = await self._store.tip(), await self._found(served)
            dropped = await self._dropped(served, in_store)
            names = changed_names(resolution, served, in_store, dropped)
            if is_dry:
                return Resolved(names)
            event = self._event(resolution, served.tip, author, reason)
            event = chained(event, await self._store.chain_end())
            outcome = await self._store.recover(
                recovery_of(resolution, served, in_store, tip, event, dropped)
            )
            if isinstance(outcome, Written):
                return Resolved(names, outcome.cursor)
        raise ChainContended(TRIES)

    async def _served(self) -> StoredPresets:
        """What is in force here, with what cannot be read in the store now: a follower does not
        read revisions again that no event names."""
        served = self._follower.stored
        if self._follower.state is StoreState.LOST_DATA:
            return served
        found = (await self._store.read_all(KEPT_REVISIONS)).unreadable
        return replace(served, unreadable={**served.unreadable, **found})

    async def _found(self, served: StoredPresets) -> Mapping[str, Head]:
        """Heads in the store, behind all its revisions; of presets that lack a readable head, what
        their revisions leave."""
        try:
            heads = await self._store.heads()
        except RecordCorrupt:  # the whole key holds another type; a recovery replaces it
            heads = {}
        names = served.heads.keys() | served.unreadable.keys() | heads.keys()
        left = await self._store.remnants(names)
        return {**left, **{name: restored(head, left.get(name)) for name, head in heads.items()}}

    async def _dropped(
        self, served: StoredPresets, in_store: Mapping[str, Head]
    ) -> Mapping[str, tuple[int, ...]]:
        """Revisions that are gone or cannot be read, of those that a preset needs."""
        dropped = {}
        for name, head in in_store.items():
            others = head.kept(KEPT_REVISIONS) if name in served.unreadable else []
            needed = {*others, *([] if head.is_archived else [head.shown])}
            found = await self._store.revisions(name, sorted(needed))
            if lacking := needed - {record.revision for record in found}:
                dropped[name] = tuple(lacking)
        return dropped

    def _event(self, resolution: Resolution, served: Tip, author: str, reason: str) -> AuditEvent:
        action = {
            Resolution.RESTORE: AuditAction.STORE_RESTORED,
            Resolution.ACCEPT: AuditAction.STORE_ACCEPTED,
        }[resolution]
        return AuditEvent(
            sequence=0,
            action=action,
            name="",
            revision=0,
            etag=served.to_text(),
            content_hash="",
            author=author,
            reason=reason,
            event_time=self._clock(),
            previous_hash="",
        )


def changed_names(
    resolution: Resolution,
    served: StoredPresets,
    in_store: Mapping[str, Head],
    dropped: Mapping[str, tuple[int, ...]] = NOTHING,
) -> list[str]:
    """Presets that a resolution changes, in order: in the store, or for ACCEPT those served."""
    if resolution is Resolution.RESTORE:
        return sorted(
            name
            for name, head in served.heads.items()
            if in_store.get(name) != head or name in served.unreadable or name in dropped
        )
    left = {name: _accepted(head, dropped.get(name, ())) for name, head in in_store.items()}
    gone = (
        name
        for name, head in served.heads.items()
        if head.active and not (name in left and left[name].active)
    )
    return sorted({*gone, *served.unreadable})


def recovery_of(
    resolution: Resolution,
    served: StoredPresets,
    in_store: Mapping[str, Head],
    tip: Tip,
    event: AuditEvent,
    dropped: Mapping[str, tuple[int, ...]] = NOTHING,
) -> Recovery:
    """The write that a resolution means.

    RESTORE writes every head and kept revision that is served. ACCEPT drops revisions that cannot
    be read, and archives presets of which too little is left to serve. Either way revisions that
    the store still has, or got since, keep their numbers: the head goes on behind them.

    Args:
        resolution: which way out.
        served: what this replica serves.
        in_store: heads there; of presets whose head is gone, what their revisions leave.
        tip: as the store keeps it beside the chain.
        event: chained to the newest event that the store has.
        dropped: numbers of revisions that are gone or cannot be read, by preset.
    """
    if resolution is Resolution.RESTORE:
        heads = {name: restored(head, in_store.get(name)) for name, head in served.heads.items()}
        return Recovery(heads, served.records, tip, event)
    names = served.unreadable.keys() | in_store.keys()
    heads = {
        name: _accepted(in_store[name], dropped.get(name, ()))
        if name in in_store
        else archived(remnant(0))
        for name in names
    }
    return Recovery(heads, {}, tip, event, dropped)


def _accepted(head: Head, dropped: Collection[int]) -> Head:
    """The head of a preset as the store has it; archived where what it shows is dropped."""
    return archived(head) if head.shown in dropped and not head.is_archived else head


def speaks_for(event: AuditEvent, seen: Tip) -> bool:
    """Whether an event that ended a loss ends it for a replica that had seen so much, too."""
    speaks_to = event.speaks_to
    return seen in {START, speaks_to} or speaks_to.sequence > seen.sequence

"""What a store that lost its data means, and the two ways out of it (docs/adr/0008).

Pure but for `LossResolver`, which writes. A loss is never resolved by itself: less than there was
is not taken for a deletion.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

from service.presets.audit import START, AuditAction, AuditEvent, Tip, chained
from service.presets.compiled import StoredPresets
from service.presets.errors import NothingLost, StoreUnavailable
from service.presets.record import Head, restored
from service.presets.store import PresetStore, Recovery, Written

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
            NothingLost: this replica knows of no loss.
            StoreUnavailable: the store cannot be reached, or others kept writing to it.
        """
        if self._follower.state is StoreState.UNREACHABLE:
            raise StoreUnavailable(RuntimeError("what the store has is unknown"))
        for _ in range(TRIES):
            if self._follower.state is not StoreState.LOST_DATA:
                raise NothingLost
            served = self._follower.stored
            tip, in_store = await self._store.tip(), await self._store.heads()
            names = changed_names(resolution, served, in_store)
            if is_dry:
                return Resolved(names)
            event = self._event(resolution, served.tip, author, reason)
            recovery = recovery_of(resolution, served, in_store, tip, event)
            outcome = await self._store.recover(recovery)
            if isinstance(outcome, Written):
                return Resolved(names, outcome.cursor)
        raise StoreUnavailable(RuntimeError("others wrote to the store all the while"))

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
    resolution: Resolution, served: StoredPresets, in_store: Mapping[str, Head]
) -> list[str]:
    """Presets that a resolution changes, in order: in the store, or for ACCEPT those served."""
    if resolution is Resolution.RESTORE:
        return sorted(name for name, head in served.heads.items() if in_store.get(name) != head)
    gone = (
        name
        for name, head in served.heads.items()
        if head.active and not (name in in_store and in_store[name].active)
    )
    return sorted(gone)


def recovery_of(
    resolution: Resolution,
    served: StoredPresets,
    in_store: Mapping[str, Head],
    tip: Tip,
    event: AuditEvent,
) -> Recovery:
    """The write that a resolution means, chained to the store's tip.

    RESTORE writes every head and kept revision that is served. Revisions that the store got since
    keep their numbers: the head goes on behind them.
    """
    own = chained(event, tip)
    if resolution is Resolution.ACCEPT:
        return Recovery({}, {}, tip, own)
    heads = {name: restored(head, in_store.get(name)) for name, head in served.heads.items()}
    return Recovery(heads, served.records, tip, own)


def speaks_for(event: AuditEvent, seen: Tip) -> bool:
    """Whether an event that ended a loss ends it for a replica that had seen so much, too."""
    speaks_to = event.speaks_to
    return seen in {START, speaks_to} or speaks_to.sequence > seen.sequence

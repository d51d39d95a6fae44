"""What presets need of a store. The Redis one satisfies it; so does the tests' in-memory one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from service.presets.audit import AuditEvent, Tip, chained
from service.presets.compiled import StoredPresets
from service.presets.record import Head, PresetRevision
from service.presets.redis_faults import Fault
from service.presets.redis_risks import Risk


@dataclass(frozen=True, slots=True)
class Change:
    """One write: a compare-and-set of head and chain, with the revision and the audit event."""

    expected: Head | None
    """What the head has to be still; None: there is none."""
    head: Head
    """What it becomes."""
    record: PresetRevision | None
    """The revision that is appended; None: none is."""
    tip: Tip
    """What the tip of the chain has to be still."""
    event: AuditEvent
    """Chained to that tip; names the preset."""

    @property
    def name(self) -> str:
        """Of the preset."""
        return self.event.name

    def after(self, tip: Tip) -> "Change":
        """The same change, chained to another tip."""
        return replace(self, tip=tip, event=chained(self.event, tip))


@dataclass(frozen=True, slots=True)
class Recovery:
    """One write that ends a loss: heads and revisions as they shall be, with the audit event."""

    heads: Mapping[str, Head]
    """By name; heads of other presets stay as they are."""
    records: Mapping[str, tuple[PresetRevision, ...]]
    """Revisions that are written, by name; others stay as they are."""
    tip: Tip
    """What the tip of the chain has to be still."""
    event: AuditEvent
    """Chained to the newest event that there is."""
    dropped: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Revisions that are removed since they cannot be read, by name."""


class Written(NamedTuple):
    """It was written whole."""

    cursor: str
    """Id of its audit event."""
    tip: Tip
    """Where the chain stands after it."""


class HeadLost(NamedTuple):
    """Nothing was written: the head was no longer what was expected."""


class TipLost(NamedTuple):
    """Nothing was written: another change was chained first, to this preset or another."""

    tip: Tip
    """Where the chain stands now."""


class Changes(NamedTuple):
    """What happened after a cursor."""

    cursor: str
    """Of the newest event."""
    names: Collection[str]
    """Presets that changed."""
    tip: Tip | None = None
    """Where the chain stood after it; None: nothing happened."""
    recoveries: Sequence[AuditEvent] = ()
    """Events that ended a loss: whatever may have changed."""


class Look(NamedTuple):
    """What one look at the store found."""

    has_cursor: bool
    """Whether the audit event that was asked for is still there."""
    lost: str
    """The first thing that is missing; empty: nothing."""
    unreadable: Mapping[str, str]
    """Why a preset cannot be read, by name, of those that were looked at."""


class AuditPage(NamedTuple):
    """A part of the chain, with its tip of the same moment."""

    events: tuple[AuditEvent, ...]
    """Oldest first."""
    cursor: str
    """Of the last entry that was read."""
    is_last: bool
    """Whether nothing comes after it."""
    tip: Tip
    """As kept beside the chain."""


class PresetStore(Protocol):
    """Keeps presets. Every method raises StoreUnavailable where the store cannot be reached, and
    RecordCorrupt where what it reads is none of ours."""

    @property
    def write_fault(self) -> Fault | None:
        """Why the last write was not made; None: it was."""

    async def heads(self) -> Mapping[str, Head]:
        """Head of every preset, by name; archived ones too, unreadable ones left out."""

    async def head(self, name: str) -> Head | None:
        """Head of one preset; None: it was never written."""

    async def revision(self, name: str, revision: int) -> PresetRevision | None:
        """One revision; None: there is none."""

    async def revisions(self, name: str, numbers: Sequence[int]) -> Sequence[PresetRevision]:
        """Some revisions, in the order asked for; those that cannot be read are left out."""

    async def write(self, change: Change) -> Written | HeadLost | TipLost:
        """The change whole, or nothing; the head is looked at before the tip.

        Raises:
            StoreLostData: the store has less than was written to it.
        """

    async def recover(self, recovery: Recovery) -> Written | TipLost:
        """Heads, revisions and event whole, or nothing but revisions that no head names."""

    async def tip(self) -> Tip:
        """Where the audit chain stands, as kept beside it."""

    async def chain_end(self) -> Tip:
        """The tip of the newest event that there is; START: there is none."""

    async def last_event(self, name: str) -> AuditEvent | None:
        """The newest event of a preset; None: it is not among the last few hundred."""

    async def remnants(self, names: Collection[str]) -> Mapping[str, Head]:
        """Of presets whose head is gone and some revisions are not: an archived head that goes on
        behind them."""

    async def audit_events(self, after: str, limit: int) -> AuditPage:
        """Events after a cursor, at most so many; "0-0": from the first."""

    async def cursor(self) -> str:
        """Id of the newest audit event; "0-0": nothing was ever written."""

    async def has(self, cursor: str) -> bool:
        """Whether the audit event is still there; "0-0" always is."""

    async def look(self, cursor: str, names: Collection[str] = (), /) -> Look:
        """Whether anything is missing, and whether these presets can be read."""

    async def risks(self) -> Mapping[Risk, str]:
        """What may make the store lose data, with what to do; nothing where it is unknown."""

    async def read_all(self, kept_revisions: int) -> StoredPresets:
        """Everything, with the revisions of each preset that its head says are kept."""

    async def read(self, names: Collection[str], kept_revisions: int) -> StoredPresets:
        """The same of some presets; cursor and tip are not set."""

    async def changes(self, cursor: str, wait_s: float) -> Changes:
        """What happened after the cursor, waiting at most so long for something to happen."""

    async def aclose(self) -> None:
        """Gives connections back."""

"""What presets need of a store. The Redis one satisfies it; so does the tests' in-memory one."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from service.presets.compiled import StoredPresets
from service.presets.record import Head, PresetRevision


class Event(StrEnum):
    """What an audit event tells."""

    CREATED = "created"
    UPDATED = "updated"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class Change:
    """One write: a compare-and-set of the head, with the revision and the audit event."""

    event: Event
    name: str
    expected: Head | None
    """What the head has to be still; None: there is none."""
    head: Head
    """What it becomes."""
    record: PresetRevision | None
    """The revision that is appended; None: none is."""
    author: str
    reason: str


class Changes(NamedTuple):
    """What happened after a cursor."""

    cursor: str
    """Of the newest event."""
    names: Collection[str]
    """Presets that changed."""


class PresetStore(Protocol):
    """Keeps presets. Every method raises StoreUnavailable where the store cannot be reached."""

    async def heads(self) -> Mapping[str, Head]:
        """Head of every preset, by name; archived ones too."""

    async def head(self, name: str) -> Head | None:
        """Head of one preset; None: it was never written."""

    async def revision(self, name: str, revision: int) -> PresetRevision | None:
        """One revision; None: there is none."""

    async def write(self, change: Change) -> str | None:
        """The change whole, or nothing; the id of its audit event.

        None: the head was no longer what was expected, and nothing was written.
        """

    async def cursor(self) -> str:
        """Id of the newest audit event; "0-0": nothing was ever written."""

    async def has(self, cursor: str) -> bool:
        """Whether the audit event is still there; "0-0" always is."""

    async def read_all(self, kept_revisions: int) -> StoredPresets:
        """Everything, with the newest revisions of each preset."""

    async def read(self, names: Collection[str], kept_revisions: int) -> StoredPresets:
        """The same of some presets; the cursor is not set."""

    async def changes(self, cursor: str, wait_s: float) -> Changes:
        """What happened after the cursor, waiting at most so long for something to happen."""

    async def aclose(self) -> None:
        """Gives connections back."""

"""The audit chain: every change is an event that names the hash of the event before.

Pure: events in, a verdict out. Only an event about the store itself may skip sequence numbers,
since it follows a loss; it says up to where it speaks.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from steerrec.v1 import preset_pb2

from service.presets.errors import RecordCorrupt


class AuditAction(StrEnum):
    """What an event tells; spelled as in the contract."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    ARCHIVED = "ARCHIVED"
    DRAFTED = "DRAFTED"
    PUBLISHED = "PUBLISHED"
    ROLLED_BACK = "ROLLED_BACK"
    STORE_RESTORED = "STORE_RESTORED"
    STORE_ACCEPTED = "STORE_ACCEPTED"

    @property
    def is_of_store(self) -> bool:
        """Whether it ends a loss, and is about no preset."""
        return self in {AuditAction.STORE_RESTORED, AuditAction.STORE_ACCEPTED}


class Tip(NamedTuple):
    """A place in the chain: after how many events, and the hash of the last of them."""

    sequence: int = 0
    """Of the last event; 0: there is none."""
    hash: str = ""
    """Of the last event; empty: there is none."""

    def to_text(self) -> str:
        """One word, the same for the same tip."""
        return f"{self.sequence}:{self.hash}"


MAX_COUNT = 2**63
"""What the contract's int64 cannot carry any more."""
START = Tip()
"""Of a chain without events."""


def tip_from_text(text: str) -> Tip:
    """The tip that a stored value means.

    Raises:
        RecordCorrupt: the value is none.
    """
    sequence, colon, digest = text.partition(":")
    if not (colon and sequence.isascii() and sequence.isdecimal()):
        raise RecordCorrupt("audit tip", f"{text[:80]!r} is no sequence and hash")
    return Tip(int(sequence), digest)


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One event of the chain."""

    sequence: int
    """Place in the chain, from 1."""
    action: AuditAction
    name: str
    """Of the preset; empty: the event is about the store."""
    revision: int
    """The one written, published or gone back to; the newest of an archived preset; 0: of the
    store."""
    etag: str
    """Of the preset after the event; of the store: the tip up to which it speaks."""
    content_hash: str
    """SHA-256, in hex, of the revision that was written, as stored; empty: none was."""
    author: str
    reason: str
    event_time: datetime
    """UTC, by the clock of the replica that wrote it."""
    previous_hash: str
    """`hash` of the event before; empty: there is none."""
    hash: str = ""
    """SHA-256, in hex, of the canonical line."""

    @property
    def tip(self) -> Tip:
        """Where the chain stands after the event."""
        return Tip(self.sequence, self.hash)

    @property
    def speaks_to(self) -> Tip:
        """Of an event about the store: the tip of what was served when a loss was resolved.

        Raises:
            RecordCorrupt: the event names none.
        """
        return tip_from_text(self.etag)

    def to_fields(self) -> dict[str, str]:
        """Every field as text, as the stream keeps it."""
        return {name: _text(value) for name, value in asdict(self).items()}


def canonical_line(event: AuditEvent) -> str:
    """What is hashed: every field but `hash`, as text, in one line of JSON with sorted keys."""
    fields = event.to_fields()
    del fields["hash"]
    return json.dumps(fields, sort_keys=True, separators=(",", ":"))


def hash_of(event: AuditEvent) -> str:
    """SHA-256 of the canonical line, in hex."""
    return hashlib.sha256(canonical_line(event).encode()).hexdigest()


def chained(event: AuditEvent, after: Tip) -> AuditEvent:
    """The event as the next one of a chain: place, previous hash and hash filled in."""
    place = _place_after(event, after)
    placed = replace(event, sequence=place, previous_hash=after.hash, hash="")
    return replace(placed, hash=hash_of(placed))


def event_from_fields(fields: Mapping[str, str]) -> AuditEvent:
    """The event that a stream entry means.

    Raises:
        RecordCorrupt: the entry is none.
    """
    try:
        return AuditEvent(
            sequence=_count(fields["sequence"]),
            action=AuditAction(fields["action"]),
            name=fields["name"],
            revision=_count(fields["revision"]),
            etag=fields["etag"],
            content_hash=fields["content_hash"],
            author=fields["author"],
            reason=fields["reason"],
            event_time=_moment(fields["event_time"]),
            previous_hash=fields["previous_hash"],
            hash=fields["hash"],
        )
    except (KeyError, ValueError, OverflowError) as error:
        raise RecordCorrupt("audit event", str(error)) from error


def event_to_proto(event: AuditEvent) -> preset_pb2.AuditEvent:
    """The message of an event."""
    message = preset_pb2.AuditEvent(
        sequence=event.sequence,
        action=preset_pb2.AuditAction.Value(f"AUDIT_ACTION_{event.action}"),
        name=event.name,
        revision=event.revision,
        etag=event.etag,
        content_hash=event.content_hash,
        author=event.author,
        reason=event.reason,
        previous_hash=event.previous_hash,
        hash=event.hash,
    )
    message.event_time.FromDatetime(event.event_time)
    return message


def event_from_proto(message: preset_pb2.AuditEvent) -> AuditEvent:
    """The event that a message means.

    Raises:
        RecordCorrupt: its action is one that this version does not know.
    """
    try:
        name = preset_pb2.AuditAction.Name(message.action).removeprefix("AUDIT_ACTION_")
        action = AuditAction(name)
    except ValueError as error:
        raise RecordCorrupt("audit event", str(error)) from error
    return AuditEvent(
        sequence=message.sequence,
        action=action,
        name=message.name,
        revision=message.revision,
        etag=message.etag,
        content_hash=message.content_hash,
        author=message.author,
        reason=message.reason,
        event_time=message.event_time.ToDatetime(UTC),
        previous_hash=message.previous_hash,
        hash=message.hash,
    )


class ChainBreak(NamedTuple):
    """The first place where a chain does not hold."""

    sequence: int
    """Of the event that does not fit; one past the last event where the end is missing."""
    why: str
    """A sentence for a person."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of verifying a chain."""

    n_events: int
    """Events that hold, from the first."""
    tip: Tip
    """After the last event that holds."""
    recoveries: tuple[AuditEvent, ...]
    """Events that ended a loss: what was before such an event may lack events."""
    broken: ChainBreak | None
    """The first break; None: the chain holds, and ends where the store says it does."""


def verify(events: Iterable[AuditEvent], tip: Tip) -> Verification:
    """Whether the chain is unbroken. Events may be missing before one that ended a loss.

    Args:
        events: all of them, oldest first.
        tip: as kept beside the chain.
    """
    at, n_events = START, 0
    recoveries: list[AuditEvent] = []
    gap: Verification | None = None
    for event in events:
        if why := _why_not_next(event, at):
            broken = ChainBreak(event.sequence, why)
            gap = gap or Verification(n_events, at, tuple(recoveries), broken)
            if event.hash != hash_of(event):
                return gap
        elif event.action.is_of_store:
            gap = None
        at, n_events = event.tip, n_events + 1
        if event.action.is_of_store:
            recoveries.append(event)
    return gap or Verification(n_events, at, tuple(recoveries), _end_missing(at, tip))


def _why_not_next(event: AuditEvent, at: Tip) -> str:
    """What keeps an event from following a tip; empty: nothing."""
    if event.hash != hash_of(event):
        return f"event {event.sequence} was changed: its hash is not that of its fields"
    try:
        expected = _place_after(event, at)
    except RecordCorrupt as corrupt:
        return f"event {event.sequence} does not say up to where it speaks: {corrupt}"
    if event.sequence != expected:
        return f"event {event.sequence} follows event {at.sequence}: it is not the next one"
    if event.previous_hash != at.hash:
        return f"event {event.sequence} names another hash than that of the event before it"
    return ""


def _place_after(event: AuditEvent, at: Tip) -> int:
    """The place of an event after a tip; about the store, behind what it speaks up to as well."""
    if not event.action.is_of_store:
        return at.sequence + 1
    return max(at.sequence, event.speaks_to.sequence) + 1


def _end_missing(at: Tip, tip: Tip) -> ChainBreak | None:
    if at == tip:
        return None
    if at.sequence < tip.sequence:
        why = f"the chain ends at event {at.sequence}; by the tip there are {tip.sequence}"
    else:
        why = f"the chain ends at event {at.sequence}; the tip is of another, {tip.sequence}"
    return ChainBreak(at.sequence + 1, why)


def written_since(events: Iterable[AuditEvent]) -> list[AuditEvent]:
    """Events since the last recovery that wrote a revision: a recovery writes revisions back, so
    that what was written before it may be another's."""
    written: list[AuditEvent] = []
    for event in events:
        if event.action.is_of_store:
            written.clear()
        elif event.content_hash:
            written.append(event)
    return written


def content_break(
    events: Iterable[AuditEvent], contents: Mapping[tuple[str, int], str]
) -> ChainBreak | None:
    """The first of the events `written_since` whose revision is not as it was written.

    Args:
        events: of a verified chain, oldest first.
        contents: content hash of the revisions that there are, by name and number.
    """
    for event in written_since(events):
        there = contents.get((event.name, event.revision), "")
        if there != event.content_hash:
            fact = "is not as it was written" if there else "is gone"
            why = f"preset {event.name!r} revision {event.revision} {fact}"
            return ChainBreak(event.sequence, why)
    return None


def _moment(text: str) -> datetime:
    """A moment that the contract can carry.

    Raises:
        ValueError: it is none.
        OverflowError: in UTC it is before the year 1, or after 9999.
    """
    moment = datetime.fromisoformat(text)
    moment.astimezone(UTC)
    return moment


def _count(text: str) -> int:
    """A number that the contract can carry.

    Raises:
        ValueError: it is none.
    """
    number = int(text)
    if not 0 <= number < MAX_COUNT:
        raise ValueError(f"{number} is out of range")
    return number


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return str(value)

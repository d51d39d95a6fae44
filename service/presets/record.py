"""A preset as it is stored: revisions that never change, and a head that says which is in force.

The head knows which revisions were never in force; every state of a revision follows from it.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

from google.protobuf import json_format
from steerrec.v1 import preset_pb2

from service.convert import rule_from_proto, rule_to_proto
from service.errors import InvalidRequest
from service.presets.errors import RecordCorrupt
from service.presets.targeting import Targeting, targeting_from_proto, targeting_to_proto
from steering.errors import RuleFault
from steering.rules import Rule

MAX_REVISION = 2**53
"""A number that JSON carries exactly."""


@dataclass(frozen=True, slots=True)
class PresetRevision:
    """One revision of one preset. Never changes once written."""

    name: str
    description: str
    rules: tuple[Rule, ...]
    feature_space: str
    """What its feature indices belong to; empty: it has none."""
    revision: int
    """From 1."""
    author: str
    reason: str
    create_time: datetime
    """When the preset was first written, UTC."""
    update_time: datetime
    """When this revision was written, UTC."""
    targeting: Targeting | None = None
    """When it applies; None: wherever it is named."""

    @property
    def content_hash(self) -> str:
        """SHA-256, in hex, of the revision as stored."""
        return hashlib.sha256(to_json(self).encode()).hexdigest()

    @property
    def names_features(self) -> bool:
        """Whether a rule has a feature index, so that the feature space matters."""
        return any(isinstance(rule.target, int) for rule in self.rules)


class RevisionState(StrEnum):
    """Where a revision stands; spelled as in the contract."""

    DRAFT = "DRAFT"
    ACTIVE = "ACTIVE"
    SUPERSEDED = "SUPERSEDED"
    ARCHIVED = "ARCHIVED"


class Head(NamedTuple):
    """Where a preset stands."""

    revision: int
    """The newest."""
    etag: str
    """Changes with every write."""
    is_archived: bool
    active: int
    """The revision in force; 0: none."""
    drafts: tuple[int, ...] = ()
    """Revisions that were never in force, oldest first."""

    @property
    def shown(self) -> int:
        """The revision in force; where none is, the newest."""
        return self.active or self.revision

    def state_of(self, revision: int) -> RevisionState:
        """Where one of its revisions stands."""
        if self.is_archived:
            return RevisionState.ARCHIVED
        if revision == self.active:
            return RevisionState.ACTIVE
        return RevisionState.DRAFT if revision in self.drafts else RevisionState.SUPERSEDED

    def kept(self, most: int) -> list[int]:
        """Revisions that replicas keep, oldest first: the one in force, the drafts, and so many
        of the newest that were in force."""
        if self.is_archived:
            return []
        served = (n for n in range(self.revision, 0, -1) if n not in self.drafts)
        return sorted({*islice(served, most), *self.drafts, *filter(None, [self.active])})

    def to_json(self) -> str:
        """One line, always the same for the same head."""
        return json.dumps(self._asdict(), sort_keys=True)


def is_revision(text: str) -> bool:
    """Whether a field of stored revisions is the number of one."""
    return text.isascii() and text.isdecimal() and len(text) < 17 and int(text) <= MAX_REVISION


def head_from_json(text: str | bytes) -> Head:
    """The head that a stored value means; one from before drafts has its newest in force.

    Raises:
        RecordCorrupt: the value is none.
    """
    try:
        values = json.loads(text)
        in_force = 0 if values["is_archived"] else values["revision"]
        head = Head(**({"active": in_force} | values | {"drafts": tuple(values.get("drafts", ()))}))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise RecordCorrupt("head", f"is no JSON of a head ({type(error).__name__})") from error
    if fault := _head_fault(head):
        raise RecordCorrupt("head", fault)
    return head


def _head_fault(head: Head) -> str:
    """What no head that was written can hold; empty: nothing."""
    numbers = (head.revision, head.active, *head.drafts)
    if not all(type(number) is int and 0 <= number <= MAX_REVISION for number in numbers):
        return "holds a revision that is no number from 0 on"
    if head.revision < max(numbers):
        return f"names revision {max(numbers)} of {head.revision}"
    if type(head.is_archived) is not bool or type(head.etag) is not str:
        return "holds a value of another type"
    return ""


def drafted(before: Head | None, record: PresetRevision) -> Head:
    """The head after a draft was written: what is in force stays."""
    active, drafts = (before.active, before.drafts) if before else (0, ())
    own = (*drafts, record.revision)
    return _marked(Head(record.revision, "", False, active, own), before, record)


def head_of(record: PresetRevision, before: Head | None = None) -> Head:
    """The head after a revision was written and put in force."""
    drafts = before.drafts if before else ()
    return _marked(Head(record.revision, "", False, record.revision, drafts), before, record)


def pointed(before: Head, revision: int) -> Head:
    """The head after a revision that there was already was put in force."""
    drafts = tuple(n for n in before.drafts if n != revision)
    return _marked(Head(before.revision, "", False, revision, drafts), before)


def restored(served: Head, found: Head | None) -> Head:
    """The head of a preset that is written back to a store that lost it.

    Args:
        served: what is in force again.
        found: what the store has by now. Revisions in it that are newer keep their numbers, and
            the next one goes on behind them.
    """
    if found is None or found.revision <= served.revision:
        return served
    drafts = (*served.drafts, *(n for n in found.drafts if n > served.revision))
    return _marked(served._replace(revision=found.revision, drafts=drafts), found)


def remnant(revision: int) -> Head:
    """The head of a preset whose own is gone while revisions up to this one are there."""
    return _marked(Head(revision, "", True, 0), None)


def archived(before: Head) -> Head:
    """The head of the same preset, out of force."""
    return _marked(before._replace(is_archived=True, active=0), before)


def _marked(head: Head, before: Head | None, record: PresetRevision | None = None) -> Head:
    """The head with an etag that no head of the preset had before: it goes on from the last."""
    seed = (before.etag if before else "", head._replace(etag="").to_json())
    content = record.content_hash if record else ""
    digest = hashlib.sha256("\n".join((*seed, content)).encode()).hexdigest()
    return head._replace(etag=f"{head.revision}-{digest[:12]}")


def to_json(record: PresetRevision) -> str:
    """The stored form: the contract's JSON, keys sorted."""
    message = to_proto(record)
    return json_format.MessageToJson(
        message, preserving_proto_field_name=True, sort_keys=True, indent=None
    )


def from_json(text: str | bytes) -> PresetRevision:
    """The revision that a stored value means.

    Raises:
        RecordCorrupt: the value is none.
    """
    try:
        return from_proto(json_format.Parse(text, preset_pb2.Preset()))
    except (
        *(json_format.ParseError, RuleFault, InvalidRequest),
        *(ValueError, OverflowError, RecursionError),
    ) as error:
        raise RecordCorrupt("revision", str(error)[:200]) from error


def to_proto(record: PresetRevision, head: Head | None = None) -> preset_pb2.Preset:
    """The message of a revision; with its preset's head, state and etag are filled in."""
    message = preset_pb2.Preset(
        name=record.name,
        description=record.description,
        rules=[rule_to_proto(rule) for rule in record.rules],
        feature_space=record.feature_space,
        revision=record.revision,
        author=record.author,
        reason=record.reason,
        targeting=targeting_to_proto(record.targeting) if record.targeting else None,
    )
    message.create_time.FromDatetime(record.create_time)
    message.update_time.FromDatetime(record.update_time)
    if head is not None:
        state = head.state_of(record.revision)
        message.state = preset_pb2.PresetState.Value(f"PRESET_STATE_{state}")
        message.etag = head.etag
    return message


def from_proto(message: preset_pb2.Preset) -> PresetRevision:
    """The revision that a message means.

    Raises:
        InvalidRule: a rule names no operation or no target.
        InvalidRequest: its targeting breaks the contract.
    """
    return PresetRevision(
        name=message.name,
        description=message.description,
        rules=tuple(
            rule_from_proto(rule, f"preset.rules[{i}]") for i, rule in enumerate(message.rules)
        ),
        feature_space=message.feature_space,
        revision=message.revision,
        author=message.author,
        reason=message.reason,
        create_time=message.create_time.ToDatetime(UTC),
        update_time=message.update_time.ToDatetime(UTC),
        targeting=targeting_from_proto(message.targeting)
        if message.HasField("targeting")
        else None,
    )


def next_revision(record: PresetRevision, after: Head | None, now: datetime) -> PresetRevision:
    """The record as the revision that follows `after`, written now."""
    return replace(record, revision=after.revision + 1 if after else 1, update_time=now)

"""A preset as it is stored: revisions that never change, and a head that says which is in force."""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

from google.protobuf import json_format
from steerrec.v1 import preset_pb2

from service.convert import rule_from_proto, rule_to_proto
from service.presets.errors import RecordCorrupt
from steering.errors import RuleFault
from steering.rules import Rule


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

    @property
    def etag(self) -> str:
        """Changes with every write."""
        digest = hashlib.sha256(to_json(self).encode()).hexdigest()
        return f"{self.revision}-{digest[:12]}"

    @property
    def names_features(self) -> bool:
        """Whether a rule has a feature index, so that the feature space matters."""
        return any(isinstance(rule.target, int) for rule in self.rules)


class Head(NamedTuple):
    """Which revision of a preset is in force."""

    revision: int
    """The newest."""
    etag: str
    """Of the newest revision; changes when the preset is archived too."""
    is_archived: bool

    def to_json(self) -> str:
        """One line, always the same for the same head."""
        return json.dumps(self._asdict(), sort_keys=True)


def head_from_json(text: str | bytes) -> Head:
    """The head that a stored value means.

    Raises:
        RecordCorrupt: the value is none.
    """
    try:
        return Head(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise RecordCorrupt("head", str(error)) from error


def head_of(record: PresetRevision) -> Head:
    """The head that puts a revision in force."""
    return Head(record.revision, record.etag, is_archived=False)


def archived(head: Head) -> Head:
    """The head of the same preset, out of force."""
    return Head(head.revision, f"{head.etag}-archived", is_archived=True)


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
    except (json_format.ParseError, RuleFault) as error:
        raise RecordCorrupt("revision", str(error)) from error


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
    )
    message.create_time.FromDatetime(record.create_time)
    message.update_time.FromDatetime(record.update_time)
    if head is not None:
        message.state = _state(record, head)
        message.etag = head.etag
    return message


def from_proto(message: preset_pb2.Preset) -> PresetRevision:
    """The revision that a message means.

    Raises:
        InvalidRule: a rule names no operation or no target.
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
    )


def next_revision(record: PresetRevision, after: Head | None, now: datetime) -> PresetRevision:
    """The record as the revision that follows `after`, written now."""
    return replace(record, revision=after.revision + 1 if after else 1, update_time=now)


def _state(record: PresetRevision, head: Head) -> preset_pb2.PresetState.ValueType:
    if head.is_archived:
        return preset_pb2.PRESET_STATE_ARCHIVED
    if record.revision < head.revision:
        return preset_pb2.PRESET_STATE_SUPERSEDED
    return preset_pb2.PRESET_STATE_ACTIVE

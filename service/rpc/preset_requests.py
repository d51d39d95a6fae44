"""What requests to PresetService may hold, and what is wrong with one that holds something else."""

import re
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from google.protobuf import field_mask_pb2
from steerrec.v1 import preset_pb2

from service.convert import rule_from_proto
from service.errors import InvalidRequest, Violation
from service.presets.loss import Resolution
from service.presets.record import PresetRevision
from steering.errors import InvalidRule, RulesRefused
from steering.rules import LINES, Rule, hidden_character, repeated_ids

NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
MAX_DESCRIPTION = 500
MAX_AUTHOR = 100
MAX_REASON = 500
MAX_RULES = 256
FEATURE_SPACE = re.compile(r"[0-9a-f]{16}")
EDITABLE = ("description", "rules", "feature_space", "targeting")
"""Fields that an update may name; the others are the service's own."""

RESOLUTIONS = {
    preset_pb2.STORE_LOSS_RESOLUTION_RESTORE: Resolution.RESTORE,
    preset_pb2.STORE_LOSS_RESOLUTION_ACCEPT: Resolution.ACCEPT,
}

Signed: TypeAlias = (
    preset_pb2.CreatePresetRequest
    | preset_pb2.UpdatePresetRequest
    | preset_pb2.DeletePresetRequest
    | preset_pb2.PublishPresetRequest
    | preset_pb2.RollbackPresetRequest
    | preset_pb2.ResolveStoreLossRequest
)


def refuse_if(violations: Iterable[Violation]) -> None:
    """Raises InvalidRequest where there is any."""
    if found := list(violations):
        raise InvalidRequest(found)


def rules_of(message: preset_pb2.Preset, field: str = "preset") -> tuple[Rule, ...]:
    """The preset's rules; `field` is its path, for faults.

    Raises:
        RulesRefused: with every rule that is none.
    """
    rules, faults = [], []
    for i, rule in enumerate(message.rules):
        try:
            rules.append(rule_from_proto(rule, f"{field}.rules[{i}]"))
        except InvalidRule as fault:
            faults.append(fault)
    if faults:
        raise RulesRefused(faults)
    return tuple(rules)


def masked(mask: field_mask_pb2.FieldMask) -> Iterator[str]:
    """Fields that an update takes; all of them without a mask, or with `*`."""
    yield from EDITABLE if not mask.paths or "*" in mask.paths else mask.paths


def name_violations(name: str, field: str = "preset.name") -> Iterator[Violation]:
    """Of a preset's name."""
    if NAME.fullmatch(name) is None:
        yield Violation(
            field,
            f"{name[:80]!r} must be a lower-case letter, then at most 62 of a-z, 0-9 and '-'",
        )


def etag_violations(etag: str, field: str = "etag") -> Iterator[Violation]:
    """Of an etag that has to be there."""
    if not etag:
        yield Violation(field, "is required: read the preset and hand its etag back")


def revision_violations(
    revision: int, field: str = "revision", *, least: int = 1, zero: str = ""
) -> Iterator[Violation]:
    """Of a revision's number; `zero` says what 0 means where it may be."""
    if revision < least:
        meaning = f"; 0 means {zero}" if zero else ""
        yield Violation(field, f"{revision} is no revision: they count from 1{meaning}")


def signature_violations(request: Signed) -> Iterator[Violation]:
    """Of who writes, and why."""
    for field, text, most in (
        ("author", request.author, MAX_AUTHOR),
        ("reason", request.reason, MAX_REASON),
    ):
        if not text.strip():
            yield Violation(field, "is required: every change says who made it and why")
        elif len(text) > most:
            yield Violation(field, f"{len(text)} characters; at most {most}")
        elif character := hidden_character(text, allowed=LINES):
            yield Violation(field, f"holds {character}; remove it")


def mask_violations(fields: Iterable[str]) -> Iterator[Violation]:
    """Of the fields that an update names."""
    for field in fields:
        if field not in EDITABLE:
            yield Violation(
                "update_mask", f"{field!r} cannot be updated; one of {', '.join(EDITABLE)}"
            )


def content_violations(record: PresetRevision) -> Iterator[Violation]:
    """Of texts and counts of a revision."""
    if record.feature_space and FEATURE_SPACE.fullmatch(record.feature_space) is None:
        message = "is no feature space: 16 hex digits, as GetModel shows it, or empty"
        yield Violation("preset.feature_space", f"{record.feature_space[:80]!r} {message}")
    if character := hidden_character(record.description, allowed=LINES):
        yield Violation("preset.description", f"holds {character}; remove it")
    if len(record.description) > MAX_DESCRIPTION:
        yield Violation(
            "preset.description",
            f"{len(record.description)} characters; at most {MAX_DESCRIPTION}",
        )
    if not 1 <= len(record.rules) <= MAX_RULES:
        yield Violation("preset.rules", f"{len(record.rules)} rules; 1 to {MAX_RULES}")
    yield from _twice(record.rules)


def _twice(rules: Iterable[Rule]) -> Iterator[Violation]:
    """Of ids that several rules have: a report would not say which it is about."""
    for index, first in repeated_ids(rules):
        message = f"is that of rules[{first}] too; each rule has its own, or none"
        yield Violation(f"preset.rules[{index}].rule_id", message)


def resolution_violations(resolution: int) -> Iterator[Violation]:
    """Of the way to end a loss, which an operator has to name."""
    if resolution not in RESOLUTIONS:
        yield Violation(
            "resolution",
            "must be RESTORE, to write back what this replica serves, or ACCEPT, to take what the"
            " store has",
        )

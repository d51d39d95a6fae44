"""Putting preset files in force, without a new revision where nothing changed."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from steerrec.v1 import preset_pb2, rule_pb2

from cli.client import Client
from cli.errors import CallRefused
from cli.exit_code import ExitCode
from cli.output import show, show_json


class Signature(NamedTuple):
    """Who writes, and why: both go to the audit log."""

    author: str
    reason: str


class Outcome(StrEnum):
    """What applying a file did."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


class Applied(NamedTuple):
    """A file that is in force."""

    outcome: Outcome
    preset: preset_pb2.Preset
    """As stored."""


def apply(
    client: Client, preset: preset_pb2.Preset, signed: Signature, *, validate_only: bool = False
) -> Applied:
    """Puts the preset in force unless what is in force says the same.

    Raises:
        CallRefused: the service refused it, or somebody else changed it meanwhile (CONFLICT).
    """
    current = in_force(client, preset.name)
    if current is None:
        return _created(client, preset, signed, validate_only=validate_only)
    if says_the_same(preset, current):
        return Applied(Outcome.UNCHANGED, current)
    return _updated(client, preset, current.etag, signed, validate_only=validate_only)


def in_force(client: Client, name: str) -> preset_pb2.Preset | None:
    """The preset of this name that is in force, or None."""
    try:
        reply = client.call(client.presets.GetPreset, preset_pb2.GetPresetRequest(name=name))
    except CallRefused as refused:
        if refused.exit_code is ExitCode.NOT_FOUND:
            return None
        raise
    return reply.preset


def says_the_same(wanted: preset_pb2.Preset, current: preset_pb2.Preset) -> bool:
    """Whether applying `wanted` would change nothing; a feature space left out is any."""
    return (
        wanted.description == current.description
        and wanted.feature_space in ("", current.feature_space)
        and [_spelled_out(rule) for rule in wanted.rules]
        == [_spelled_out(rule) for rule in current.rules]
    )


def show_applied(applied: Sequence[Applied], *, as_json: bool) -> None:
    """Print what happened to each file's preset."""
    if as_json:
        show_json([{"outcome": one.outcome.value, "preset": one.preset} for one in applied])
        return
    for outcome, preset in applied:
        show(f"{preset.name}: {outcome}, revision {preset.revision}")


def _created(
    client: Client, preset: preset_pb2.Preset, signed: Signature, *, validate_only: bool
) -> Applied:
    request = preset_pb2.CreatePresetRequest(
        preset=preset, author=signed.author, reason=signed.reason, validate_only=validate_only
    )
    reply = client.call(client.presets.CreatePreset, request)
    return Applied(Outcome.CREATED, reply.preset)


def _updated(
    client: Client,
    preset: preset_pb2.Preset,
    etag: str,
    signed: Signature,
    *,
    validate_only: bool,
) -> Applied:
    request = preset_pb2.UpdatePresetRequest(
        preset=preset, author=signed.author, reason=signed.reason, validate_only=validate_only
    )
    request.preset.etag = etag
    reply = client.call(client.presets.UpdatePreset, request)
    return Applied(Outcome.UPDATED, reply.preset)


def _spelled_out(rule: rule_pb2.Rule) -> rule_pb2.Rule:
    """The rule with its default unit named."""
    named = rule_pb2.Rule()
    named.CopyFrom(rule)
    named.unit = rule.unit or rule_pb2.UNIT_REFERENCE
    return named

"""Revisions of a preset: listed, compared, put in force, and gone back to."""

from collections.abc import Sequence

import typer
from steerrec.v1 import preset_pb2

from cli.audit_log import events
from cli.client import Client
from cli.confirming import confirm
from cli.errors import NotFound
from cli.output import note, show, show_json, table
from cli.preset_differences import difference_line, differences
from cli.rule_text import preset_reference_of
from cli.stored_presets import Signature, moment, newest_revision, revisions, state

PUTS_IN_FORCE = (
    preset_pb2.AUDIT_ACTION_CREATED,
    preset_pb2.AUDIT_ACTION_UPDATED,
    preset_pb2.AUDIT_ACTION_PUBLISHED,
    preset_pb2.AUDIT_ACTION_ROLLED_BACK,
)
"""Actions after which the event's revision is in force."""


def named(text: str, revision: int | None) -> tuple[str, int | None]:
    """Name and revision that `NAME [REVISION]` or `NAME@REVISION` spell; None: none is named.

    Raises:
        BadParameter: the revision is no number from 1, or is given twice.
    """
    reference = preset_reference_of(text)
    if not reference.HasField("revision"):
        return reference.name, revision
    if reference.revision < 1:
        raise typer.BadParameter(f"{text!r}: the revision after @ is a number from 1")
    if revision is not None:
        raise typer.BadParameter(f"{text!r} names a revision already; leave {revision} out")
    return reference.name, reference.revision


def draft(kept: Sequence[preset_pb2.Preset], name: str, revision: int | None) -> preset_pb2.Preset:
    """The draft to publish: the revision asked for, else the newest draft.

    Args:
        kept: every revision of the preset, newest first.
        name: of the preset.
        revision: the one asked for.

    Raises:
        NotFound: there is none.
    """
    for one in kept:
        if one.revision == revision or (revision is None and _is_draft(one)):
            return one
    which = "no draft" if revision is None else f"no revision {revision}"
    raise NotFound(f"{name}: {which} is kept; `steerrec preset revisions {name}` lists them")


def confirm_older(
    chosen: preset_pb2.Preset, kept: Sequence[preset_pb2.Preset], *, yes: bool, dry_run: bool
) -> None:
    """Warns of a draft older than the revision in force, and asks; of any other it says nothing.

    Raises:
        Refused: the answer is no, or there is nobody to ask.
    """
    in_force = next((one.revision for one in kept if _is_active(one)), 0)
    if not _is_draft(chosen) or chosen.revision > in_force:
        return
    note(f"draft {chosen.revision} is older than revision {in_force}, which is in force")
    if not dry_run:
        confirm(f"publish draft {chosen.revision} all the same?", yes=yes)


def publish(
    client: Client, preset: preset_pb2.Preset, signed: Signature, *, validate_only: bool = False
) -> preset_pb2.Preset:
    """The draft, now in force.

    Raises:
        CallRefused: it is no draft, the publish policy forbids it, or somebody else was first.
    """
    request = preset_pb2.PublishPresetRequest(
        name=preset.name,
        revision=preset.revision,
        etag=preset.etag,
        author=signed.author,
        reason=signed.reason,
        validate_only=validate_only,
    )
    return client.call(client.presets.PublishPreset, request).preset


def revision_before(client: Client, name: str) -> int:
    """The revision to go back to where none is named, by the audit chain.

    Raises:
        NotFound: there is none.
        CallRefused: there is no such preset.
    """
    told = events(client, name)
    before = in_force_before(told)
    if before is not None:
        return before
    newest = newest_revision(client, name)
    if not any(event.action in PUTS_IN_FORCE for event in told):
        raise NotFound(
            f"preset {name!r} is only a draft: `steerrec preset publish {name}` puts revision "
            f"{newest.revision} in force"
        )
    raise NotFound(
        f"{name}: no earlier revision was in force; `steerrec preset revisions {name}` lists "
        f"them, and `steerrec preset rollback {name} REVISION` goes to any that was"
    )


def in_force_before(told: Sequence[preset_pb2.AuditEvent]) -> int | None:
    """The revision last in force with a lower number than the present one; None: there is none.

    The lower number keeps a second rollback from bringing back what the first one took out of
    force. Of a deleted preset it is the revision that was in force last.

    Args:
        told: the preset's events, oldest first.
    """
    in_force = [event.revision for event in told if event.action in PUTS_IN_FORCE]
    if told and told[-1].action == preset_pb2.AUDIT_ACTION_ARCHIVED and in_force:
        return in_force[-1]
    return next((one for one in reversed(in_force) if one < in_force[-1]), None)


def rollback(
    client: Client, name: str, revision: int, signed: Signature, *, validate_only: bool = False
) -> preset_pb2.Preset:
    """The revision, in force again.

    Raises:
        CallRefused: it never was in force, or somebody else was first.
    """
    request = preset_pb2.RollbackPresetRequest(
        name=name,
        revision=revision,
        etag=newest_revision(client, name).etag,
        author=signed.author,
        reason=signed.reason,
        validate_only=validate_only,
    )
    return client.call(client.presets.RollbackPreset, request).preset


def difference(client: Client, name: str, before: int, after: int) -> preset_pb2.DiffPresetResponse:
    """What changed from one revision (0: that in force) to another (0: the newest).

    Where neither is named, to the newest draft; without a draft both are the one in force.
    """
    if not before and not after:
        after = _proposed(revisions(client, name))
    request = preset_pb2.DiffPresetRequest(name=name, from_revision=before, to_revision=after)
    return client.call(client.presets.DiffPreset, request)


def show_revisions(presets: Sequence[preset_pb2.Preset], *, as_json: bool) -> None:
    """Print one line for each revision."""
    if as_json:
        show_json(presets)
        return
    made = table("revision", "state", "written", "author", "reason", right=("revision",))
    for one in presets:
        written = moment(one.update_time)
        made.add_row(str(one.revision), state(one), written, one.author, one.reason)
    show(made)


def show_difference(
    reply: preset_pb2.DiffPresetResponse, *, as_json: bool, of_draft: bool = False
) -> None:
    """Print what changed, a line a field; `of_draft` where a draft's was asked for."""
    if as_json:
        show_json(reply)
        return
    before, after = getattr(reply, "from"), reply.to
    if of_draft and before.revision == after.revision:
        show(f"{after.name}: {_alone(after)}")
        return
    show(
        f"{after.name}: revision {before.revision} ({state(before)}) -> "
        f"{after.revision} ({state(after)})"
    )
    lines = [f"  {difference_line(one)}" for one in differences(before, after)]
    show(*(lines or ["  no difference"]))


def _alone(only: preset_pb2.Preset) -> str:
    """Why there is nothing to compare the revision with."""
    if _is_active(only):
        return f"no draft is open; revision {only.revision} is in force"
    draft = f"draft {only.revision} is open" if _is_draft(only) else "no draft is open"
    return f"{draft}; no revision is in force"


def _proposed(kept: Sequence[preset_pb2.Preset]) -> int:
    """The newest draft, else the revision in force, else 0."""
    drafts = [one.revision for one in kept if _is_draft(one)]
    return (drafts or [one.revision for one in kept if _is_active(one)] or [0])[0]


def _is_active(preset: preset_pb2.Preset) -> bool:
    return preset.state == preset_pb2.PRESET_STATE_ACTIVE


def _is_draft(preset: preset_pb2.Preset) -> bool:
    return preset.state == preset_pb2.PRESET_STATE_DRAFT

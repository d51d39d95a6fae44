"""Revisions of a preset: listed, compared, put in force, and gone back to."""

from collections.abc import Sequence

from steerrec.v1 import preset_pb2

from cli.audit_log import events
from cli.client import Client
from cli.errors import NotFound
from cli.output import show, show_json, table
from cli.preset_differences import difference_line, differences
from cli.stored_presets import Signature, moment, newest_revision, revisions, state

PUTS_IN_FORCE = (
    preset_pb2.AUDIT_ACTION_CREATED,
    preset_pb2.AUDIT_ACTION_UPDATED,
    preset_pb2.AUDIT_ACTION_PUBLISHED,
    preset_pb2.AUDIT_ACTION_ROLLED_BACK,
)
"""Actions after which the event's revision is in force."""


def draft(client: Client, name: str, revision: int | None) -> preset_pb2.Preset:
    """The draft to publish: the revision asked for, else the newest draft.

    Raises:
        NotFound: there is none.
    """
    for one in revisions(client, name):
        if one.revision == revision or (revision is None and _is_draft(one)):
            return one
    which = "no draft" if revision is None else f"no revision {revision}"
    raise NotFound(f"{name}: {which} is kept; `steerrec preset revisions {name}` lists them")


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
    """The revision that was in force before the present one, by the audit chain.

    Of a deleted preset it is the one that was in force last.

    Raises:
        NotFound: none was.
    """
    told = events(client, name)
    in_force = [event.revision for event in told if event.action in PUTS_IN_FORCE]
    if told and told[-1].action == preset_pb2.AUDIT_ACTION_ARCHIVED and in_force:
        return in_force[-1]
    earlier = [revision for revision in in_force if revision != in_force[-1]]
    if not earlier:
        raise NotFound(f"{name}: no other revision was in force before")
    return earlier[-1]


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
    """What changed from one revision (0: that in force) to another (0: the newest)."""
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


def show_difference(reply: preset_pb2.DiffPresetResponse, *, as_json: bool) -> None:
    """Print what changed, a line a field."""
    if as_json:
        show_json(reply)
        return
    before, after = getattr(reply, "from"), reply.to
    show(
        f"{after.name}: revision {before.revision} ({state(before)}) -> "
        f"{after.revision} ({state(after)})"
    )
    lines = [f"  {difference_line(one)}" for one in differences(before, after)]
    show(*(lines or ["  no difference"]))


def _is_draft(preset: preset_pb2.Preset) -> bool:
    return preset.state == preset_pb2.PRESET_STATE_DRAFT

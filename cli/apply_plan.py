"""What applying preset files would do, found out from the service before anything is written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from rich.text import Text
from steerrec.v1 import preset_pb2

from cli.client import Client
from cli.errors import CallRefused
from cli.exit_code import ExitCode
from cli.preset_conflicts import conflict_told
from cli.preset_differences import difference_line, differences, says_the_same
from cli.preset_file import PresetFile
from cli.preset_history import publish
from cli.stored_presets import Signature, delete, listed, newest_revision


class Action(StrEnum):
    """What is to be done about one preset."""

    CREATE = "create"
    UPDATE = "update"
    PUBLISH = "publish"
    ARCHIVE = "archive"
    UNCHANGED = "unchanged"

    @property
    def is_write(self) -> bool:
        """Whether the service is to write something."""
        return self is not Action.UNCHANGED


MARKS = {
    Action.CREATE: ("+", "green"),
    Action.UPDATE: ("~", "yellow"),
    Action.PUBLISH: ("^", "green"),
    Action.ARCHIVE: ("-", "red"),
    Action.UNCHANGED: ("=", "dim"),
}


@dataclass(frozen=True)
class Step:
    """What is to be done about one preset."""

    action: Action
    preset: preset_pb2.Preset
    """As wanted; with the revision to publish, archive or leave."""
    signed: Signature
    etag: str = ""
    """Of the preset as planned against; empty: there was none."""
    differences: Sequence[preset_pb2.PresetDifference] = field(default=())
    """From what is there to what is wanted."""
    as_draft: bool = False
    """Whether what is written stays out of force."""

    def report(self) -> dict[str, object]:
        """The step as one JSON value."""
        return {
            "action": self.action.value,
            "name": self.preset.name,
            "as_draft": self.as_draft,
            "differences": list(self.differences),
        }


def planned(
    client: Client, wanted: preset_pb2.Preset, signed: Signature, *, as_draft: bool = False
) -> Step:
    """What applying the preset would do; the service has checked it, and stored nothing.

    A draft that says the same is published instead of written a second time.

    Raises:
        CallRefused: the service would refuse it.
    """
    current = stored_or_none(client, wanted.name)
    step = _step(client, wanted, current, signed, as_draft=as_draft)
    if not step.action.is_write:
        return step
    checked = written(client, step, validate_only=True)
    if step.action is not Action.UPDATE or current is None:
        return step
    return _with_differences(step, current, checked)


def planned_all(
    client: Client, files: Sequence[PresetFile], author: str, reason: str | None, *, as_draft: bool
) -> list[Step]:
    """The steps for all files, in order.

    Raises:
        CallRefused: with what the service says of every file that it would refuse.
    """
    steps, refusals = [], []
    for file in files:
        path = file.source.path
        signed = Signature(author, reason or f"steerrec preset apply {path.name}")
        try:
            steps.append(planned(client, file.preset.message(), signed, as_draft=as_draft))
        except CallRefused as refused:
            if refused.exit_code is ExitCode.UNAVAILABLE:
                raise
            refusals.append((path.name, refused))
    if refusals:
        raise _all_refused(refusals, len(files))
    return steps


def pruned(
    client: Client, files: Sequence[PresetFile], author: str, reason: str | None
) -> list[Step]:
    """Steps that archive the presets in force that no file names."""
    named = {file.preset.name for file in files}
    signed = Signature(author, reason or "steerrec preset apply --prune")
    steps = [
        Step(Action.ARCHIVE, preset, signed, preset.etag)
        for preset in listed(client, show_deleted=False)
        if preset.name not in named and preset.state == preset_pb2.PRESET_STATE_ACTIVE
    ]
    for step in steps:
        written(client, step, validate_only=True)
    return steps


def written(client: Client, step: Step, *, validate_only: bool) -> preset_pb2.Preset:
    """The preset after the step; with validate_only, as it would be.

    Raises:
        CallRefused: the service refused it, or somebody else changed it meanwhile (CONFLICT).
    """
    with conflict_told(client, step.preset.name):
        return _written(client, step, validate_only=validate_only)


def _written(client: Client, step: Step, *, validate_only: bool) -> preset_pb2.Preset:
    match step.action:
        case Action.CREATE:
            return _created(client, step, validate_only=validate_only)
        case Action.UPDATE:
            return _updated(client, step, validate_only=validate_only)
        case Action.PUBLISH:
            return publish(client, step.preset, step.signed, validate_only=validate_only)
        case Action.ARCHIVE:
            return delete(
                client, step.preset.name, step.etag, step.signed, validate_only=validate_only
            )
        case Action.UNCHANGED:
            return step.preset


def stored_or_none(client: Client, name: str) -> preset_pb2.Preset | None:
    """The preset in force, or of one never in force the newest draft; None where there is none."""
    try:
        reply = client.call(client.presets.GetPreset, preset_pb2.GetPresetRequest(name=name))
    except CallRefused as refused:
        if refused.exit_code is ExitCode.NOT_FOUND:
            return None
        raise
    return reply.preset


def plan_text(steps: Sequence[Step]) -> Text:
    """The plan for a person: a line for each preset, its differences, and the sum."""
    text = Text()
    for step in steps:
        mark, style = MARKS[step.action]
        text.append(f"{mark} {step.action:<10}{step.preset.name}{_remark(step)}\n", style=style)
        for difference in step.differences:
            text.append(f"      {difference_line(difference)}\n")
    counts = {action: sum(step.action is action for step in steps) for action in Action}
    summed = [f"{n} {_to_do(action)}" for action, n in counts.items() if n]
    return text.append(f"plan: {', '.join(summed)}")


def _step(
    client: Client,
    wanted: preset_pb2.Preset,
    current: preset_pb2.Preset | None,
    signed: Signature,
    *,
    as_draft: bool,
) -> Step:
    if current is None:
        return Step(Action.CREATE, wanted, signed, as_draft=as_draft)
    is_active = current.state == preset_pb2.PRESET_STATE_ACTIVE
    if is_active and says_the_same(wanted, current):
        return Step(Action.UNCHANGED, current, signed, current.etag)
    newest = newest_revision(client, wanted.name)
    if newest.state == preset_pb2.PRESET_STATE_DRAFT and says_the_same(wanted, newest):
        action = Action.UNCHANGED if as_draft else Action.PUBLISH
        changed = differences(current, newest) if is_active and not as_draft else ()
        return Step(action, newest, signed, newest.etag, changed)
    return Step(Action.UPDATE, wanted, signed, current.etag, as_draft=as_draft)


def _with_differences(step: Step, current: preset_pb2.Preset, checked: preset_pb2.Preset) -> Step:
    """The update with what it changes, as the service would store it; or nothing to do."""
    changed = differences(current, checked)
    is_active = current.state == preset_pb2.PRESET_STATE_ACTIVE
    if not changed and is_active:
        return Step(Action.UNCHANGED, current, step.signed, current.etag)
    return Step(step.action, step.preset, step.signed, step.etag, changed, step.as_draft)


def _created(client: Client, step: Step, *, validate_only: bool) -> preset_pb2.Preset:
    request = preset_pb2.CreatePresetRequest(
        preset=step.preset,
        author=step.signed.author,
        reason=step.signed.reason,
        validate_only=validate_only,
        as_draft=step.as_draft,
    )
    return client.call(client.presets.CreatePreset, request).preset


def _updated(client: Client, step: Step, *, validate_only: bool) -> preset_pb2.Preset:
    request = preset_pb2.UpdatePresetRequest(
        preset=step.preset,
        author=step.signed.author,
        reason=step.signed.reason,
        validate_only=validate_only,
        as_draft=step.as_draft,
    )
    request.preset.etag = step.etag
    return client.call(client.presets.UpdatePreset, request).preset


def _all_refused(refusals: Sequence[tuple[str, CallRefused]], n_files: int) -> CallRefused:
    """One refusal that tells all of them, with the code of the first."""
    first = refusals[0][1]
    lines = [line for name, refused in refusals for line in _named(name, refused)]
    if n_files > 1:
        lines.append("nothing was written")
    return CallRefused(lines, first.status, first.exit_code)


def _named(name: str, refused: CallRefused) -> Iterator[str]:
    first, *others = str(refused).splitlines()
    yield f"{name}: {first}"
    yield from others


def _remark(step: Step) -> str:
    match step.action:
        case Action.CREATE:
            n_rules = len(step.preset.rules)
            return f"  {n_rules} rule{'' if n_rules == 1 else 's'}{_draft(step)}"
        case Action.UPDATE:
            return _draft(step)
        case Action.PUBLISH:
            return f"  revision {step.preset.revision}, a draft that says the same"
        case Action.ARCHIVE:
            return f"  revision {step.preset.revision}, in no file"
        case Action.UNCHANGED:
            return f"  revision {step.preset.revision}"


def _draft(step: Step) -> str:
    return ", as a draft" if step.as_draft else ""


def _to_do(action: Action) -> str:
    return f"to {action}" if action.is_write else action.value

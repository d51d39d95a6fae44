"""Carrying out a plan for preset files, and telling what was written."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from steerrec.v1 import preset_pb2

from cli.apply_plan import Action, Step, plan_text, planned, written
from cli.client import Client
from cli.confirming import confirm
from cli.output import show, show_json
from cli.stored_presets import Signature


class Outcome(StrEnum):
    """What applying a file did."""

    CREATED = "created"
    UPDATED = "updated"
    PUBLISHED = "published"
    ARCHIVED = "archived"
    UNCHANGED = "unchanged"


OUTCOMES = {
    Action.CREATE: Outcome.CREATED,
    Action.UPDATE: Outcome.UPDATED,
    Action.PUBLISH: Outcome.PUBLISHED,
    Action.ARCHIVE: Outcome.ARCHIVED,
    Action.UNCHANGED: Outcome.UNCHANGED,
}


class Applied(NamedTuple):
    """What became of one preset."""

    outcome: Outcome
    preset: preset_pb2.Preset
    """As stored."""


def apply(client: Client, preset: preset_pb2.Preset, signed: Signature) -> Applied:
    """Puts the preset in force unless what is in force says the same.

    Raises:
        CallRefused: the service refused it, or somebody else changed it meanwhile (CONFLICT).
    """
    return carried_out(client, planned(client, preset, signed))


def carried_out(client: Client, step: Step) -> Applied:
    """What the step did.

    Raises:
        CallRefused: the service refused it, or somebody else changed it meanwhile (CONFLICT).
    """
    return Applied(OUTCOMES[step.action], written(client, step, validate_only=False))


def apply_plan(
    client: Client, steps: Sequence[Step], prunes: Sequence[Step], *, yes: bool, as_json: bool
) -> None:
    """Shows the plan, asks, writes, and tells what was written, each as soon as it is.

    Raises:
        Refused: nobody said yes.
        CallRefused: the service refused a step; those before it are in force.
    """
    if not as_json:
        show(plan_text([*steps, *prunes]))
    wanted = [step for step in steps if step.action.is_write]
    if wanted:
        confirm(f"write {_counted(wanted)}?", yes=yes)
    if prunes:
        names = ", ".join(step.preset.name for step in prunes)
        confirm(f"take {_counted(prunes)} out of force: {names}?", yes=yes)
    if as_json:
        _apply_as_json(client, [*steps, *prunes])
        return
    for step in (*wanted, *prunes):
        show_applied([carried_out(client, step)])


def show_plan(steps: Sequence[Step], *, as_json: bool) -> None:
    """Print what applying would do."""
    if as_json:
        show_json([step.report() for step in steps])
    else:
        show(plan_text(steps))


def show_applied(applied: Sequence[Applied]) -> None:
    """Print what happened to each preset."""
    for outcome, preset in applied:
        draft = ", a draft" if preset.state == preset_pb2.PRESET_STATE_DRAFT else ""
        show(f"{preset.name}: {outcome}, revision {preset.revision}{draft}")


def _apply_as_json(client: Client, steps: Sequence[Step]) -> None:
    """One document of what was done, also where a step was refused half-way."""
    applied: list[Applied] = []
    try:
        applied.extend(carried_out(client, step) for step in steps)
    finally:
        show_json([_report(one) for one in applied])


def _report(one: Applied) -> dict[str, object]:
    return {"outcome": one.outcome.value, "preset": one.preset}


def _counted(steps: Sequence[Step]) -> str:
    return f"{len(steps)} preset{'' if len(steps) == 1 else 's'}"

"""Ending the state "store lost its data", after telling what that costs."""

from collections.abc import Sequence
from typing import NamedTuple

from steerrec.v1 import preset_pb2

from cli.client import Client
from cli.confirming import confirm
from cli.output import show, show_json
from cli.stored_presets import Signature


class Way(NamedTuple):
    """One way to end it."""

    resolution: preset_pb2.StoreLossResolution.ValueType
    before: str
    """What would happen to the presets that the service names."""
    none: str
    """The same, where it names none."""
    after: str
    """What happened to them."""


RESTORE = Way(
    preset_pb2.STORE_LOSS_RESOLUTION_RESTORE,
    "written back from what this replica serves, with the revisions that it keeps; the audit "
    "events that the store lost stay lost",
    "nothing is to be written back; what the store lost of the audit chain stays lost",
    "written back",
)
ACCEPT = Way(
    preset_pb2.STORE_LOSS_RESOLUTION_ACCEPT,
    "out of force on every replica; revisions that the store still has stay, and numbers go on "
    "behind them",
    "no preset is lost; what the store has is taken as the truth",
    "no longer in force",
)


def resolve(client: Client, way: Way, signed: Signature, *, yes: bool, dry_run: bool) -> list[str]:
    """Names of the presets written back, or lost.

    Raises:
        CallRefused: nothing was lost, or the store cannot be written.
        Refused: nobody said yes.
    """
    would = _resolved(client, way, signed, validate_only=True)
    if dry_run:
        return would
    if not yes:
        show_outcome(way, would, as_json=False, done=False)
    confirm("do it?", yes=yes)
    return _resolved(client, way, signed, validate_only=False)


def show_outcome(way: Way, names: Sequence[str], *, as_json: bool, done: bool) -> None:
    """Print what became of which presets, or what would."""
    if as_json:
        show_json({"presets": list(names), "done": done})
    elif done:
        show(f"{way.after}: {', '.join(names) or 'none'}")
    else:
        show(*[f"  {name}" for name in names], _would(way, len(names)))


def _would(way: Way, n: int) -> str:
    if not n:
        return way.none
    return f"{n} preset{'' if n == 1 else 's'} would be {way.before}"


def _resolved(client: Client, way: Way, signed: Signature, *, validate_only: bool) -> list[str]:
    request = preset_pb2.ResolveStoreLossRequest(
        resolution=way.resolution,
        author=signed.author,
        reason=signed.reason,
        validate_only=validate_only,
    )
    return list(client.call(client.presets.ResolveStoreLoss, request).presets)

"""A lost race for a preset: who was first, when, with what, and how to go on."""

from collections.abc import Iterator
from contextlib import contextmanager

from cli.audit_log import action, events
from cli.client import Client
from cli.errors import CallRefused
from cli.exit_code import ExitCode
from cli.stored_presets import moment


@contextmanager
def conflict_told(client: Client, name: str) -> Iterator[None]:
    """Ends the command with the preset's last change where another one came first.

    Raises:
        CallRefused: as the block does; of a conflict with who, when and what.
    """
    try:
        yield
    except CallRefused as refused:
        if refused.exit_code is not ExitCode.CONFLICT:
            raise
        raise _told(client, name, refused) from refused


def _told(client: Client, name: str, refused: CallRefused) -> CallRefused:
    try:
        told = events(client, name)
    except CallRefused:
        return refused
    if not told:
        return refused
    last = told[-1]
    lines = (
        f"{refused.status}: preset {name!r} was changed since it was read: "
        f"{action(last)}, revision {last.revision}, by {last.author} at {moment(last.event_time)}, "
        f"reason: {last.reason}; this command wrote nothing to it",
        f"  look at it with `steerrec preset show {name}` and run the command again where it "
        "still holds",
        *[line for line in str(refused).splitlines() if line.startswith("  request id ")],
    )
    return CallRefused(lines, refused.status, refused.exit_code)

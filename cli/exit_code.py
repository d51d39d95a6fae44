"""What the command's exit status means; docs/cli.md has the same table."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit statuses of `steerrec`; 2 is typer's own."""

    OK = 0
    """Done."""
    REFUSED = 1
    """Refused or failed: faults in a file, rule, data set or request, or no room on a disk."""
    USAGE = 2
    """The command line itself is wrong."""
    UNAVAILABLE = 3
    """The service cannot be reached, is overloaded, or did not answer in time."""
    NOT_FOUND = 4
    """A preset, feature, version or label does not exist."""
    CONFLICT = 5
    """Somebody else was first: the name is taken, or the preset changed since it was read."""
    FAULT = 70
    """A fault of steerrec itself, which a file describes; as sysexits.h numbers it."""
    INTERRUPTED = 130
    """Ctrl-C; what the command had started is stopped."""
    PIPE_CLOSED = 141
    """Whoever read the output has gone, as after `| head -1`; as a shell numbers SIGPIPE."""

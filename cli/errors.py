"""What ends a command, with the exit code that says so.

CliError
├── Refused           what was asked cannot be done
├── NotFound          what was named does not exist
├── Unavailable       a service cannot be reached or did not come up
├── MissingExtra      the subcommand needs packages that this install lacks
├── OutputLost        stdout cannot be written
└── CallRefused       a service refused a call (cli.client)
"""

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cli.exit_code import ExitCode


class CliError(Exception):
    """Root of what ends a command; its text is printed, without a traceback."""

    exit_code: ExitCode = ExitCode.REFUSED


class Refused(CliError):
    """What was asked cannot be done; the text is the reason, one line for each fault."""

    def __init__(self, faults: str | Sequence[str]) -> None:
        self.faults = (faults,) if isinstance(faults, str) else tuple(faults)
        super().__init__("\n".join(self.faults))


class NotFound(CliError):
    """What was named does not exist."""

    exit_code = ExitCode.NOT_FOUND


class Unavailable(CliError):
    """A service cannot be reached or did not come up."""

    exit_code = ExitCode.UNAVAILABLE


class MissingExtra(CliError):
    """The subcommand needs packages that this install lacks."""

    def __init__(self, extra: str, package: str) -> None:
        super().__init__(
            f"this needs the [{extra}] extra ({package} is not installed): "
            f"pip install 'steerrec[{extra}]'"
        )
        self.extra = extra
        self.package = package


class OutputLost(CliError):
    """Stdout cannot be written: closed, full, or its reader has gone."""

    def __init__(self, cause: OSError) -> None:
        reason = "it is closed" if cause.errno == errno.EBADF else cause.strerror or str(cause)
        super().__init__(f"stdout cannot be written: {reason}; send the output elsewhere")
        self.is_pipe = cause.errno == errno.EPIPE
        """Whether its reader has gone, which needs no words."""
        self.exit_code = ExitCode.PIPE_CLOSED if self.is_pipe else ExitCode.REFUSED


class CallRefused(CliError):
    """A service refused a call."""

    def __init__(self, lines: Sequence[str], status: str, exit_code: ExitCode) -> None:
        super().__init__("\n".join(lines))
        self.status = status
        """Name of the gRPC status, e.g. NOT_FOUND."""
        self.exit_code = exit_code


@contextmanager
def told_as(error: type[CliError], *causes: type[Exception]) -> Iterator[None]:
    """Turns a room's own errors into one that ends the command with their text."""
    try:
        yield
    except causes as cause:
        raise error(str(cause)) from cause


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Turns a failed import into the sentence that names the extra to install."""
    try:
        yield
    except ModuleNotFoundError as missing:
        raise MissingExtra(name, missing.name or "a package") from missing

"""Who writes a preset, for the audit log."""

import getpass
import socket

import typer

NOBODY = "steerrec"
"""Login name of the service's own user: whoever acts as it is somebody else."""
MAX_HOST = 63
"""Characters of a host's name that are kept."""


def author_of(given: str | None) -> str:
    """The author given, else who is logged in where, as ada@laptop.

    Raises:
        BadParameter: none is given, and this user has no login name.
    """
    if given is not None and given.strip():
        return given
    try:
        name = getpass.getuser().strip()
    except (KeyError, OSError):  # neither a variable nor an entry of the password file
        name = ""
    if name in ("", NOBODY):
        raise typer.BadParameter(
            "who writes? this user has no login name of a person; give --author NAME"
        )
    host = socket.gethostname().partition(".")[0][:MAX_HOST]
    return f"{name}@{host}" if host else name

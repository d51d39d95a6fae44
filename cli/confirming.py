"""Asking before something is written."""

import sys

import typer

from cli.errors import Refused


def confirm(question: str, *, yes: bool) -> None:
    """Returns where it may be done: `yes` was given, or the person at the terminal says so.

    Raises:
        Refused: the answer is no, or there is nobody to ask.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refused("nothing was written: nobody is there to ask; --yes answers beforehand")
    if not typer.confirm(question, err=True):
        raise Refused("nothing was written")

"""Stdout and stderr of the command: characters that a terminal lacks are replaced.

A stdout that cannot be written ends the command; a stderr that cannot is done without.
"""

import io
import locale
import os
import sys
from typing import TextIO

from cli.errors import OutputLost

STDOUT, STDERR = 1, 2
"""File descriptors."""


def prepare_streams() -> None:
    """Put streams in place of `sys.stdout` and `sys.stderr` that take every character."""
    _open_closed_descriptors()
    sys.stdout = _text_stream(_Stdout(STDOUT, "w", closefd=False), sys.stdout)
    sys.stderr = _text_stream(_Stderr(STDERR, "w", closefd=False), sys.stderr)


class _Stdout(io.FileIO):
    """Raises OutputLost where it cannot be written; after that it swallows what is left."""

    is_lost = False

    def write(self, content: object) -> int:
        size = memoryview(content).nbytes  # type: ignore[arg-type]
        if self.is_lost:
            return size
        try:
            return super().write(content)  # type: ignore[arg-type]
        except OSError as error:
            self.is_lost = True
            raise OutputLost(error) from None


class _Stderr(io.FileIO):
    """Swallows what cannot be written: there is no place left to say so."""

    def write(self, content: object) -> int:
        try:
            return super().write(content)  # type: ignore[arg-type]
        except OSError:
            return memoryview(content).nbytes  # type: ignore[arg-type]


def _text_stream(raw: io.FileIO, before: TextIO | None) -> io.TextIOWrapper:
    """Text in the encoding of the stream before, which is None where it was closed."""
    encoding = before.encoding if before is not None else locale.getpreferredencoding(False)
    is_stderr = raw.fileno() == STDERR
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=encoding,
        errors="backslashreplace" if is_stderr else "replace",
        line_buffering=is_stderr or raw.isatty(),
    )


def _open_closed_descriptors() -> None:
    """Keep numbers 0 to 2 from files and sockets where the caller closed them (`>&-`).

    Stdout is opened for reading, so that writing to it fails.
    """
    for number, mode in ((0, os.O_RDONLY), (STDOUT, os.O_RDONLY), (STDERR, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # takes the lowest free number, which is this one

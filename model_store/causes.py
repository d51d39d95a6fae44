"""What an operating system's or a file's fault is, in a sentence that says what to do."""

import errno
import os
from collections.abc import Mapping
from typing import Final

from pydantic import ValidationError

REMEDIES: Final[Mapping[int, str]] = {
    errno.ENOENT: "it does not exist, or no longer",
    errno.ENOSPC: "the disk is full: make room, or choose another place",
    errno.EDQUOT: "the quota of its owner is used up: make room, or choose another place",
    errno.EFBIG: "it would be larger than the file system or a limit (ulimit -f) allows",
    errno.EROFS: "the file system is read-only: choose another place, or mount it to be written",
    errno.ENOTDIR: "a part of the path is a file, where a folder must be",
    errno.EISDIR: "it is a folder, where a file must be",
    errno.EEXIST: "it is a file, where a folder must be",
    errno.ELOOP: "its symbolic links lead in a circle",
    errno.ENAMETOOLONG: "the path is too long",
    errno.ESTALE: "the file system was mounted anew under us (stale file handle)",
    errno.EIO: "the disk or its network does not answer (input/output error)",
}
MOST_FAULTS: Final = 5
"""Fields that a sentence names."""


def cause_of(error: OSError) -> str:
    """What the fault is, and what to do."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"permission denied for uid {os.geteuid()}: give that user the right, or run as another"
        )
    return REMEDIES.get(error.errno or 0) or error.strerror or str(error) or type(error).__name__


def sentence_of(error: OSError) -> str:
    """The path, where the error names one, with the cause."""
    path = error.filename2 or error.filename
    if path is None and error.errno == errno.ENOENT:  # as tempfile says it
        return f"{error.strerror}; set TMPDIR to a folder that can be written"
    return f"{path}: {cause_of(error)}" if path is not None else cause_of(error)


def faults_of(error: ValidationError) -> str:
    """The fields at fault, in one line and without the values."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    named = [": ".join(filter(None, (_path(own["loc"]), own["msg"]))) for own in found]
    more = f"; and {len(named) - MOST_FAULTS} more" if len(named) > MOST_FAULTS else ""
    return "; ".join(named[:MOST_FAULTS]) + more


def _path(parts: tuple[int | str, ...]) -> str:
    return ".".join(map(str, parts))

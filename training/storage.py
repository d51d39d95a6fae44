"""Files written whole or not at all, folders for one process, and what the system says of them."""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from training.errors import UnusableOutput

LOCK_FILE: Final = ".lock"
OTHER_WORK_FOLDER: Final = "name another folder with --work-dir"

_IN_THE_WAY: Final = (errno.EEXIST, errno.ENOTDIR)
_NO_LOCKS: Final = (errno.EROFS, errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)
"""Of file systems that cannot be written, or that know no locks."""


def replace_file(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """A file that is the new one, on disk, or the old one, whenever the process or machine stops.

    Args:
        path: of the file; its folder exists.
        write: writes the contents into an open file.

    Raises:
        OSError: it cannot be written; `filename` is the path, and the old file is untouched.
    """
    with named(path):
        written = path.with_name(f".{path.name}")
        with written.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(written, path)
        sync_folder(path.parent)


def replace_text(path: Path, text: str) -> None:
    """The same, of UTF-8 text.

    Raises:
        OSError: it cannot be written.
    """
    replace_file(path, lambda file: file.write(text.encode()))


def sync_folder(folder: Path) -> None:
    """Puts the names in a folder on disk, where the file system can do so for folders."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(opened)


@contextmanager
def storage_errors(place: Path | str, otherwise: str) -> Iterator[None]:
    """Turns what the operating system refuses into a sentence with path and remedy.

    Args:
        place: named where the system names no file.
        otherwise: what to do where the place cannot be mended.

    Raises:
        UnusableOutput: in place of any OSError.
    """
    try:
        yield
    except OSError as error:
        path = os.fsdecode(error.filename) if _names_file(error) else place
        raise _unusable(path, error, otherwise) from error


@contextmanager
def alone(folder: Path, what: str, otherwise: str) -> Iterator[None]:
    """Keeps other processes that do the same out of the folder, which is made if need be.

    A file system without locks, or one that cannot be written, keeps nobody out.

    Args:
        folder: to be alone in.
        what: is done there, e.g. "training".
        otherwise: what to do instead of waiting.

    Raises:
        UnusableOutput: another process is at work there, or the folder cannot be made.
    """
    with storage_errors(folder, otherwise):
        folder.mkdir(parents=True, exist_ok=True)
        file = _opened_lock(folder)
    try:
        if file is not None:
            _take(file, folder, what, otherwise)
        yield
    finally:
        if file is not None:
            file.close()


def _opened_lock(folder: Path) -> IO[str] | None:
    """The folder's lock file; None on a file system that cannot be written."""
    try:
        return (folder / LOCK_FILE).open("a+", encoding="utf-8")
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise


def _take(file: IO[str], folder: Path, what: str, otherwise: str) -> None:
    """Locks the file and writes this process's id into it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = f" (process {pid})" if (pid := file.read(20).strip()).isdecimal() else ""
        reason = f"another {what}{holder} is at work there"
        raise UnusableOutput(folder, reason, f"wait until it has ended, or {otherwise}") from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    with storage_errors(folder / LOCK_FILE, otherwise):
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Has every OSError within name the path, and not a file beside it or none."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def _names_file(error: OSError) -> bool:
    return isinstance(error.filename, str | bytes) and bool(error.filename)


def _unusable(path: Path | str, error: OSError, otherwise: str) -> UnusableOutput:
    if error.errno in _IN_THE_WAY and (file := _file_in_the_way(Path(path))):
        return UnusableOutput(
            file, "a file, where a folder is needed", f"remove it, or {otherwise}"
        )
    mend = _mended_by(error.errno)
    return UnusableOutput(
        path, error.strerror or str(error), f"{mend}, or {otherwise}" if mend else otherwise
    )


def _mended_by(code: int | None) -> str | None:
    """What the owner of the place can do there; None: nothing that the error tells."""
    match code:
        case errno.ENOSPC | errno.EDQUOT:
            return "free space there"
        case errno.EACCES | errno.EPERM:
            return f"give user {os.getuid()} the right to read and write there"
        case errno.ENOENT:
            return "if it was removed meanwhile, start again"
        case errno.EROFS:
            return "make it writable"
        case errno.EISDIR:
            return "remove the folder that stands in the file's place"
        case _:
            return None


def _file_in_the_way(path: Path) -> Path | None:
    """The path, or the folder above it, that is a file or a device."""
    there = (part for part in (path, *path.parents) if part.exists())
    return next((part for part in there if not part.is_dir()), None)

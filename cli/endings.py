"""What ends a command early, as sentences on stderr and an exit status."""

import errno
import os
import sys
from collections.abc import Sequence

from cli.errors import CliError, OutputLost
from cli.exit_code import ExitCode

OUT_OF_MEMORY = "the memory was not enough; ask for less at once, or raise the limit"
REMEDIES = {
    errno.ENOENT: "look at the path",
    errno.ENOTDIR: "a part of the path is a file; look at the path",
    errno.EISDIR: "name a file, not a folder",
    errno.EEXIST: "name another, or remove it",
    errno.ENOTEMPTY: "name another, or empty it",
    errno.ENAMETOOLONG: "name a shorter path",
    errno.ELOOP: "its links go in a circle; look at the path",
    errno.EACCES: "have the access changed, or name another place",
    errno.EPERM: "have the access changed, or name another place",
    errno.EROFS: "name a place that can be written",
    errno.ENOSPC: "make room on the disk, or name another place, and run the command again",
    errno.EDQUOT: "make room within the quota, or name another place, and run the command again",
    errno.EFBIG: "raise the limit of a file's size (ulimit -f)",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "the machine has too many open files; close some",
    errno.EAGAIN: "the machine has no more processes or threads to give; try again",
    errno.EIO: "the disk or the terminal failed; look into the system's log",
    errno.ENOMEM: OUT_OF_MEMORY,
    errno.ENODEV: "name a file of a disk",
    errno.ENXIO: "name a file of a disk",
    errno.ETXTBSY: "the file is running; name another",
}
"""What to do about what the system refuses; every other error is a fault of steerrec."""


def status_after(error: BaseException, words: Sequence[str]) -> int:
    """The exit status after an error; says on stderr what it was.

    Args:
        error: what got to the top of the command.
        words: of the command line.
    """
    try:
        return _told(error, words)
    except BaseException:
        return ExitCode.FAULT


def show_error(text: str) -> None:
    """Print why the command ends."""
    if sys.stderr is None:
        return
    is_styled = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    prefix = "\033[1;31merror:\033[0m" if is_styled else "error:"
    sys.stderr.write(f"{prefix} {text}\n")
    sys.stderr.flush()


def system_refusal(error: OSError) -> str | None:
    """Path, reason and remedy of what the system refused; None: it is no such error."""
    number = error.errno if error.errno is not None else _number_of_kind(error)
    if number is None or number not in REMEDIES:
        return None
    paths = " -> ".join(str(one) for one in (error.filename, error.filename2) if one is not None)
    where = paths or (str(error) if error.errno is None else "")
    reason = error.strerror or os.strerror(number)
    return f"{f'{where}: ' if where else ''}{reason}; {REMEDIES[number]}"


def _told(error: BaseException, words: Sequence[str]) -> int:
    match error:
        case KeyboardInterrupt():
            return ExitCode.INTERRUPTED
        case OutputLost(is_pipe=True):
            return error.exit_code
        case CliError():
            show_error(str(error))
            return error.exit_code
        case MemoryError():
            show_error(OUT_OF_MEMORY)
            return ExitCode.REFUSED
        case OSError() if (refusal := system_refusal(error)) is not None:
            show_error(refusal)
            return ExitCode.REFUSED
        case _:
            from cli.fault_report import reported

            show_error(reported(error, words))
            return ExitCode.FAULT


def _number_of_kind(error: OSError) -> int | None:
    """Of an error that a library raised with words alone, such as FileNotFoundError(path)."""
    kinds = {
        FileNotFoundError: errno.ENOENT,
        PermissionError: errno.EACCES,
        IsADirectoryError: errno.EISDIR,
        NotADirectoryError: errno.ENOTDIR,
        FileExistsError: errno.EEXIST,
    }
    return kinds.get(type(error))

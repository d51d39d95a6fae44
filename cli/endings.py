"""What ends a command early, as sentences on stderr and an exit status."""

import errno
import os
import sys
from collections.abc import Sequence
from typing import Any

from cli.errors import CliError, OutputLost
from cli.exit_code import ExitCode

OUT_OF_MEMORY = "the memory was not enough; ask for less at once, or raise the limit"
NO_HOME = "this user has no home folder (HOME is not set, and there is no entry of the user); "
NO_DATA_DIR = (
    "set STEERREC_DATA_DIR to a folder that can be written, or name the folders: --work-dir of "
    "training, --store of bundles, --data-dir of a service"
)
NO_CACHE = (
    "set XDG_CACHE_HOME to a folder that can be written, where data sets are kept, or train on "
    "files of yours: --interactions"
)
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
        text, status = _ending(error, words)
        if text:
            show_error(text)
    except BaseException:
        return ExitCode.FAULT
    return status


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


def _ending(error: BaseException, words: Sequence[str]) -> tuple[str, ExitCode]:
    """What is printed, and the exit status; a reader that has gone and Ctrl-C need no words."""
    match error:
        case KeyboardInterrupt():
            ending = "", ExitCode.INTERRUPTED
        case CliError():
            is_known = isinstance(error, OutputLost) and error.is_pipe
            ending = "" if is_known else str(error), error.exit_code
        case _ if hasattr(error, "format_message"):  # typer's, which a broken install lacks
            ending = _usage(error), ExitCode.USAGE
        case RuntimeError() if type(error).__name__ == "Abort":
            ending = "no answer was given; nothing was done", ExitCode.REFUSED
        case MemoryError():
            ending = OUT_OF_MEMORY, ExitCode.REFUSED
        case RuntimeError() if "home directory" in str(error).lower():
            remedy = NO_CACHE if ".cache" in str(error) else NO_DATA_DIR
            ending = f"{NO_HOME}{remedy}", ExitCode.REFUSED
        case OSError() if (refusal := system_refusal(error)) is not None:
            ending = refusal, ExitCode.REFUSED
        case _:
            from cli.fault_report import reported

            ending = reported(error, words), ExitCode.FAULT
    return ending


def _usage(error: Any) -> str:
    """What is wrong with the command line, and where its right words are; or that help alone."""
    context: Any = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stdout.write(context.get_help() or "")
        return ""
    hint = f" (`{context.command_path} --help`)" if context else ""
    return f"{error.format_message()}{hint}"


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

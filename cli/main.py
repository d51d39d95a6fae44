"""The entry of `steerrec`: every way in which a command can end goes through `run`.

Nothing else of the command line prints a traceback. Only what a broken install still has is
imported at the top: an import that fails must end in a sentence, too.
"""

import sys
from collections.abc import Sequence
from typing import NoReturn


def app() -> NoReturn:
    """Run the command line of this process, and exit with its status."""
    sys.exit(run(sys.argv[1:], is_process=True))


def run(words: Sequence[str], *, is_process: bool = False) -> int:
    """Exit status of the command that the words spell; what ended it early is printed.

    Args:
        words: of the command line, without `steerrec`.
        is_process: whether stdout and stderr are this process's, to be made safe to write to.
    """
    try:
        if is_process:
            from cli.client_variables import prepare_variables
            from cli.standard_streams import prepare_streams

            prepare_streams()
            prepare_variables()
        return _status_of(words)
    except BaseException as error:
        from cli.endings import status_after

        return status_after(error, words)


def _status_of(words: Sequence[str]) -> int:
    from cli.command_tree import command

    try:
        status = command()(list(words), prog_name="steerrec", standalone_mode=False)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    if sys.stdout is not None:
        sys.stdout.flush()
    return status if isinstance(status, int) else 0

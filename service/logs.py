"""Log lines, as text or JSON, each with the id of the request it belongs to.

A line is one line whatever a caller has put into a name or an id: control characters are escaped.
"""

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import TextIO

from service.request_id import REQUEST_ID
from service.settings import LogFormat, LogLevel

ROOM = logging.getLogger("service")
"""The parent of every logger of this room."""
INDENT = "    "
"""Before each line of a traceback: no line of it can be taken for one of the log."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, worker: str = "") -> None:
        """`worker` is the name of a worker among several, and on its every line."""
        super().__init__()
        self._worker = {"worker": worker} if worker else {}

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON: time, level, logger, message, request_id, exception, and its facts.

        Everything beyond ASCII is escaped, so that it can be written in any encoding.
        """
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": REQUEST_ID.get(),
            **self._worker,
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


class TextFormatter(logging.Formatter):
    """One line for a person; a traceback follows it, indented."""

    def __init__(self, worker: str = "") -> None:
        """`worker` is the name of a worker among several, and on its every line."""
        who = f"{worker} " if worker else ""
        super().__init__(f"%(asctime)s %(levelname)-7s {who}%(name)s%(request)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line without what follows it; its request's id in brackets where there is one."""
        request_id = REQUEST_ID.get()
        record.request = f" [{request_id}]" if request_id else ""
        return escaped(super().formatMessage(record))

    def formatException(self, ei: object) -> str:  # noqa: N802 - logging's name
        """The traceback, each line indented."""
        lines = super().formatException(ei).split("\n")  # type: ignore[arg-type]
        return "\n".join(f"{INDENT}{escaped(line)}" for line in lines)


def escaped(text: str) -> str:
    """The text in one line: what cannot be printed is escaped as in Python."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def configure_logs(level: LogLevel, kind: LogFormat, worker: str = "") -> None:
    """Sends the room's log to stderr, in this format, from this level on; each line names the
    worker where there are several."""
    handler = logging.StreamHandler(_stderr())
    formatter = JsonFormatter if kind is LogFormat.JSON else TextFormatter
    handler.setFormatter(formatter(worker))
    ROOM.handlers[:] = [handler]
    ROOM.setLevel(level.upper())
    ROOM.propagate = False


def _stderr() -> TextIO:
    """Where the log goes; nowhere in a process that was started with stderr closed.

    The standard descriptors are kept occupied then: else the next file or socket would get one,
    and what a library prints would go into it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest that is free, which is this one
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.dup(2), "w")
    return sys.stderr

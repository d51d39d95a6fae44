"""Log lines, as text or JSON, each with the id of the request it belongs to."""

import json
import logging
import sys
from datetime import UTC, datetime

from service.request_id import REQUEST_ID
from service.settings import LogFormat, LogLevel

ROOM = logging.getLogger("service")
"""The parent of every logger of this room."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, worker: str = "") -> None:
        """`worker` is the name of a worker among several, and on its every line."""
        super().__init__()
        self._worker = {"worker": worker} if worker else {}

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON: time, level, logger, message, request_id, exception."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": REQUEST_ID.get(),
            **self._worker,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """One line for a person."""

    def __init__(self, worker: str = "") -> None:
        """`worker` is the name of a worker among several, and on its every line."""
        who = f"{worker} " if worker else ""
        super().__init__(f"%(asctime)s %(levelname)-7s {who}%(name)s%(request)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The record as text; its request's id in brackets where there is one."""
        request_id = REQUEST_ID.get()
        record.request = f" [{request_id}]" if request_id else ""
        return super().format(record)


def configure_logs(level: LogLevel, kind: LogFormat, worker: str = "") -> None:
    """Sends the room's log to stderr, in this format, from this level on; each line names the
    worker where there are several."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = JsonFormatter if kind is LogFormat.JSON else TextFormatter
    handler.setFormatter(formatter(worker))
    ROOM.handlers[:] = [handler]
    ROOM.setLevel(level.upper())
    ROOM.propagate = False

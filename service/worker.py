"""One worker process, `python -m service.worker`: a whole replica that shares its port.

Its parent (`service.workers`) writes one line of settings to its stdin, reads one line from its
stdout, and leaves both open: the end of stdin means that the parent is gone.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from model_store.causes import sentence_of
from model_store.errors import BundleMissing, ModelStoreError
from service.errors import ServiceError
from service.logs import configure_logs
from service.process import Seat, spare_collections, stop_signal
from service.server import replica
from service.settings import Settings

Tell = Callable[[Mapping[str, object]], None]


def main() -> int:
    """The exit status: 0 after a drain, 1 where it cannot start."""
    tell = _told_to_parent()
    given = json.loads(sys.stdin.readline())
    settings = Settings.model_validate(given["settings"])
    seat = Seat(given["index"], Path(given["metrics_socket"]), given["line_fd"])
    try:
        asyncio.run(_serve(settings, seat, tell))
    except BundleMissing as missing:
        tell({"missing": missing.version, "why": missing.why})
        return 1
    except OSError as error:
        tell({"failed": sentence_of(error)})
        return 1
    except (ModelStoreError, ServiceError, RuntimeError) as error:
        tell({"failed": str(error)})
        return 1
    return 0


async def _serve(settings: Settings, seat: Seat, tell: Tell) -> None:
    configure_logs(settings.log_level, settings.log_format, seat.name)
    loop = asyncio.get_running_loop()
    orphaned = asyncio.Event()
    async with replica(settings, seat) as running:
        stop = stop_signal()
        spare_collections()
        loop.add_reader(sys.stdin, _set, orphaned, stop)
        tell({"ready": asdict(running.addresses)})
        await stop.wait()
        # a pipe whose other end is gone can be read for ever
        loop.remove_reader(sys.stdin)
    if orphaned.is_set():
        with suppress(OSError):  # others are still in it
            seat.metrics_socket.parent.rmdir()


def _set(*events: asyncio.Event) -> None:
    for event in events:
        event.set()


def _told_to_parent() -> Tell:
    """What writes a line to the parent; anything else that is printed goes to stderr."""
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def tell(told: Mapping[str, Any]) -> None:
        answer.write(f"{json.dumps(told)}\n")
        answer.flush()

    return tell


if __name__ == "__main__":
    sys.exit(main())

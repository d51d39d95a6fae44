"""What every process of the service does alike: says where it is reached, follows, stops."""

import asyncio
import gc
import json
import logging
import resource
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import cast

from service.metrics import Metrics
from service.presets.embedded import embedded_server
from service.settings import Settings, blank_variables
from service.writable import prepare_file, prepare_folder

FOLLOW_AGAIN_S = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a replica is reached, free ports filled in."""

    grpc: str
    """host:port of the gRPC server."""
    metrics: str
    """host:port of the Prometheus page; of a worker, the path of its socket."""


@dataclass(frozen=True, slots=True)
class Seat:
    """The place of one worker among those that share a port."""

    index: int
    """From 0."""
    metrics_socket: Path
    """Unix socket on which it tells its metrics."""
    line_fd: int | None = None
    """File descriptor over which it is handed its connections; None: it listens itself."""

    @property
    def name(self) -> str:
        """Short and stable: a worker that is started again has it again."""
        return f"w{self.index}"


def stop_signal() -> asyncio.Event:
    """Set by SIGTERM, SIGINT or SIGHUP; by SIGHUP not where it was ignored, as nohup does."""
    stop = asyncio.Event()
    numbers = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    for number in numbers:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


class Stopped(Exception):
    """The process was told to stop before it served."""


@contextmanager
def stoppable(stop: asyncio.Event) -> Iterator[None]:
    """A start that is given up once the event is set.

    Raises:
        Stopped: it was.
    """
    starting = cast("asyncio.Task[None]", asyncio.current_task())
    watch = asyncio.create_task(stop.wait())
    watch.add_done_callback(lambda done: done.cancelled() or starting.cancel())
    try:
        yield
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
        starting.uncancel()
        raise Stopped from None
    finally:
        watch.cancel()


def prepare_places(settings: Settings) -> None:
    """Make the data folder, remove the ready file of a run before, and see that both can be
    written.

    Raises:
        PlaceUnusable: they cannot be.
    """
    if blank := blank_variables():
        log.info("blank, and so as if unset: %s", ", ".join(blank))
    prepare_folder("STEERREC_DATA_DIR", settings.data_dir)
    if settings.ready_file is not None:
        prepare_file("STEERREC_READY_FILE", settings.ready_file)


def spare_collections() -> None:
    """Leaves what there is now out of every later garbage collection.

    A catalogue is many objects that live as long as the process, and a collection that walks them
    all stops every call for as long as that takes.
    """
    gc.collect()
    gc.freeze()


def raise_file_limit() -> None:
    """Lets this process and those that it starts open as many files as the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as error:  # macOS has a lower limit than it tells
            log.warning("at most %d files can be open: %s", soft, error)


async def kept_up(follow: Callable[[], Awaitable[object]]) -> None:
    """Follows for ever, again and again where it fails: a replica must not go stale in silence."""
    while True:
        try:
            await follow()
        except Exception:
            log.exception("following stopped; it starts again in %g s", FOLLOW_AGAIN_S)
        await asyncio.sleep(FOLLOW_AGAIN_S)


async def cancelled(task: "asyncio.Task[None]") -> None:
    """Returns once the task has ended."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def tell_ready(addresses: Addresses, ready_file: Path | None) -> None:
    """Says in the log, and in the file where there is one, that the service serves."""
    log.info("ready: grpc %s, metrics %s", addresses.grpc, addresses.metrics)
    if ready_file is not None:
        part = ready_file.with_name(f"{ready_file.name}.part")
        part.write_text(json.dumps(asdict(addresses)))
        part.replace(ready_file)


@contextmanager
def redis_of(
    settings: Settings, metrics: Metrics
) -> Iterator[tuple[str, Callable[[], Awaitable[object]]]]:
    """URL of the settings' Redis, or of one of our own that ends with the block; what keeps it
    running, for ever."""
    if settings.redis_url is not None:
        yield settings.redis_url.get_secret_value(), asyncio.Event().wait
        return
    with embedded_server(settings.data_dir / "redis") as server:
        yield server.url, partial(server.keep_running, metrics.redis_restarts.inc)

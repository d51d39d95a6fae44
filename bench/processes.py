"""The processes that are measured: each starts, says its address, and ends with its block."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REPLY_BYTES = 400
"""About what a slate of 20 takes."""
READY_TIMEOUT_S = 180.0


@dataclass(frozen=True)
class Running:
    """A process that serves."""

    grpc: str
    """Its address."""
    pid: int
    metrics: str = ""
    """Address of its metrics page; empty: it has none."""


@contextmanager
def empty_server() -> Iterator[str]:
    """Address of a running empty handler."""
    with empty_process() as running:
        yield running.grpc


@contextmanager
def empty_process() -> Iterator[Running]:
    """A running empty handler."""
    with _started([sys.executable, "-m", "bench.empty_handler", str(REPLY_BYTES)]) as process:
        port = process.stdout.readline() if process.stdout else ""
        yield Running(f"127.0.0.1:{int(port)}", process.pid)


@contextmanager
def service(store_root: str, folder: Path, **environment: str) -> Iterator[str]:
    """Address of a running service; see `service_process`."""
    with service_process(store_root, folder, **environment) as running:
        yield running.grpc


@contextmanager
def service_process(store_root: str, folder: Path, **environment: str) -> Iterator[Running]:
    """A running service; its files go into the folder.

    It keeps no hidden states unless it is told to: benches send the same requests round and round,
    and every history would be found.

    Args:
        store_root: of the bundles.
        folder: exists.
        environment: settings beside these, by variable; without one for Redis an embedded one.

    Raises:
        RuntimeError: it ended before it was ready, or is not ready in time.
    """
    ready = folder / "ready.json"
    with _started(
        [str(Path(sys.executable).with_name("steerrec")), "serve"],
        STEERREC_BUNDLES=store_root,
        STEERREC_DATA_DIR=str(folder / "data"),
        STEERREC_BIND="127.0.0.1:0",
        STEERREC_METRICS_BIND="127.0.0.1:0",
        STEERREC_READY_FILE=str(ready),
        **{"STEERREC_LOG_LEVEL": "warning", "STEERREC_STATE_CACHE_BYTES": "0"} | environment,
    ) as process:
        _wait_for(ready, process)
        told = json.loads(ready.read_text())
        yield Running(told["grpc"], process.pid, told["metrics"])


@contextmanager
def _started(command: list[str], **environment: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def _wait_for(ready: Path, process: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + READY_TIMEOUT_S
    while not ready.exists():
        if process.poll() is not None:
            raise RuntimeError(f"the service ended with status {process.returncode}; see its log")
        if time.monotonic() > end:
            raise RuntimeError(f"the service was not ready within {READY_TIMEOUT_S:g} s")
        time.sleep(0.05)

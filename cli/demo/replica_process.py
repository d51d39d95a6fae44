"""The real service as a process of its own, which never outlives the demo."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from cli.errors import Unavailable

START_TIMEOUT_S = 60.0
"""For imports, the bundle's verification and the embedded Redis on a busy machine."""
STOP_TIMEOUT_S = 30.0
"""Above the service's own default drain."""
LOOK_S = 0.05


class Running(NamedTuple):
    """A replica that serves."""

    grpc: str
    """host:port of the gRPC server."""
    metrics: str
    """host:port of the Prometheus page."""
    process: subprocess.Popen[bytes]


@contextmanager
def running(
    data_dir: Path,
    store_url: str,
    *,
    bind: str = "127.0.0.1:0",
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Running]:
    """A replica on loopback ports with its embedded Redis, stopped at the end of the block.

    Args:
        data_dir: what it keeps; its log is `service.log` there.
        store_url: where its bundles are.
        bind: its gRPC address; by default a free port.
        settings: variables of the service beside those.

    Raises:
        Unavailable: it did not come up; with the end of its log.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    ready_file, log = data_dir / "ready.json", data_dir / "service.log"
    ready_file.unlink(missing_ok=True)
    with log.open("wb") as output:
        more = {**settings, "STEERREC_READY_FILE": str(ready_file.absolute())}
        process = _started(data_dir, store_url, bind, more, output.fileno())
    try:
        addresses = _awaited(process, ready_file, log)
        yield Running(addresses["grpc"], addresses["metrics"], process)
    finally:
        _stop(process)


def _started(
    data_dir: Path, store_url: str, bind: str, settings: Mapping[str, str], output: int
) -> subprocess.Popen[bytes]:
    """The process, in a session of its own: Ctrl-C is the demo's to handle."""
    command = [
        *(sys.executable, "-m", "cli", "serve", "--bind", bind, "--metrics-bind", "127.0.0.1:0"),
        *("--data-dir", str(data_dir), "--store", store_url),
    ]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STEERREC_")}
    return subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
        command,
        env={**kept, **settings},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )


def _awaited(process: subprocess.Popen[bytes], ready_file: Path, log: Path) -> dict[str, str]:
    """The addresses that it wrote once it served."""
    end = time.monotonic() + START_TIMEOUT_S
    while not ready_file.exists():
        if process.poll() is not None or time.monotonic() > end:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise Unavailable(f"the service did not come up; its log ends:\n{tail}")
        time.sleep(LOOK_S)
    addresses: dict[str, str] = json.loads(ready_file.read_text())
    return addresses


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ends it as an operator would; with force, and its Redis too, where that is not enough."""
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise

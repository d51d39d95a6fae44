"""Ray Serve (HTTP/1.1) with the steered graph behind `@serve.batch`.

By its documentation: `max_batch_size` and `batch_wait_timeout_s` (serve/advanced-guides/dyn-req-
batch), `num_replicas` and `max_ongoing_requests` (serve/configure-serve-deployment), the log of
requests off (serve/advanced-guides/performance); with `--front haproxy` also HAProxy in front and
its throughput mode (kuberay/user-guides/serve-high-throughput): those two read the environment of
the cluster's processes, so they are set before anything of Ray is imported.
"""

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from bench.peers.steered import Steered, Tuning, free_port, tuning_of

HAPROXY = "haproxy"
ROUTE = "/recommend"
END_S = 5.0
ONGOING = 512
"""Questions that a replica may hold: more than the load has in flight."""


def environment_of(tuning: Tuning, folder: Path) -> dict[str, str]:
    """What the cluster's processes read; with HAProxy, its ports and files."""
    shared = {
        "RAY_AUTH_MODE": "disabled",
        # whatever its name says: off, the cluster stays on loopback
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "OMP_NUM_THREADS": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    }
    if tuning.front != HAPROXY:
        return shared
    files = {
        "CONFIG_FILE_LOC": "haproxy.cfg",
        "SOCKET_PATH": "admin.sock",
        "METRICS_SOCKET_PATH": "metrics.sock",
        "SERVER_STATE_BASE": "",
        "SERVER_STATE_FILE": "server-state",
    }
    return shared | {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_HAPROXY_NBTHREAD": "1",
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(free_port()),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(free_port()),
        **{f"RAY_SERVE_HAPROXY_{name}": str(folder / file) for name, file in files.items()},
    }


def deploy(tuning: Tuning, folder: Path) -> None:
    """The cluster, its way in and the replicas."""
    import ray  # noqa: PLC0415
    from ray import serve  # noqa: PLC0415
    from ray.serve.schema import LoggingConfig  # noqa: PLC0415
    from starlette.requests import Request  # noqa: PLC0415
    from starlette.responses import Response  # noqa: PLC0415

    @serve.deployment(
        num_replicas=tuning.workers,
        max_ongoing_requests=ONGOING,
        ray_actor_options={"num_cpus": 0},
        logging_config=LoggingConfig(enable_access_log=False, log_level="ERROR"),
    )
    class Recommender:
        def __init__(self) -> None:
            self._steered = Steered(tuning.graph)

        @serve.batch(  # type: ignore[untyped-decorator]
            max_batch_size=tuning.batch, batch_wait_timeout_s=tuning.wait_ms / 1000
        )
        async def answers(self, bodies: Sequence[bytes]) -> list[bytes]:
            return self._steered.bodies(bodies)

        async def __call__(self, request: Request) -> Response:
            answer = await self.answers(await request.body())
            return Response(answer, media_type="application/octet-stream")

    ray.init(
        num_cpus=4,
        include_dashboard=False,
        log_to_driver=False,
        _temp_dir=str(folder),
    )
    serve.start(http_options={"host": "127.0.0.1", "port": tuning.port})
    serve.run(Recommender.bind(), route_prefix=ROUTE)  # type: ignore[attr-defined]


def main(tuning: Tuning) -> None:
    """Serve until SIGTERM, and take the cluster's processes along."""
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    folder = Path(tempfile.mkdtemp(prefix="ray"))  # short: Ray's sockets lie below it
    try:
        os.environ.update(environment_of(tuning, folder))
        deploy(tuning, folder)
        over.wait()
    finally:
        end(folder)


def end(folder: Path) -> None:
    """Stops the cluster; its processes write logs until they are gone."""
    import ray  # noqa: PLC0415

    ray.shutdown()
    until = time.monotonic() + END_S
    while folder.exists() and time.monotonic() < until:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.2)


if __name__ == "__main__":
    main(tuning_of())

"""Mosec (HTTP/1.1 and HTTP/2) with the steered graph behind its dynamic batcher.

By its documentation: `max_batch_size`, `max_wait_time` (whole milliseconds, 1 at least) and `num`
of `append_worker`; own `serialize`/`deserialize` for a binary body (README, "Performance tuning";
reference/interface, `Worker`); threads of the maths set for each process; HTTP/2 from the client.
"""

import os
from collections.abc import Sequence

from mosec import Server, Worker

from bench.peers.steered import Steered, Tuning, tuning_of

_GRAPH = "PEER_GRAPH"
"""Where the worker processes, which are spawned, find the graph."""


class Recommender(Worker):  # type: ignore[misc]
    """One process that runs the graph."""

    resp_mime_type = "application/octet-stream"

    def __init__(self) -> None:
        """Open the graph."""
        super().__init__()
        self._steered = Steered(os.environ[_GRAPH])

    def deserialize(self, data: bytes) -> bytes:
        """The body as it came: a batch is parsed together."""
        return data

    def serialize(self, data: bytes) -> bytes:
        """The answer as it is."""
        return data

    def forward(self, data: "Sequence[bytes] | bytes") -> "Sequence[bytes] | bytes":
        """An answer for each question; one alone where batches are of one."""
        if isinstance(data, bytes):
            return self._steered.bodies([data])[0]
        return self._steered.bodies(data)


def main(tuning: Tuning) -> None:
    """Serve until SIGTERM."""
    os.environ |= {
        _GRAPH: tuning.graph,
        "MOSEC_ADDRESS": "127.0.0.1",
        "MOSEC_PORT": str(tuning.port),
        "MOSEC_LOG_LEVEL": "warning",
    }
    server = Server()
    server.append_worker(
        Recommender,
        num=tuning.workers,
        max_batch_size=tuning.batch,
        max_wait_time=max(1, round(tuning.wait_ms)),
    )
    server.run()


if __name__ == "__main__":
    main(tuning_of())

"""LitServe (HTTP/1.1) with the steered graph behind its batching.

By its documentation: `max_batch_size` and `batch_timeout` of the API (docs/litserve/features/
batching; 0 makes its workers spin), `workers_per_device` and `fast_queue` (ZeroMQ instead of a
manager's queue) of the server, `num_api_servers` of `run`, tracking, logs and client file off. Its
own ways in read JSON or forms; FastAPI's dependency hands it the raw body instead.
"""

import signal
from collections.abc import Sequence
from typing import Annotated

import litserve
from fastapi import Depends, Request, Response

from bench.peers.steered import Steered, Tuning, tuning_of

FAST_QUEUE = "fast-queue"
"""Name of the way in over ZeroMQ."""


async def raw_body(request: Request) -> bytes:
    """What was sent."""
    body: bytes = await request.body()
    return body


class Recommender(litserve.LitAPI):  # type: ignore[misc]
    """The graph in each worker process."""

    def __init__(self, tuning: Tuning) -> None:
        """Batches as tuned."""
        super().__init__(
            max_batch_size=tuning.batch, batch_timeout=tuning.wait_ms / 1000, api_path="/recommend"
        )
        self._graph = tuning.graph

    def setup(self, device: str) -> None:  # noqa: ARG002 (LitServe names it)
        """Open the graph: in the worker, sessions do not survive a fork."""
        self._steered = Steered(self._graph)

    def decode_request(self, request: Annotated[bytes, Depends(raw_body)]) -> bytes:
        """The body as it came: a batch is parsed together."""
        return request

    def batch(self, inputs: Sequence[bytes]) -> Sequence[bytes]:
        """The bodies as they are: rows are padded where they are run."""
        return inputs

    def predict(self, x: "Sequence[bytes] | bytes") -> "Sequence[bytes] | bytes":
        """An answer for each question; one alone where batches are of one."""
        return self._steered.bodies([x])[0] if isinstance(x, bytes) else self._steered.bodies(x)

    def unbatch(self, output: Sequence[bytes]) -> Sequence[bytes]:
        """The answers as they are."""
        return output

    def encode_response(self, output: bytes) -> Response:
        """The answer as a body."""
        return Response(output, media_type="application/octet-stream")


def main(tuning: Tuning) -> None:
    """Serve until SIGTERM, which it would end on without its children."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server = litserve.LitServer(
        Recommender(tuning),
        accelerator="cpu",
        workers_per_device=tuning.workers,
        fast_queue=tuning.front == FAST_QUEUE,
        track_requests=False,
        enable_shutdown_api=False,
    )
    server.run(
        host="127.0.0.1",
        port=tuning.port,
        num_api_servers=tuning.fronts,
        log_level="error",
        generate_client_file=False,
        access_log=False,
    )


if __name__ == "__main__":
    main(tuning_of())

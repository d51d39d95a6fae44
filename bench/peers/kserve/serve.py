"""KServe's Python model server (gRPC, V2) with the steered graph.

By its documentation: a custom `Model` whose `predict` is a coroutine, latency logging off. Its
batcher is a Go sidecar of Kubernetes pods that speaks HTTP V1 only (model-serving/predictive-
inference/batcher), so batches are made in `predict` (`bench.peers.batcher`). Its gRPC server is one
process and scales by replicas; here they share the port, as Linux lets gRPC servers do. It has no
way to leave HTTP out, nor to listen on loopback only.
"""

import logging
import multiprocessing
import sys
from typing import Any

from bench.peers.batcher import Batcher
from bench.peers.steered import Steered, Tuning, free_port, tuning_of

NAME = "steered"


def run(tuning: Tuning, http_port: int) -> None:
    """One replica, until SIGTERM."""
    # it reads the command line as it is imported
    sys.argv = sys.argv[:1]
    from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer  # noqa: PLC0415

    class Recommender(Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(NAME)
            steered = Steered(tuning.graph)
            self._batcher = Batcher(steered, tuning.batch, tuning.wait_ms / 1000)
            self.ready = True

        async def predict(self, payload: InferRequest, *_: Any) -> InferResponse:
            answer = await self._batcher.answer(payload.inputs[0].data[0])
            output = InferOutput("answer", [1], "BYTES", [answer])
            return InferResponse(payload.id, NAME, [output])

    logging.disable(logging.INFO)
    ModelServer(
        http_port=http_port,
        grpc_port=tuning.port,
        workers=1,
        enable_latency_logging=False,
    ).start([Recommender()])


def main(tuning: Tuning) -> None:
    """As many replicas as workers."""
    context = multiprocessing.get_context("spawn")
    others = [
        context.Process(target=run, args=(tuning, free_port()), daemon=True)
        for _ in range(tuning.workers - 1)
    ]
    for other in others:
        other.start()
    run(tuning, free_port())


if __name__ == "__main__":
    main(tuning_of())

"""MLServer (gRPC, V2) with the steered graph behind its adaptive batching.

By its documentation: `max_batch_size` and `max_batch_time` (above 0, or nothing is batched) of the
model (user-guide/adaptive-batching); `parallel_workers`, 0 "for lightweight inference", which runs
the model in the server's own process (user-guide/parallel-inference); debug and metrics off. Its
batcher joins tensors of one shape only, so a question is one BYTES element. Replicas share the
port, as Linux lets gRPC servers do.
"""

import asyncio
import multiprocessing
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlserver import MLModel, MLServer
from mlserver.settings import ModelParameters, ModelSettings, Settings
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

from bench.peers.steered import Steered, Tuning, free_port, tuning_of

NAME = "steered"


class Recommender(MLModel):  # type: ignore[misc]
    """The graph, where the model is loaded."""

    async def load(self) -> bool:
        """Open the graph."""
        self._steered = Steered(self.settings.parameters.uri)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """An answer for each element of the one tensor."""
        bodies: Sequence[bytes] = payload.inputs[0].data.root
        # in a thread: the loop takes requests meanwhile
        answers = await asyncio.to_thread(self._steered.bodies, bodies)
        output: Any = ResponseOutput.model_construct(
            name="answer", datatype="BYTES", shape=[len(answers)], data=answers
        )
        return InferenceResponse.model_construct(
            model_name=self.name, outputs=[output], id=None, parameters=None
        )


def settings_of(tuning: Tuning, folder: Path) -> Settings:
    """The server's; it has no way to leave HTTP out."""
    return Settings(
        debug=False,
        host="127.0.0.1",
        http_port=free_port(),
        grpc_port=tuning.port,
        metrics_endpoint=None,
        parallel_workers=tuning.workers,
        environments_dir=str(folder),
        metrics_dir=str(folder),
    )


def model_settings_of(tuning: Tuning) -> ModelSettings:
    """The model's."""
    return ModelSettings(
        name=NAME,
        implementation="bench.peers.mlserver.serve.Recommender",
        max_batch_size=tuning.batch,
        max_batch_time=tuning.wait_ms / 1000,
        parameters=ModelParameters(uri=tuning.graph),
    )


async def serve(tuning: Tuning) -> None:
    """One replica."""
    with tempfile.TemporaryDirectory() as folder:
        server = MLServer(settings_of(tuning, Path(folder)))
        await server.start([model_settings_of(tuning)])


def run(tuning: Tuning) -> None:
    """One replica, until SIGTERM."""
    asyncio.run(serve(tuning))


def main(tuning: Tuning) -> None:
    """As many replicas as fronts."""
    context = multiprocessing.get_context("spawn")
    others = [
        context.Process(target=run, args=(tuning,), daemon=not tuning.workers)
        for _ in range(tuning.fronts - 1)
    ]
    for other in others:
        other.start()
    run(tuning)


if __name__ == "__main__":
    main(tuning_of())

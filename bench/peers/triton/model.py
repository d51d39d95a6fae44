"""What Triton's Python backend runs: a batch of requests as one run of the graph."""

import json
from collections.abc import Sequence
from typing import Any

# the backend puts it on the path
import triton_python_backend_utils as backend

from bench.peers.tensors import OUTPUTS, Exported


class TritonPythonModel:
    """The backend's name for it."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the graph that the configuration names."""
        config = json.loads(args["model_config"])
        parameters = {name: value["string_value"] for name, value in config["parameters"].items()}
        self._exported = Exported(parameters["graph"], int(parameters["threads"]))
        self._inputs = [declared["name"] for declared in config["input"]]

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """A response for each request."""
        questions = [
            {
                name: backend.get_input_tensor_by_name(request, name).as_numpy()
                for name in self._inputs
            }
            for request in requests
        ]
        return [
            backend.InferenceResponse([backend.Tensor(name, answer[name]) for name in OUTPUTS])
            for answer in self._exported.answers(questions)
        ]

"""An exported graph over questions as named tensors, which is how V2's servers hand them over."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

Tensors = Mapping[str, NDArray[Any]]
OUTPUTS = ["top_items", "top_scores"]


class Exported:
    """The graph, open in this process; it may be the steered or the naive one."""

    def __init__(self, graph: str, threads: int) -> None:
        """Open the file; its threads do not spin, as the processes share few cores."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )
        self._inputs = [node.name for node in self._session.get_inputs()]

    def answers(self, questions: Sequence[Tensors]) -> list[dict[str, NDArray[Any]]]:
        """The outputs [1, k] of each question, all in one run.

        Args:
            questions: each input of the graph as [1, n], n as long as the question needs.
        """
        places = [int(own["k"][0, 0]) for own in questions]
        feeds = {
            name: padded([own[name][0] for own in questions], to_left=name == "items")
            for name in self._inputs
            if name != "k"
        }
        feeds["k"] = np.array([max(places)], dtype=np.int64)
        outputs = self.run(feeds)
        return [
            {name: own[row : row + 1, :k] for name, own in outputs.items()}
            for row, k in enumerate(places)
        ]

    def run(self, feeds: Tensors) -> dict[str, NDArray[Any]]:
        """The outputs [batch, k] of the graph's own inputs."""
        return dict(zip(OUTPUTS, self._session.run(OUTPUTS, feeds), strict=True))


def padded(lines: Sequence[NDArray[Any]], *, to_left: bool) -> NDArray[Any]:
    """[lines, longest], filled up with 0 on one side."""
    longest = max(map(len, lines))
    filled = np.zeros((len(lines), longest), dtype=lines[0].dtype)
    for own, line in zip(filled, lines, strict=True):
        start = longest - len(line) if to_left else 0
        own[start : start + len(line)] = line
    return filled

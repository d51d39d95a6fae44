"""The three ONNX graphs of a bundle, ready to run on the CPU."""

from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from model_store.errors import BundleCorrupt
from model_store.files import ENCODER_FILE, LOWER_FILE, UPPER_FILE

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]


class TopK(NamedTuple):
    """The best items of each history."""

    items: Int64
    """[batch, k] item indices, best first; ties: the smaller index first."""
    scores: Float32
    """[batch, k]; -inf marks a place for which no item was left."""


class TopKAndScores(NamedTuple):
    """The best items of each history, and the score of every item."""

    items: Int64
    """As in TopK."""
    scores: Float32
    """As in TopK."""
    all_scores: Float32
    """[batch, n_items + 1]; -inf for padding and excluded items."""


class Ranking(Protocol):
    """Another way to the best items than scoring and sorting them all."""

    def top_k(self, hidden: Float32, items: Int64, excluded: Int64, k: int) -> TopK:
        """See `Graphs.top_k`."""


class Graph:
    """One ONNX graph. Sessions do not survive a fork: make it in the process that runs it."""

    def __init__(self, path: Path, threads: int, *, repacks: bool = True) -> None:
        """Open the graph.

        Args:
            path: of the file.
            threads: that it may use.
            repacks: whether weights are laid out anew for speed, which takes a copy of them.

        Raises:
            BundleCorrupt: ONNX Runtime refuses the file.
        """
        self.file = path.name
        self._session = _session(path, threads, repacks)
        self.inputs = {node.name: node.type for node in self._session.get_inputs()}
        self.outputs = {node.name: node.type for node in self._session.get_outputs()}

    def run(self, outputs: list[str], /, **inputs: NDArray[Any]) -> list[Any]:
        """The named outputs, as arrays; inputs that the graph does not declare are left out."""
        declared = {name: array for name, array in inputs.items() if name in self.inputs}
        results: list[Any] = self._session.run(outputs, declared)
        return results


class Graphs:
    """The base model in two halves around the hook point, and the SAE's encoder.

    Safe to call from several threads: nothing is written between calls.
    """

    def __init__(
        self, folder: Path, *, n_items: int, threads: int = 1, ranking: Ranking | None = None
    ) -> None:
        """Open the graphs of the bundle in `folder`.

        Args:
            folder: the bundle's.
            n_items: items in the catalogue.
            threads: that each graph may use.
            ranking: how the best items of a large catalogue are found; None: by the upper graph.

        Raises:
            BundleCorrupt: ONNX Runtime refuses a file.
        """
        self._n_items = n_items
        self.lower = Graph(folder / LOWER_FILE, threads)
        self.encoder = Graph(folder / ENCODER_FILE, threads)
        self.ranking = ranking
        """None: the upper graph ranks."""
        # it then answers who wants every score, and maps the item vectors instead of a copy
        self.upper = Graph(folder / UPPER_FILE, threads, repacks=ranking is None)

    def hidden(self, items: Int64) -> Float32:
        """Hidden state at the hook point, [batch, positions, d_model].

        Args:
            items: item indices [batch, seq], oldest first, padded with 0 on the left;
                1 <= seq <= max_seq.
        """
        hidden: Float32 = self.lower.run(["hidden"], items=items)[0]
        return hidden

    def activations(self, hidden: Float32) -> Float32:
        """SAE activations [rows, d_sae], all >= 0, of `hidden` [rows, d_model]."""
        activations: Float32 = self.encoder.run(["activations"], hidden=hidden)[0]
        return activations

    def top_k(self, hidden: Float32, items: Int64, excluded: Int64, k: int) -> TopK:
        """The best k items of each history.

        Args:
            hidden: at the hook point, edited or not, [batch, positions, d_model].
            items: what `hidden` was computed from, [batch, seq].
            excluded: item indices never to answer, [batch, m], rows filled up with 0; m may be 0.
            k: places wanted; never more than n_items are given.
        """
        if self.ranking is not None:
            return self.ranking.top_k(hidden, items, excluded, k)
        top_scores, top_items = self._upper(["top_scores", "top_items"], hidden, items, excluded, k)
        return TopK(top_items, top_scores)

    def top_k_and_scores(
        self, hidden: Float32, items: Int64, excluded: Int64, k: int
    ) -> TopKAndScores:
        """As `top_k`, with the score of every item; costs a copy of batch x n_items floats."""
        names = ["top_scores", "top_items", "scores"]
        top_scores, top_items, scores = self._upper(names, hidden, items, excluded, k)
        return TopKAndScores(top_items, top_scores, scores)

    def _upper(
        self, outputs: list[str], hidden: Float32, items: Int64, excluded: Int64, k: int
    ) -> list[Any]:
        if excluded.shape[1] == 0:
            # padding is never answered, so excluding it changes nothing
            excluded = np.zeros((len(hidden), 1), dtype=np.int64)
        places = np.array([min(k, self._n_items)], dtype=np.int64)
        return self.upper.run(outputs, hidden=hidden, items=items, excluded=excluded, k=places)


def _session(path: Path, threads: int, repacks: bool) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # a spinning thread takes a core from the other processes of the replica
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.disable_prepacking", str(int(not repacks)))
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no narrower root
        raise BundleCorrupt(path.name, f"ONNX Runtime refuses it: {error}") from error

"""First runs of a bundle's graphs: they have the right inputs, outputs and shapes."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from model_store.bounds import GROUP
from model_store.errors import BundleCorrupt
from model_store.graphs import Graph, Graphs
from model_store.manifest import Manifest
from model_store.scan import Scan

INT64, FLOAT = "tensor(int64)", "tensor(float)"
SCANNED = {"final": FLOAT, "step": FLOAT, "codes": "tensor(uint8)", "peaks": FLOAT}
T = TypeVar("T")


def warm_up(graphs: Graphs, manifest: Manifest) -> None:
    """Run every graph on one short and one full history, and look at what comes out.

    Raises:
        BundleCorrupt: a graph does not have the signature of ADR 0003; names the graph.
    """
    check_signatures(graphs)
    for seq in {1, manifest.base_model.max_seq}:
        _run_through(graphs, manifest, np.ones((2, seq), dtype=np.int64))


def warm_up_scan(scan: Scan, graphs: Graphs, manifest: Manifest) -> None:
    """Run the scan of a large catalogue on one history, and look at what comes out.

    Raises:
        BundleCorrupt: its graph does not have the signature of ADR 0011.
    """
    given = {"hidden": FLOAT} | ({"items": INT64} if "items" in graphs.upper.inputs else {})
    listed = {"scores": FLOAT} if "scores" in scan.graph.outputs else {}
    _check_signature(scan.graph, given, SCANNED | listed)
    items = np.ones((2, 1), dtype=np.int64)
    hidden = graphs.hidden(items)
    scanned = _run(scan.graph, lambda: scan.scanned(hidden, items))
    for name in ("final", "codes"):
        shape = (len(items), manifest.base_model.d_model)
        _check_shape(scan.graph, name, getattr(scanned, name), shape)
    _check_shape(scan.graph, "step", scanned.step, (len(items), 1))
    _check_shape(scan.graph, "peaks", scanned.peaks, (len(items), scan.n_groups))
    if scanned.scores is not None:
        shape = (len(items), scan.n_groups * GROUP)
        _check_shape(scan.graph, "scores", scanned.scores, shape)


def check_signatures(graphs: Graphs) -> None:
    """Refuse graphs whose declared inputs or outputs have other names or types.

    Raises:
        BundleCorrupt: naming the graph.
    """
    _check_signature(graphs.lower, {"items": INT64}, {"hidden": FLOAT})
    _check_signature(graphs.encoder, {"hidden": FLOAT}, {"activations": FLOAT})
    answers = {"top_scores": FLOAT, "top_items": INT64, "scores": FLOAT}
    inputs = {"hidden": FLOAT, "excluded": INT64, "k": INT64}
    if "items" in graphs.upper.inputs:
        inputs["items"] = INT64
    _check_signature(graphs.upper, inputs, answers)


def _check_signature(graph: Graph, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> None:
    for kind, declared, wanted in (
        ("inputs", graph.inputs, inputs),
        ("outputs", graph.outputs, outputs),
    ):
        if declared != wanted:
            raise BundleCorrupt(graph.file, f"{kind} are {declared}, must be {dict(wanted)}")


def _run_through(graphs: Graphs, manifest: Manifest, items: NDArray[np.int64]) -> None:
    shape, sae = manifest.base_model, manifest.sae
    batch, seq = items.shape
    positions = 1 if manifest.hook_point.block >= shape.n_blocks else seq
    hidden = _run(graphs.lower, lambda: graphs.hidden(items))
    _check_shape(graphs.lower, "hidden", hidden, (batch, positions, shape.d_model))
    activations = _run(graphs.encoder, lambda: graphs.activations(hidden[:, -1]))
    _check_shape(graphs.encoder, "activations", activations, (batch, sae.d_sae))
    if not (activations >= 0).all():
        raise BundleCorrupt(graphs.encoder.file, "gives an activation that is not >= 0")
    _check_answer(graphs, hidden, items, shape.n_items)


def _check_answer(
    graphs: Graphs, hidden: NDArray[np.float32], items: NDArray[np.int64], n_items: int
) -> None:
    upper, k = graphs.upper, min(2, n_items)
    excluded = np.ones((len(items), 1), dtype=np.int64)
    top_items, top_scores, scores = _run(
        upper, lambda: graphs.top_k_and_scores(hidden, items, excluded, k)
    )
    _check_shape(upper, "top_items", top_items, (len(items), k))
    _check_shape(upper, "top_scores", top_scores, (len(items), k))
    _check_shape(upper, "scores", scores, (len(items), n_items + 1))
    if not np.isneginf(scores[:, :2]).all():
        raise BundleCorrupt(upper.file, "padding or an excluded item does not score -inf")
    if not np.isfinite(scores[:, 2:]).all():
        raise BundleCorrupt(upper.file, "gives a score that is not finite")


def _run(graph: Graph, call: Callable[[], T]) -> T:
    try:
        return call()
    except Exception as error:  # ONNX Runtime's exceptions share no narrower root
        raise BundleCorrupt(graph.file, f"does not run: {error}") from error


def _check_shape(
    graph: Graph, name: str, array: NDArray[np.generic], expected: tuple[int, ...]
) -> None:
    if array.shape != expected:
        raise BundleCorrupt(
            graph.file, f"{name} is {array.shape}, the manifest makes it {expected}"
        )

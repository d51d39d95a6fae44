"""The files by which a large catalogue is scanned (ADR 0011): int8 copies, and their bounds."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save

from model_store.bounds import GROUP, ROW_LEVELS, Bounds, Float32, ItemCodes, n_groups
from model_store.files import SCAN_FILE, SCAN_WEIGHTS_FILE
from training.export import final_state
from training.onnx_graph import ONNX_RUNTIME, GraphBuilder
from training.precision import Builder
from training.sasrec import Sasrec

BLOCK = 400 * GROUP
"""Items scored at once: 32 histories' scores of them stay in a core's cache."""
LISTED_ITEMS = 100_000
"""Items from which the scan tells no item's score: writing them all costs what they save."""
CODES = "codes_"
"""Before a block's number, in the name of its codes."""
SMALLEST_STEP = 1e-30
"""Of a history whose final hidden state is 0."""


def write_scan(folder: Path, model: Sasrec, block: int, *, lists: bool | None = None) -> None:
    """Writes scan.safetensors and scan.onnx.

    Args:
        folder: to write them into.
        model: the transformer.
        block: that the SAE reads (see `sasrec.Cut`).
        lists: whether the scan tells every item's score; by default of a catalogue below
            LISTED_ITEMS.
    """
    vectors = model.item_embedding.weight.detach().float().cpu().numpy()
    lists = model.shape.n_items < LISTED_ITEMS if lists is None else lists
    # all at once where every score is given out: joining those of blocks would copy them
    size = len(vectors) if lists else BLOCK
    blocks = [vectors[start : start + size] for start in range(0, len(vectors), size)]
    coded = [ItemCodes.of(own) for own in blocks]
    bounds = [codes.bounds(own) for codes, own in zip(coded, blocks, strict=True)]
    path = folder / SCAN_WEIGHTS_FILE
    path.write_bytes(save({**_rounded_up(bounds), **_weights(coded)}))
    onnx.save(scan_graph(model, block, path, lists=lists), folder / SCAN_FILE)


def scan_graph(
    model: Sasrec, block: int, weights: Path, *, lists: bool, builder: Builder = GraphBuilder
) -> onnx.ModelProto:
    """`hidden`, (`items`) -> the fields of `model_store.scan.Scanned`, `scores` if it `lists`."""
    graph = builder("scan", weights)
    with safe_open(weights, "numpy") as stored:
        n_blocks = sum(name.startswith(CODES) for name in stored.keys())  # noqa: SIM118 - not a dict
    d_model, groups = model.shape.d_model, n_groups(model.shape.n_items)
    final = final_state(graph, model, block)
    step, codes = _coded(graph, final)
    scores = [_scores(graph, codes, own) for own in range(n_blocks)]
    peaks = graph.node("Concat", *(_peaks(graph, own) for own in scores), axis=1)
    graph.output(final, "final", np.float32, ["batch", d_model])
    graph.output(step, "step", np.float32, ["batch", 1])
    graph.output(codes, "codes", np.uint8, ["batch", d_model])
    graph.output(peaks, "peaks", np.float32, ["batch", groups])
    if lists:
        joined = scores[0] if n_blocks == 1 else graph.node("Concat", *scores, axis=1)
        graph.output(joined, "scores", np.float32, ["batch", groups * GROUP])
    return graph.model()


def _coded(graph: GraphBuilder, final: str) -> tuple[str, str]:
    """Step [batch, 1] and codes [batch, d_model] of final hidden states."""
    axis = graph.constant("axis_1", np.array([1]))
    highest = graph.node("ReduceMax", graph.node("Abs", final), axis)
    levels = graph.constant("row_levels", np.float32(ROW_LEVELS))
    smallest = graph.constant("smallest_step", np.float32(SMALLEST_STEP))
    step = graph.node("Max", graph.node("Div", highest, levels), smallest)
    steps = graph.node("Round", graph.node("Div", final, step))
    shifted = graph.node("Add", steps, graph.constant("row_zero", np.float32(ROW_LEVELS + 1)))
    return step, graph.node("Cast", shifted, to=onnx.TensorProto.UINT8)


def _scores(graph: GraphBuilder, codes: str, block: int) -> str:
    """[batch, items] score of each item of one block, in steps of the history."""
    return graph.node(
        "MatMulIntegerToFloat",
        codes,
        graph.mapped(f"{CODES}{block}"),
        graph.constant("one", np.float32(1)),
        graph.mapped(f"steps_{block}"),
        graph.constant("row_zero_code", np.uint8(ROW_LEVELS + 1)),
        domain=ONNX_RUNTIME,
    )


def _peaks(graph: GraphBuilder, scores: str) -> str:
    """[batch, groups] the best score of each group."""
    grouped = graph.node("Reshape", scores, graph.constant("groups", np.array([0, -1, GROUP])))
    return graph.node("ReduceMax", grouped, graph.constant("axis_2", np.array([2])), keepdims=0)


def _weights(blocks: list[ItemCodes]) -> dict[str, NDArray[np.generic]]:
    """Codes [d_model, items] and steps [items] of each block, whole groups of items."""
    weights: dict[str, NDArray[np.generic]] = {}
    for number, own in enumerate(blocks):
        missing = -len(own.steps) % GROUP
        filled = np.pad(own.codes, ((0, missing), (0, 0)))
        weights[f"{CODES}{number}"] = np.ascontiguousarray(filled.T)
        weights[f"steps_{number}"] = np.pad(own.steps, (0, missing))
    return weights


def _rounded_up(blocks: list[Bounds]) -> dict[str, Float32]:
    joined = Bounds(*(np.concatenate(arrays) for arrays in zip(*blocks, strict=True)))
    return {
        name: np.nextafter(values.astype(np.float32), np.float32(np.inf))
        for name, values in joined._asdict().items()
    }

"""A bundle's steered forward in one ONNX file, for servers other than ours.

Our own service steers between the graphs, in numpy (ADR 0010), and reports on it. Whoever only
wants slates takes this file to any server that runs ONNX:

    python -m training.steered_graph BUNDLE_FOLDER FILE [--naive]

Inputs of `steered`: `items` int64 [batch, seq], oldest first, 0 to the left; `excluded` int64
[batch, m], 0 is nothing; `rule_features`, `rule_operations` int64 and `rule_values` float32
[batch, r], operations as the contract numbers them, 0 is no rule, values raw, each feature once per
row; `k` int64 [1], at most n_items. Outputs: `top_items` int64 and `top_scores` float32 [batch, k];
a place for which no item was left scores -inf.

`naive` is what a straightforward export gives, to compare with: every position to the end of every
block, and instead of rules `factor` and `addend` float32 [batch, d_sae].
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from model_store.cards import CARDS_FILE, FeatureCards
from model_store.files import BASE_MODEL_FILE, SAE_FILE
from model_store.load import read_manifest
from model_store.manifest import EditPositions, HookPoint
from steering.plan import Limits
from steering.rules import Operation
from training.bundle_files import load_model, load_sae
from training.export import activations_of, finished, hidden_at, newest, put_out_best
from training.onnx_graph import GraphBuilder
from training.sae import Sae
from training.sasrec import Cut, Sasrec


@dataclass(frozen=True, eq=False)
class Steered:
    """What is written."""

    model: Sasrec
    sae: Sae
    hook: HookPoint
    reference: NDArray[np.float32]
    """[d_sae] reference activations; 0 where dead."""
    limits: Limits = field(default_factory=Limits)
    """Of the edit, at each position."""

    @classmethod
    def of(cls, folder: Path) -> "Steered":
        """The bundle in a folder.

        Raises:
            BundleCorrupt: it is no bundle.
        """
        manifest = read_manifest(folder)
        cards = FeatureCards.model_validate_json((folder / CARDS_FILE).read_bytes())
        references = [card.reference_activation for card in cards.features]
        return cls(
            load_model(folder / BASE_MODEL_FILE, manifest.base_model),
            load_sae(folder / SAE_FILE, manifest.sae),
            manifest.hook_point,
            np.array(references, dtype=np.float32),
        )


Shift = Callable[[GraphBuilder, Steered, str], str]
"""What is added to hidden states [batch, positions, d_model]; declares the edit's inputs."""


def steered_graph(own: Steered) -> onnx.ModelProto:
    """The graph of sparse rules, which computes what the answer needs and nothing else."""
    return _graph(own, "steered", Cut(own.hook.block), _sparse_shift)


def naive_graph(own: Steered) -> onnx.ModelProto:
    """The graph of dense rules, which computes every position to the end."""
    return _graph(own, "naive", Cut(own.hook.block, newest_only=False), _dense_shift)


def _graph(own: Steered, name: str, cut: Cut, shift: Shift) -> onnx.ModelProto:
    graph = GraphBuilder(name)
    items = graph.input("items", np.int64, ["batch", "seq"])
    hidden = _steered(graph, own, hidden_at(graph, own.model, cut, items), shift)
    final = finished(graph, own.model, cut, hidden, items)
    excluded = graph.input("excluded", np.int64, ["batch", "m"])
    k = graph.input("k", np.int64, [1])
    put_out_best(graph, own.model, final, excluded, k)
    return graph.model()


def _steered(graph: GraphBuilder, own: Steered, hidden: str, shift: Shift) -> str:
    """Hidden states [batch, positions, d_model] after the edit."""
    if own.hook.positions is EditPositions.ALL:
        return graph.node("Add", hidden, shift(graph, own, hidden))
    last = newest(graph, hidden)
    edited = graph.node("Add", last, shift(graph, own, last))
    zero, minus_one = graph.constant("zero", np.array([0])), graph.constant("end_1", np.array([-1]))
    earlier = graph.node("Slice", hidden, zero, minus_one, graph.constant("axis_1", np.array([1])))
    return graph.node("Concat", earlier, edited, axis=1)


def _sparse_shift(graph: GraphBuilder, own: Steered, hidden: str) -> str:
    features = graph.input("rule_features", np.int64, ["batch", "r"])
    operations = graph.input("rule_operations", np.int64, ["batch", "r"])
    values = graph.input("rule_values", np.float32, ["batch", "r"])
    before = _picked(graph, activations_of(graph, own.sae, hidden), features)
    after = _moved(graph, own, before, _wide(graph, operations), _wide(graph, values))
    bound = graph.node("Gather", _bounds(graph, own), features)
    delta = _limited_change(graph, before, after, _wide(graph, bound))
    rows = graph.node("Gather", graph.weight("W_dec", own.sae.W_dec), features)
    return _kept(graph, own, graph.node("MatMul", delta, rows), hidden)


def _dense_shift(graph: GraphBuilder, own: Steered, hidden: str) -> str:
    d_sae = own.sae.shape.d_sae
    factor = _wide(graph, graph.input("factor", np.float32, ["batch", d_sae]))
    addend = _wide(graph, graph.input("addend", np.float32, ["batch", d_sae]))
    before = activations_of(graph, own.sae, hidden)
    after = graph.node("Add", graph.node("Mul", before, _factor(graph, own, factor)), addend)
    delta = _limited_change(graph, before, after, _bounds(graph, own))
    decoded = graph.node("MatMul", delta, graph.weight("W_dec", own.sae.W_dec))
    return _kept(graph, own, decoded, hidden)


def _picked(graph: GraphBuilder, activations: str, features: str) -> str:
    """[batch, positions, r] of activations [batch, positions, d_sae]."""
    lines = graph.node("Shape", activations, start=0, end=2)
    shape = graph.node("Concat", lines, graph.node("Shape", features, start=1, end=2), axis=0)
    places = graph.node("Expand", _wide(graph, features), shape)
    return graph.node("GatherElements", activations, places, axis=2)


def _moved(graph: GraphBuilder, own: Steered, before: str, operations: str, values: str) -> str:
    """[batch, positions, r] after each rule's operation, before the limits."""
    after = {
        Operation.SCALE: graph.node("Mul", before, _factor(graph, own, values)),
        Operation.ADD: graph.node("Add", before, values),
        Operation.SET: values,
        Operation.FLOOR: graph.node("Max", before, values),
        Operation.CAP: graph.node("Min", before, values),
    }
    moved = before
    for operation, edited in after.items():
        number = graph.constant(operation.name, np.array(int(operation)))
        moved = graph.node("Where", graph.node("Equal", operations, number), edited, moved)
    return moved


def _factor(graph: GraphBuilder, own: Steered, factor: str) -> str:
    largest = graph.constant("max_factor", np.float32(own.limits.max_factor))
    return graph.node("Min", factor, largest)


def _bounds(graph: GraphBuilder, own: Steered) -> str:
    """[d_sae] largest magnitude of an edited activation."""
    bounds = own.limits.max_activation * own.reference
    unbounded = np.where(own.reference > 0, bounds, np.inf)
    return graph.constant("bounds", unbounded.astype(np.float32))


def _limited_change(graph: GraphBuilder, before: str, after: str, bound: str) -> str:
    """What the edit adds to the activations, within the bound or what the encoder itself gave."""
    reach = graph.node("Max", bound, graph.node("Abs", before))
    limited = graph.node("Max", graph.node("Min", after, reach), graph.node("Neg", reach))
    return graph.node("Sub", limited, before)


def _kept(graph: GraphBuilder, own: Steered, shift: str, hidden: str) -> str:
    """The shift [batch, positions, d_model], scaled down to the allowed share of the state."""
    share = graph.constant("max_shift_share", np.float32(own.limits.max_shift_share))
    allowed = graph.node("Mul", _length(graph, hidden), share)
    length = _length(graph, shift)
    kept = graph.node(
        "Where",
        graph.node("Greater", length, allowed),
        graph.node("Div", allowed, length),
        graph.constant("whole", np.float32(1)),
    )
    return graph.node("Mul", shift, kept)


def _length(graph: GraphBuilder, vectors: str) -> str:
    return graph.node("ReduceL2", vectors, graph.constant("axis_last", np.array([-1])), keepdims=1)


def _wide(graph: GraphBuilder, rows: str) -> str:
    """[batch, 1, n] of [batch, n]."""
    return graph.node("Unsqueeze", rows, graph.constant("axis_1", np.array([1])))


def write(folder: Path, file: Path, *, is_naive: bool = False) -> None:
    """Writes the file of the bundle in a folder."""
    graph = naive_graph if is_naive else steered_graph
    onnx.save(graph(Steered.of(folder)), file)


def main() -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(description="A bundle's steered forward in one ONNX file.")
    parser.add_argument("bundle", type=Path, help="folder of the bundle")
    parser.add_argument("file", type=Path, help="to write")
    parser.add_argument("--naive", action="store_true", help="what a plain export gives")
    chosen = parser.parse_args()
    write(chosen.bundle, chosen.file, is_naive=chosen.naive)


if __name__ == "__main__":
    main()

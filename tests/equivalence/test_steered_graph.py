"""One file for other servers answers what the bundle's graphs and `steering.edit` answer.

Tolerance: the file edits in float32, `steering.edit` in float64.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from model_store.graphs import Graphs, TopK
from model_store.manifest import (
    BaseModelShape,
    EditPositions,
    HookPoint,
    SaeKind,
    SaeShape,
)
from steering.edit import edit
from steering.plan import Limits, plan_for
from steering.resolved import no_conditions, resolve_rules
from steering.rules import Operation, Rule, Unit
from steering.space import FeatureSpace
from training.export import write_graphs
from training.sae import Sae
from training.sasrec import Sasrec
from training.steered_graph import Steered, naive_graph, steered_graph

ATOL = 1e-4
SHAPE = BaseModelShape(n_items=400, max_seq=8, d_model=16, n_blocks=2, n_heads=2)
SAE_SHAPES = [
    SaeShape(kind=SaeKind.TOPK, d_sae=48, k=8),
    SaeShape(kind=SaeKind.BATCHTOPK, d_sae=48, k=8, threshold=0.4),
    SaeShape(kind=SaeKind.JUMPRELU, d_sae=48),
]
K = 10
NO_LIMITS = Limits(1e9, 1e9, 1e9)
TIGHT = Limits(max_factor=1.5, max_activation=2.0, max_shift_share=0.3)
N_DEAD = 4
"""The last features have no reference activation."""

Question = dict[str, NDArray[Any]]


class Exported(NamedTuple):
    """A steered model, in the bundle's graphs and in one."""

    own: Steered
    graphs: Graphs

    def expected(self, asked: Question) -> TopK:
        """What the reference answers."""
        hidden = self.graphs.hidden(asked["items"]).copy()
        is_last = self.own.hook.positions is EditPositions.LAST
        for row, items in enumerate(asked["items"]):
            count = 1 if is_last else min(np.count_nonzero(items), hidden.shape[1])
            touched = hidden[row, -count:]
            touched += self._shift(asked, row, touched)
        return self.graphs.top_k(hidden, asked["items"], asked["excluded"], K)

    def _shift(self, asked: Question, row: int, hidden: NDArray[np.float32]) -> NDArray[np.float32]:
        space = FeatureSpace.of(self.own.reference, {})
        lines = (asked[f"rule_{name}"][row].tolist() for name in ("features", "operations"))
        values = asked["rule_values"][row].tolist()
        rules = [
            Rule(Operation(operation), feature, value, Unit.RAW)
            for feature, operation, value in zip(*lines, values, strict=True)
            if operation
        ]
        plan = plan_for([resolve_rules(rules, space, no_conditions)], {}, self.own.limits)
        w_dec = self.own.sae.W_dec.detach().numpy()
        return edit(plan, space, self.graphs.activations(hidden), hidden, w_dec).shift


def exported(folder: Path, own: Steered) -> Exported:
    write_graphs(folder, own.model, own.sae, own.hook.block)
    return Exported(own, Graphs(folder, n_items=SHAPE.n_items))


def steered(
    *,
    block: int = SHAPE.n_blocks,
    positions: EditPositions = EditPositions.LAST,
    sae_shape: SaeShape = SAE_SHAPES[0],
    limits: Limits = NO_LIMITS,
) -> Steered:
    torch.manual_seed(0)
    model = Sasrec(SHAPE).eval().requires_grad_(False)
    for weight in model.parameters():
        weight.add_(0.1 * torch.randn_like(weight))
    model.item_embedding.weight[0] = 0
    sae = Sae(sae_shape, SHAPE.d_model).eval().requires_grad_(False)
    sae.b_enc.add_(0.1 * torch.randn(sae_shape.d_sae))
    reference = np.linspace(0.2, 1.0, sae_shape.d_sae, dtype=np.float32)
    reference[-N_DEAD:] = 0
    return Steered(model, sae, HookPoint(block=block, positions=positions), reference, limits)


def questions(operations: tuple[int, ...] = (0, 1, 2, 3, 4, 5)) -> Question:
    """Histories of every length, with rules of these operations that differ from row to row."""
    rng = np.random.default_rng(0)
    items = rng.integers(1, SHAPE.n_items + 1, (16, SHAPE.max_seq))
    for row, own in enumerate(items):
        own[: row % SHAPE.max_seq] = 0
    features = np.stack([rng.permutation(SAE_SHAPES[0].d_sae)[:6] for _ in items])
    return {
        "items": items,
        "excluded": np.where(rng.random(items.shape) < 0.5, items, 0),
        "rule_features": features,
        "rule_operations": rng.choice(operations, features.shape),
        "rule_values": rng.uniform(0, 2, features.shape).astype(np.float32),
    }


def answered(graph: onnx.ModelProto, asked: Question) -> TopK:
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    places = np.array([K], dtype=np.int64)
    return TopK(*session.run(["top_items", "top_scores"], {**asked, "k": places}))


def assert_same(given: TopK, expected: TopK) -> None:
    np.testing.assert_array_equal(given.items, expected.items)
    np.testing.assert_allclose(given.scores, expected.scores, rtol=0, atol=ATOL)


@pytest.mark.parametrize("block", range(1, SHAPE.n_blocks + 2))
@pytest.mark.parametrize("positions", EditPositions)
def test_the_slates_are_the_references(
    block: int, positions: EditPositions, tmp_path: Path
) -> None:
    own = exported(tmp_path, steered(block=block, positions=positions))
    asked = questions()
    assert_same(answered(steered_graph(own.own), asked), own.expected(asked))


@pytest.mark.parametrize("limits", [Limits(), TIGHT], ids=["default", "tight"])
def test_limits_hold_as_in_the_reference(limits: Limits, tmp_path: Path) -> None:
    own = exported(tmp_path, steered(limits=limits))
    asked = questions()
    assert_same(answered(steered_graph(own.own), asked), own.expected(asked))


@pytest.mark.parametrize("sae_shape", SAE_SHAPES, ids=lambda shape: shape.kind.value)
def test_every_kind_of_sae_is_read_as_the_reference_reads_it(
    sae_shape: SaeShape, tmp_path: Path
) -> None:
    own = exported(tmp_path, steered(sae_shape=sae_shape))
    asked = questions()
    assert_same(answered(steered_graph(own.own), asked), own.expected(asked))


def test_the_tight_limits_do_cut(tmp_path: Path) -> None:
    asked = questions()
    free, cut = (answered(steered_graph(steered(limits=own)), asked) for own in (NO_LIMITS, TIGHT))
    assert (free.items != cut.items).any()


def test_rows_of_padding_change_no_score() -> None:
    asked = questions((0,))
    none = {name: own[:, :1] if name.startswith("rule") else own for name, own in asked.items()}
    graph = steered_graph(steered())
    np.testing.assert_array_equal(answered(graph, asked).scores, answered(graph, none).scores)


@pytest.mark.parametrize("block", range(1, SHAPE.n_blocks + 2))
def test_the_naive_export_answers_the_same(block: int) -> None:
    own = steered(block=block, limits=TIGHT)
    asked = questions((0, 1, 2))
    assert_same(answered(naive_graph(own), dense(asked)), answered(steered_graph(own), asked))


def dense(asked: Question) -> Question:
    """The same rules as a factor and an addend for every feature."""
    shape = (len(asked["items"]), SAE_SHAPES[0].d_sae)
    factor, addend = np.ones(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
    for row in range(len(factor)):
        features, values = asked["rule_features"][row], asked["rule_values"][row]
        is_factor, is_addend = (asked["rule_operations"][row] == number for number in (1, 2))
        factor[row, features[is_factor]] = values[is_factor]
        addend[row, features[is_addend]] = values[is_addend]
    shared = {name: asked[name] for name in ("items", "excluded")}
    return {**shared, "factor": factor, "addend": addend}

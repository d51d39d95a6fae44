"""The ONNX graphs answer what the torch models answer.

Tolerance: scores and hidden states are sums of some hundred float32 products of size about one,
which the two libraries add up in different orders.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch

from model_store.graphs import Graphs
from model_store.manifest import BaseModelShape, SaeKind, SaeShape
from training.batches import Items, generator, left_padded
from training.dataset import Dataset
from training.export import write_graphs
from training.sae import Sae
from training.sasrec import Cut, Sasrec
from training.split import leave_one_out

TOLERANCE = 2e-5
SHAPE = BaseModelShape(n_items=1_682, max_seq=12, d_model=32, n_blocks=3, n_heads=2)
SAE_SHAPES = [
    SaeShape(kind=SaeKind.TOPK, d_sae=96, k=8),
    SaeShape(kind=SaeKind.BATCHTOPK, d_sae=96, k=8, threshold=0.4),
    SaeShape(kind=SaeKind.RELU, d_sae=96),
    SaeShape(kind=SaeKind.JUMPRELU, d_sae=96),
]
K = 20

Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]


class Exported(NamedTuple):
    """A model cut after `block`, in torch and in ONNX."""

    model: Sasrec
    block: int
    graphs: Graphs


def _model() -> Sasrec:
    torch.manual_seed(0)
    model = Sasrec(SHAPE).eval().requires_grad_(False)
    for weight in model.parameters():
        weight.add_(0.1 * torch.randn_like(weight))
    model.item_embedding.weight[0] = 0
    return model


def _sae(shape: SaeShape) -> Sae:
    torch.manual_seed(1)
    sae = Sae(shape, SHAPE.d_model).eval().requires_grad_(False)
    sae.b_enc.add_(0.1 * torch.randn(shape.d_sae))
    if shape.kind is SaeKind.JUMPRELU:
        sae.threshold.add_(torch.rand(shape.d_sae))
    return sae


@pytest.fixture(scope="module", params=range(1, SHAPE.n_blocks + 2))
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The same model hooked after each block, and after the final norm."""
    folder, block = tmp_path_factory.mktemp("graphs"), int(request.param)
    model = _model()
    write_graphs(folder, model, _sae(SAE_SHAPES[0]), block)
    return Exported(model, block, Graphs(folder, n_items=SHAPE.n_items))


def _random(lengths: Sequence[int]) -> list[Items]:
    rng = generator(*lengths)
    return [rng.integers(1, SHAPE.n_items + 1, n).astype(np.int32) for n in lengths]


def _assert_same_answers(exported: Exported, histories: list[Items], shift: float = 0.0) -> None:
    """Hidden states, scores and lists of both, with `shift` added at the newest position."""
    items = left_padded(histories, SHAPE.max_seq)
    cut = Cut(exported.block)
    expected = exported.model.lower(items, cut)
    hidden = exported.graphs.hidden(items.numpy()).copy()
    read = slice(None) if hidden.shape[1] == 1 else items.numpy() > 0
    np.testing.assert_allclose(hidden[read], expected.numpy()[read], atol=TOLERANCE, rtol=0)
    expected[:, -1] += shift
    hidden[:, -1] += np.float32(shift)
    final = exported.model.upper(expected, items, cut)[:, -1]
    _assert_same_slates(exported, hidden, items.numpy(), exported.model.scores(final).numpy())


def _assert_same_slates(
    exported: Exported, hidden: Float32, items: Int64, expected: Float32
) -> None:
    answer = exported.graphs.top_k_and_scores(hidden, items, items, K)
    np.put_along_axis(expected, items, -np.inf, axis=1)
    np.testing.assert_allclose(answer.all_scores, expected, atol=TOLERANCE, rtol=0)
    best = np.argsort(-expected, axis=1, kind="stable")[:, :K]
    np.testing.assert_array_equal(answer.items, best)


@pytest.mark.parametrize("block", range(1, SHAPE.n_blocks + 2))
def test_what_a_graph_gives_out_is_not_copied(tmp_path: Path, block: int) -> None:
    write_graphs(tmp_path, _model(), _sae(SAE_SHAPES[0]), block)
    for path in tmp_path.glob("*.onnx"):
        assert "Identity" not in {node.op_type for node in onnx.load(path).graph.node}


@pytest.mark.parametrize("length", [1, 2, 5, 11, 12], ids="length {}".format)
def test_a_single_history(exported: Exported, length: int) -> None:
    _assert_same_answers(exported, _random([length]))


def test_a_history_too_long_is_read_from_its_newest_items(exported: Exported) -> None:
    (history,) = _random([40])
    _assert_same_answers(exported, [history])
    items, newest = left_padded([history], 12), left_padded([history[-12:]], 12)
    np.testing.assert_array_equal(items.numpy(), newest.numpy())


def test_histories_of_mixed_lengths_in_one_batch(exported: Exported) -> None:
    _assert_same_answers(exported, _random([1, 12, 3, 7, 40, 2]))


def test_a_history_without_items(exported: Exported) -> None:
    _assert_same_answers(exported, [*_random([4]), np.zeros(0, dtype=np.int32)])


def test_an_edited_newest_position(exported: Exported) -> None:
    _assert_same_answers(exported, _random([9, 1, 12]), shift=0.7)


def test_an_edit_at_every_position(exported: Exported) -> None:
    if exported.block >= SHAPE.n_blocks:
        pytest.skip("after the last block there is only the newest position")
    items = left_padded(_random([6, 12, 2]), SHAPE.max_seq)
    cut = Cut(exported.block)
    hidden = exported.graphs.hidden(items.numpy()) + np.float32(0.5)
    final = exported.model.upper(exported.model.lower(items, cut) + 0.5, items, cut)[:, -1]
    _assert_same_slates(exported, hidden, items.numpy(), exported.model.scores(final).numpy())


def test_real_histories(exported: Exported, ml100k: Dataset) -> None:
    inputs = leave_one_out(ml100k).test_inputs
    for start in range(0, 192, 64):
        _assert_same_answers(exported, list(inputs[start : start + 64]))


def test_a_history_alone_gets_what_it_gets_in_a_batch(exported: Exported) -> None:
    histories = _random([3, 12, 1, 8])
    together = left_padded(histories, SHAPE.max_seq).numpy()
    batch = exported.graphs.top_k(exported.graphs.hidden(together), together, together, K)
    for row, history in enumerate(histories):
        items = left_padded([history], SHAPE.max_seq).numpy()
        alone = exported.graphs.top_k(exported.graphs.hidden(items), items, items, K)
        np.testing.assert_array_equal(alone.items[0], batch.items[row])
        np.testing.assert_allclose(alone.scores[0], batch.scores[row], atol=TOLERANCE, rtol=0)


def test_the_lower_graph_computes_the_newest_position_where_that_is_enough(
    exported: Exported,
) -> None:
    positions = 1 if exported.block >= SHAPE.n_blocks else 5
    hidden = exported.graphs.hidden(left_padded(_random([5]), SHAPE.max_seq).numpy())
    assert hidden.shape == (1, positions, SHAPE.d_model)


def test_the_upper_graph_reads_items_only_where_blocks_remain(exported: Exported) -> None:
    assert ("items" in exported.graphs.upper.inputs) == (exported.block < SHAPE.n_blocks)


@pytest.mark.parametrize("shape", SAE_SHAPES, ids=lambda shape: shape.kind.value)
def test_activations(shape: SaeShape, tmp_path: Path) -> None:
    sae = _sae(shape)
    write_graphs(tmp_path, _model(), sae, 1)
    hidden = torch.randn(64, SHAPE.d_model)
    activations = Graphs(tmp_path, n_items=SHAPE.n_items).activations(hidden.numpy())
    np.testing.assert_allclose(activations, sae.encode(hidden).numpy(), atol=TOLERANCE, rtol=0)
    assert activations.min() >= 0

"""From trained models to the three ONNX graphs of a bundle (ADR 0003, ADR 0004).

The graphs are written operator by operator: they hold what serving computes and nothing else.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from torch import Tensor, nn

from model_store.files import ITEM_VECTORS
from model_store.manifest import SaeKind
from training.onnx_graph import GraphBuilder
from training.precision import Builder
from training.sae import THRESHOLD_KINDS, Sae
from training.sasrec import Attention, Block, Cut, Sasrec

INFINITE = float("inf")
BLIND = -1e9
"""Attention score of what a position may not see: finite, so that no row of a softmax is NaN."""


def write_graphs(
    folder: Path, model: Sasrec, sae: Sae, block: int, mapped: Path | None = None
) -> None:
    """Writes lower.onnx, encoder.onnx and upper.onnx, cut after `block` (see `sasrec.Cut`).

    Args:
        folder: to write them into.
        model: the transformer.
        sae: the autoencoder.
        block: that the SAE reads.
        mapped: the model's safetensors file in `folder`, whose item vectors the graphs then share
            instead of holding two copies of their own.
    """
    onnx.save(lower_graph(model, block, mapped), folder / "lower.onnx")
    onnx.save(encoder_graph(sae), folder / "encoder.onnx")
    onnx.save(upper_graph(model, block, mapped), folder / "upper.onnx")


def lower_graph(
    model: Sasrec, block: int, mapped: Path | None = None, builder: Builder = GraphBuilder
) -> onnx.ModelProto:
    """`items` int64 [batch, seq] -> `hidden` [batch, positions, d_model]."""
    graph = builder("lower", mapped)
    items = graph.input("items", np.int64, ["batch", "seq"])
    hidden = hidden_at(graph, model, Cut(block), items)
    positions = 1 if block >= model.shape.n_blocks else "seq"
    graph.output(hidden, "hidden", np.float32, ["batch", positions, model.shape.d_model])
    return graph.model()


def hidden_at(graph: GraphBuilder, model: Sasrec, cut: Cut, items: str) -> str:
    """Hidden states [batch, positions, d_model] at the cut, of item indices [batch, seq]."""
    blocks = range(min(cut.block, model.shape.n_blocks))
    embedded = _embed(graph, model, items)
    hidden = _run(graph, model, blocks, embedded, items, newest_only=cut.newest_only)
    if cut.block > model.shape.n_blocks:
        hidden = _norm(graph, "final_norm", model.final_norm, hidden)
    return hidden


def encoder_graph(sae: Sae) -> onnx.ModelProto:
    """`hidden` [rows, d_model] -> `activations` [rows, d_sae], all >= 0."""
    graph = GraphBuilder("encoder")
    hidden = graph.input("hidden", np.float32, ["rows", sae.W_enc.shape[0]])
    activations = activations_of(graph, sae, hidden)
    graph.output(activations, "activations", np.float32, ["rows", sae.shape.d_sae])
    return graph.model()


def activations_of(graph: GraphBuilder, sae: Sae, hidden: str) -> str:
    """Activations [..., d_sae] of hidden states [..., d_model]."""
    projected = graph.node("MatMul", hidden, graph.weight("W_enc", sae.W_enc))
    shifted = graph.node("Add", projected, graph.weight("b_enc", sae.b_enc))
    return _sparse(graph, sae, graph.node("Relu", shifted))


def upper_graph(
    model: Sasrec, block: int, mapped: Path | None = None, builder: Builder = GraphBuilder
) -> onnx.ModelProto:
    """`hidden`, (`items`,) `excluded`, `k` -> `top_scores`, `top_items`, `scores`."""
    graph = builder("upper", mapped)
    shape = model.shape
    final = final_state(graph, model, block)
    excluded = graph.input("excluded", np.int64, ["batch", "m"])
    k = graph.input("k", np.int64, [1])
    scores = put_out_best(graph, model, final, excluded, k)
    graph.output(scores, "scores", np.float32, ["batch", shape.n_items + 1])
    return graph.model()


def put_out_best(graph: GraphBuilder, model: Sasrec, final: str, excluded: str, k: str) -> str:
    """Scores [batch, n_items + 1] of final states [batch, d_model].

    The graph's outputs `top_scores` and `top_items` become the k best.
    """
    scores = _exclude(graph, _score(graph, model, final), excluded)
    top_scores, top_items = graph.nodes("TopK", scores, k, n_outputs=2, axis=-1)
    graph.output(top_scores, "top_scores", np.float32, ["batch", "k"])
    graph.output(top_items, "top_items", np.int64, ["batch", "k"])
    return scores


def final_state(graph: GraphBuilder, model: Sasrec, block: int) -> str:
    """Final hidden state [batch, d_model] from the inputs `hidden` and, where needed, `items`."""
    shape = model.shape
    positions = "seq" if block < shape.n_blocks else 1
    hidden = graph.input("hidden", np.float32, ["batch", positions, shape.d_model])
    is_read = block < shape.n_blocks
    items = graph.input("items", np.int64, ["batch", "seq"]) if is_read else ""
    return finished(graph, model, Cut(block), hidden, items)


def finished(graph: GraphBuilder, model: Sasrec, cut: Cut, hidden: str, items: str) -> str:
    """Final hidden states [batch, d_model] of those at the cut.

    Args:
        graph: to add to.
        model: the transformer.
        cut: where `hidden` was taken.
        hidden: [batch, positions, d_model].
        items: what it was computed from; read where blocks remain.
    """
    if cut.block < model.shape.n_blocks:
        remaining = range(cut.block, model.shape.n_blocks)
        hidden = _run(graph, model, remaining, hidden, items, newest_only=cut.newest_only)
    if cut.block <= model.shape.n_blocks:
        hidden = _norm(graph, "final_norm", model.final_norm, hidden)
    if not cut.newest_only:
        hidden = newest(graph, hidden)
    return graph.node("Squeeze", hidden, graph.constant("axis_1", np.array([1])))


def _embed(graph: GraphBuilder, model: Sasrec, items: str) -> str:
    aged = graph.weight("position_embedding", model.position_embedding.weight.flip(0))
    seq = graph.node("Shape", items, start=1, end=2)
    newest = graph.constant("max_seq", np.array([model.shape.max_seq]))
    first = graph.node("Sub", newest, seq)
    positions = graph.node("Slice", aged, first, newest, graph.constant("axis_0", np.array([0])))
    return graph.node("Add", _item_embeddings(graph, model, items), positions)


def _item_embeddings(graph: GraphBuilder, model: Sasrec, items: str) -> str:
    scale = float(model.shape.d_model) ** 0.5
    if graph.has_weights:
        gathered = graph.node("Gather", graph.mapped(ITEM_VECTORS), items)
        return graph.node("Mul", gathered, graph.constant("embedding_scale", np.float32(scale)))
    return graph.rows("item_embedding", model.item_embedding.weight * scale, items)


def _run(
    graph: GraphBuilder,
    model: Sasrec,
    blocks: range,
    hidden: str,
    items: str,
    *,
    newest_only: bool,
) -> str:
    """Hidden states [batch, positions, d_model] after some blocks.

    Between blocks the positions of all histories are rows of one matrix: ONNX Runtime adds a bias
    within the product of two matrices, and in a pass of its own elsewhere.
    """
    d_model, mask = model.shape.d_model, _mask(graph, model.shape.max_seq, items)
    sizes = graph.node("Shape", items)
    split = _with(graph, sizes, model.shape.n_heads, d_model // model.shape.n_heads)
    whole = _with(graph, sizes, d_model)
    rows = _rows(graph, hidden, d_model)
    for index in blocks:
        name, block = f"block_{index + 1}", model.blocks[index]
        if not isinstance(block, Block):
            raise TypeError(f"cannot export a {type(block).__name__}")
        if newest_only and index == model.shape.n_blocks - 1:
            rows = _newest_block(graph, name, block, graph.node("Reshape", rows, whole), mask)
            return graph.node("Unsqueeze", rows, graph.constant("axis_1", np.array([1])))
        rows = _block(graph, name, block, rows, mask, split)
    return graph.node("Reshape", rows, whole)


def _with(graph: GraphBuilder, sizes: str, *more: int) -> str:
    """A shape: batch, seq, and what follows."""
    return graph.node("Concat", sizes, graph.constant(f"sizes {more}", np.array(more)), axis=0)


def _rows(graph: GraphBuilder, x: str, width: int) -> str:
    return graph.node("Reshape", x, graph.constant(f"rows of {width}", np.array([-1, width])))


def _mask(graph: GraphBuilder, max_seq: int, items: str) -> str:
    """What is added to attention scores, [batch, 1, seq, seq]: 0 where visible, else BLIND."""
    seq = graph.node("Shape", items, start=1, end=2)
    zero = graph.constant("zeros_2", np.array([0, 0]))
    square = graph.node("Concat", seq, seq, axis=0)
    causal = graph.constant("causal", np.tril(np.ones((max_seq, max_seq), dtype=np.bool_)))
    itself = graph.constant("itself", np.eye(max_seq, dtype=np.bool_))
    known = graph.node("Cast", items, to=onnx.TensorProto.BOOL)
    seen = graph.node("Unsqueeze", known, graph.constant("axes_1_2", np.array([1, 2])))
    older = graph.node("And", graph.node("Slice", causal, zero, square), seen)
    visible = graph.node("Or", older, graph.node("Slice", itself, zero, square))
    nothing = graph.constant("nothing", np.float32(0))
    return graph.node("Where", visible, nothing, graph.constant("blind", np.float32(BLIND)))


def _block(graph: GraphBuilder, name: str, block: Block, hidden: str, mask: str, split: str) -> str:
    """[batch x seq, d_model] after one block."""
    context = _norm(graph, f"{name}.attention_norm", block.attention_norm, hidden)
    attended = _attention(graph, f"{name}.attention", block.attention, context, mask, split)
    return _fed_forward(graph, name, block, graph.node("Add", hidden, attended))


def _newest_block(graph: GraphBuilder, name: str, block: Block, hidden: str, mask: str) -> str:
    """[batch, d_model] at the newest position after one block, of [batch, seq, d_model]."""
    context = _norm(graph, f"{name}.attention_norm", block.attention_norm, hidden)
    attended = _newest_attention(graph, f"{name}.attention", block.attention, context, mask)
    return _fed_forward(graph, name, block, graph.node("Add", _last(graph, hidden, 1), attended))


def _fed_forward(graph: GraphBuilder, name: str, block: Block, hidden: str) -> str:
    normed = _norm(graph, f"{name}.feed_forward_norm", block.feed_forward_norm, hidden)
    widened = graph.node("Gelu", _linear(graph, f"{name}.widen", block.widen, normed))
    return graph.node("Add", hidden, _linear(graph, f"{name}.narrow", block.narrow, widened))


def _newest_attention(
    graph: GraphBuilder, name: str, attention: Attention, context: str, mask: str
) -> str:
    """What the newest position attends to, [batch, d_model], without keys and values.

    A score is (query K) context, and the mean of values V (mean of context), so that both matrices
    are folded into those of the one query and of the output. What the keys' bias adds to all scores
    alike cancels in the softmax.
    """
    read, told = _read(attention), _told(attention)
    by_head = graph.constant("by_head", np.array([0, attention.n_heads, -1]))
    queries = graph.product(f"{name}.read", _last(graph, context, 1), *read)
    turned = graph.node("Transpose", context, perm=[0, 2, 1])
    scores = graph.node("MatMul", graph.node("Reshape", queries, by_head), turned)
    visible = graph.node("Add", scores, _last(graph, mask, 2))
    means = graph.node("MatMul", graph.node("Softmax", visible, axis=-1), context)
    return graph.product(f"{name}.told", _rows(graph, means, len(told[0])), *told)


def _read(attention: Attention) -> tuple[Tensor, Tensor]:
    """[d_model, heads * d_model] and its bias: queries of contexts instead of keys."""
    (query, shift), (key, _) = (
        _by_head(attention, own) for own in (attention.query, attention.key)
    )
    scale = query.shape[1] ** -0.5
    weight = (query.mT @ key * scale).transpose(0, 1).flatten(1)
    return weight, (shift.mT @ key * scale).flatten()


def _told(attention: Attention) -> tuple[Tensor, Tensor]:
    """[heads * d_model, d_model] and its bias: the output of means of context, not of values."""
    value, shift = _by_head(attention, attention.value)
    output = attention.output.weight.double().T.reshape_as(value)
    bias = (shift.mT @ output).sum(dim=(0, 1)) + attention.output.bias.double()
    return (value.mT @ output).flatten(0, 1), bias


def _by_head(attention: Attention, layer: nn.Linear) -> tuple[Tensor, Tensor]:
    """Weight [heads, d_head, d_model] and bias [heads, d_head, 1], in double precision."""
    heads, d_model = attention.n_heads, layer.in_features
    weight, bias = layer.weight.double(), layer.bias.double()
    return weight.reshape(heads, -1, d_model), bias.reshape(heads, -1, 1)


def _attention(
    graph: GraphBuilder, name: str, attention: Attention, context: str, mask: str, split: str
) -> str:
    d_model = attention.query.out_features
    scale = (d_model / attention.n_heads) ** -0.5
    q = _heads(graph, _linear(graph, f"{name}.query", attention.query, context, scale), split)
    k = _heads(graph, _linear(graph, f"{name}.key", attention.key, context), split, (0, 2, 3, 1))
    v = _heads(graph, _linear(graph, f"{name}.value", attention.value, context), split)
    scores = graph.node("Add", graph.node("MatMul", q, k), mask)
    attended = graph.node("MatMul", graph.node("Softmax", scores, axis=-1), v)
    turned = graph.node("Transpose", attended, perm=[0, 2, 1, 3])
    return _linear(graph, f"{name}.output", attention.output, _rows(graph, turned, d_model))


def _heads(graph: GraphBuilder, x: str, split: str, perm: Sequence[int] = (0, 2, 1, 3)) -> str:
    return graph.node("Transpose", graph.node("Reshape", x, split), perm=list(perm))


def _linear(graph: GraphBuilder, name: str, layer: nn.Linear, x: str, scale: float = 1.0) -> str:
    return graph.product(name, x, layer.weight.T * scale, layer.bias * scale)


def _norm(graph: GraphBuilder, name: str, norm: nn.LayerNorm, x: str) -> str:
    gain, bias = (
        graph.weight(f"{name}.weight", norm.weight),
        graph.weight(f"{name}.bias", norm.bias),
    )
    return graph.node("LayerNormalization", x, gain, bias, axis=-1, epsilon=norm.eps)


def newest(graph: GraphBuilder, x: str) -> str:
    """The last position of [batch, positions, d_model], as one position."""
    minus_one = graph.constant("minus_one", np.array([-1]))
    return graph.node("Gather", x, minus_one, axis=1)


def _last(graph: GraphBuilder, x: str, axis: int) -> str:
    """The last of an axis, which goes."""
    return graph.node("Gather", x, graph.constant("last", np.array(-1)), axis=axis)


def _score(graph: GraphBuilder, model: Sasrec, final: str) -> str:
    if graph.has_weights:
        return graph.node("Gemm", final, graph.mapped(ITEM_VECTORS), transB=1)
    return graph.node("MatMul", final, graph.weight("item_vectors", model.item_embedding.weight.T))


def _exclude(graph: GraphBuilder, scores: str, excluded: str) -> str:
    """Scores [batch, n_items + 1] with padding and the excluded items at -inf."""
    front = graph.constant("front", np.array([0, 1, 0, 0]))
    with_padding = graph.node("Pad", excluded, front)
    shape = graph.node("Shape", with_padding)
    never = onnx.numpy_helper.from_array(np.array([-INFINITE], dtype=np.float32))
    updates = graph.node("ConstantOfShape", shape, value=never)
    return graph.node("ScatterElements", scores, with_padding, updates, axis=1)


def _sparse(graph: GraphBuilder, sae: Sae, rectified: str) -> str:
    if sae.shape.kind is SaeKind.RELU:
        return rectified
    if sae.shape.kind in THRESHOLD_KINDS:
        return _above_threshold(graph, sae, rectified)
    return _top_k(graph, sae, rectified)


def _above_threshold(graph: GraphBuilder, sae: Sae, rectified: str) -> str:
    threshold = graph.weight("threshold", sae.threshold)
    above = graph.node("Greater", rectified, threshold)
    return graph.node("Where", above, rectified, graph.constant("nothing", np.float32(0)))


def _top_k(graph: GraphBuilder, sae: Sae, rectified: str) -> str:
    active = graph.constant("active", np.array([sae.k]))
    values, indices = graph.nodes("TopK", rectified, active, n_outputs=2, axis=-1, sorted=0)
    blank = onnx.numpy_helper.from_array(np.array([0], dtype=np.float32))
    zeros = graph.node("ConstantOfShape", graph.node("Shape", rectified), value=blank)
    return graph.node("ScatterElements", zeros, indices, values, axis=-1)

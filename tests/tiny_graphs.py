"""The ONNX graphs of a TinyModel, written by hand in ONNX's own text."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from tests.tiny_model import DECAY, TinyModel

_HEAD = '<ir_version: 8, opset_import: ["": 17]>'

# mask [batch, seq, 1], steps [seq], mix [seq, seq]: older items count less, later ones nothing
_CAUSAL = """
    is_item = Greater(items, zero)
    flat_mask = Cast <to = 1> (is_item)
    mask = Unsqueeze(flat_mask, axis_2)
    items_shape = Shape(items)
    seq = Gather(items_shape, one)
    steps = Range(zero, seq, one)
    row = Unsqueeze(steps, axis_1)
    column = Unsqueeze(steps, axis_0)
    distance = Sub(row, column)
    is_past = GreaterOrEqual(distance, zero)
    magnitude = Abs(distance)
    exponent = Cast <to = 1> (magnitude)
    decayed = Pow(decay, exponent)
    mix = Where(is_past, decayed, nought)
"""

_EMBED = """
    embedded = Gather(item_embeddings, items)
    newest = Sub(seq, one)
    age = Sub(newest, steps)
    position = Gather(position_embeddings, age)
    placed = Add(embedded, position)
    state_0 = Mul(placed, mask)
"""

_BLOCK = """
    mixed_{i} = MatMul(mix, state_{i})
    turned_{i} = MatMul(mixed_{i}, mixer_{i})
    bent_{i} = Tanh(turned_{i})
    moved_{i} = Add(state_{i}, bent_{i})
    state_{next} = Mul(moved_{i}, mask)
"""

_RANK = """
    last = Gather <axis = 1> ({state}, last_position)
    all_scores = MatMul(last, scorers)
    hidden_shape = Shape(hidden)
    batch = Gather(hidden_shape, axis_0)
    column_shape = Concat <axis = 0> (batch, axis_1)
    padding = Expand(zero, column_shape)
    removed = Concat <axis = 1> (padding, excluded)
    removed_shape = Shape(removed)
    removed_scores = Expand(lowest, removed_shape)
    scores = ScatterElements <axis = 1> (all_scores, removed, removed_scores)
    top_scores, top_items = TopK <axis = 1, largest = 1, sorted = 1> (scores, k)
"""

_ENCODE = """
    projected = MatMul(hidden, W_enc)
    shifted = Add(projected, b_enc)
    positive = Relu(shifted)
    kept, places = TopK <axis = 1> (positive, sae_k)
    silent = Mul(positive, nought)
    activations = ScatterElements <axis = 1> (silent, places, kept)
"""


def write_lower(path: Path, model: TinyModel) -> None:
    """Items to the hidden state after the hook's block."""
    body = _CAUSAL + _EMBED + _blocks(0, min(model.hook_block, model.n_blocks))
    if model.hook_block >= model.n_blocks:
        body += f"hidden = Gather <axis = 1> (state_{model.n_blocks}, only_last)"
    else:
        body += f"hidden = Identity(state_{model.hook_block})"
    signature = f"(int64[batch, seq] items) => (float[batch, positions, {model.d_model}] hidden)"
    _write(path, signature, body, _constants(model))


def write_encoder(path: Path, model: TinyModel) -> None:
    """Hidden state to SAE activations."""
    signature = f"(float[rows, {model.d_model}] hidden) => (float[rows, {model.d_sae}] activations)"
    _write(path, signature, _ENCODE, _constants(model))


def write_upper(path: Path, model: TinyModel) -> None:
    """Hidden state to scores; reads `items` only where blocks remain."""
    items, body, state = "", "", "hidden"
    if model.hook_block < model.n_blocks:
        items = "int64[batch, seq] items, "
        body = f"{_CAUSAL} state_{model.hook_block} = Identity(hidden)"
        body += _blocks(model.hook_block, model.n_blocks)
        state = f"state_{model.n_blocks}"
    inputs = f"float[batch, positions, {model.d_model}] hidden, {items}int64[batch, m] excluded"
    top = "float[batch, places] top_scores, int64[batch, places] top_items"
    signature = f"({inputs}, int64[1] k) => ({top}, float[batch, {model.n_items + 1}] scores)"
    _write(path, signature, body + _RANK.format(state=state), _constants(model))


def _blocks(first: int, end: int) -> str:
    return "".join(_BLOCK.format(i=i, next=i + 1) for i in range(first, end))


def _constants(model: TinyModel) -> dict[str, NDArray[np.generic]]:
    weights = {
        "item_embeddings": model.item_embeddings,
        "position_embeddings": model.position_embeddings,
        "scorers": model.item_embeddings.T,
        "W_enc": model.W_enc,
        "b_enc": model.b_enc,
        "decay": np.array(DECAY),
        "nought": np.array(0.0),
        "lowest": np.array(-np.inf),
    } | {f"mixer_{i}": mixer for i, mixer in enumerate(model.mixers)}
    integers = {"zero": 0, "one": 1, "last_position": -1}
    lists = {"axis_0": [0], "axis_1": [1], "axis_2": [2], "only_last": [-1], "sae_k": [model.sae_k]}
    return {
        **{name: array.astype(np.float32) for name, array in weights.items()},
        **{name: np.array(value, dtype=np.int64) for name, value in (integers | lists).items()},
    }


def _write(
    path: Path, signature: str, body: str, constants: dict[str, NDArray[np.generic]]
) -> None:
    model = onnx.parser.parse_model(f"{_HEAD} {path.stem} {signature} {{ {body} }}")
    used = {name for node in model.graph.node for name in node.input}
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(array, order="C"), name)
        for name, array in constants.items()
        if name in used
    )
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)

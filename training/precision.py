"""Graphs whose products with trained matrices are stored, or computed, in fewer bits (ADR 0015)."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_store.manifest import Precision
from training.onnx_graph import ONNX_RUNTIME, GraphBuilder

WEIGHT_LEVELS = 64
"""Largest code of a weight: two products with codes of 8 bits then fit the 16 in which processors
without VNNI add them."""
CODES = 255
"""Largest code of what a matrix is multiplied with."""

WATCHED = "watched: "
"""Before a product's name, in an output's."""

Builder = Callable[[str, Path | None], GraphBuilder]
"""Begins a graph: its name, and the weights file that it may share."""


class Range(NamedTuple):
    """What the input of a product lay between."""

    lowest: float
    """At most 0."""
    highest: float
    """At least 0."""

    @classmethod
    def of(cls, values: NDArray[np.float32]) -> "Range":
        """Of what was seen."""
        return cls(min(float(values.min()), 0.0), max(float(values.max()), 0.0))

    def joined(self, other: "Range") -> "Range":
        """Of both."""
        return Range(min(self.lowest, other.lowest), max(self.highest, other.highest))

    @property
    def step(self) -> float:
        """What one unit of a code is worth."""
        return (self.highest - self.lowest) / CODES or 1.0

    @property
    def zero(self) -> int:
        """The code of 0."""
        return round(-self.lowest / self.step)


Ranges = Mapping[str, Range]
"""By the product's name."""


class Bfloat16Graph(GraphBuilder):
    """Trained matrices and tables are stored in bfloat16; sums are float32's."""

    def product(self, name: str, x: str, weight: Tensor, bias: Tensor) -> str:
        """As the builder's, with the weight rounded to bfloat16."""
        stored = self._stored_rounded(f"{name}.weight", weight)
        # there is no such product: the session widens the weight once, when it is opened
        widened = self.node("Cast", stored, to=onnx.TensorProto.FLOAT)
        product = self.node("MatMul", x, widened)
        return self.node("Add", product, self.weight(f"{name}.bias", bias))

    def rows(self, name: str, table: Tensor, indices: str) -> str:
        """As the builder's; the table stays in bfloat16 in memory too."""
        gathered = self.node("Gather", self._stored_rounded(name, table), indices)
        return self.node("Cast", gathered, to=onnx.TensorProto.FLOAT)

    def _stored_rounded(self, name: str, tensor: Tensor) -> str:
        bits = tensor.detach().cpu().bfloat16().contiguous().view(torch.int16).numpy().tobytes()
        kind = onnx.TensorProto.BFLOAT16
        stored = onnx.helper.make_tensor(name, kind, tensor.shape, bits, raw=True)
        self._stored.setdefault(name, stored)
        return name


class Int8Graph(GraphBuilder):
    """Products with trained matrices are computed in int8, by ranges seen beforehand."""

    def __init__(self, name: str, weights: Path | None = None, *, ranges: Ranges) -> None:
        """Begin a graph.

        Args:
            name: of the graph.
            weights: see `GraphBuilder`.
            ranges: of the input of every product.
        """
        super().__init__(name, weights)
        self._ranges = ranges
        self._coded: dict[tuple[str, Range], str] = {}

    def product(self, name: str, x: str, weight: Tensor, bias: Tensor) -> str:
        """As the builder's, by codes; a step for each column of the weight, one for all of `x`."""
        values = weight.detach().float().cpu().numpy()
        steps = np.abs(values).max(axis=0) / np.float32(WEIGHT_LEVELS)
        steps[steps == 0] = 1
        seen = self._ranges[name]
        step, zero = self._step_and_zero(seen)
        return self.node(
            "MatMulIntegerToFloat",
            self._codes(x, seen),
            self.constant(f"{name}.codes", np.rint(values / steps).astype(np.int8)),
            step,
            self.constant(f"{name}.steps", steps),
            zero,
            "",
            self.weight(f"{name}.bias", bias),
            domain=ONNX_RUNTIME,
        )

    def _codes(self, x: str, seen: Range) -> str:
        """The codes of a value, made once for all who read it."""
        if (x, seen) not in self._coded:
            step, zero = self._step_and_zero(seen)
            self._coded[x, seen] = self.node("QuantizeLinear", x, step, zero)
        return self._coded[x, seen]

    def _step_and_zero(self, seen: Range) -> tuple[str, str]:
        return (
            self.constant(f"step {seen.lowest} {seen.highest}", np.float32(seen.step)),
            self.constant(f"zero {seen.lowest} {seen.highest}", np.uint8(seen.zero)),
        )


class WatchedGraph(GraphBuilder):
    """Gives the input of every product out of the graph under the product's name."""

    def __init__(self, name: str, weights: Path | None = None) -> None:
        super().__init__(name, weights)
        self._watched: dict[str, tuple[str, int]] = {}

    def product(self, name: str, x: str, weight: Tensor, bias: Tensor) -> str:
        """As the builder's."""
        self._watched[f"{WATCHED}{name}"] = (x, weight.shape[0])
        return super().product(name, x, weight, bias)

    def model(self) -> onnx.ModelProto:
        """The checked graph, as a model."""
        for name, (value, width) in self._watched.items():
            self.output(value, name, np.float32, [f"{name} rows", width])
        return super().model()


def builder_of(precision: Precision, ranges: Ranges) -> Builder:
    """What begins graphs of this precision."""
    if precision is Precision.INT8:
        return partial(Int8Graph, ranges=ranges)
    return Bfloat16Graph if precision is Precision.BFLOAT16 else GraphBuilder

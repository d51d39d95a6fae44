"""A small builder of ONNX graphs: names for values, each weight and constant stored once."""

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper
from torch import Tensor

OPSET = 20
"""The first with Gelu as one operator."""
ONNX_RUNTIME = "com.microsoft"
"""The domain of operators that ONNX Runtime adds to the standard's."""
TYPES = {"F32": onnx.TensorProto.FLOAT, "I8": onnx.TensorProto.INT8}
"""By safetensors' names."""
IR_VERSION = 9
"""The first with OPSET, so that older runtimes read it too."""


class GraphBuilder:
    """Collects the nodes of one graph; every method that adds a value returns its name."""

    def __init__(self, name: str, weights: Path | None = None) -> None:
        """Begin a graph.

        Args:
            name: of the graph.
            weights: a safetensors file beside it, whose tensors it may share.
        """
        self._name = name
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._stored: dict[str, onnx.TensorProto] = {}
        self._names: dict[str, str] = {}

    def input(self, name: str, dtype: npt.DTypeLike, shape: Sequence[int | str]) -> str:
        """An input of the graph; a text in `shape` names a dynamic axis."""
        self._inputs.append(_value_info(name, dtype, shape))
        return name

    def output(
        self, value: str, name: str, dtype: npt.DTypeLike, shape: Sequence[int | str]
    ) -> None:
        """Gives a value out of the graph under a name."""
        is_made_here = any(value in node.output for node in self._nodes)
        if is_made_here and value not in self._names:
            self._names[value] = name  # a node that hands it on would copy it
        else:
            self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(_value_info(name, dtype, shape))

    def weight(self, name: str, tensor: Tensor) -> str:
        """A trained tensor, stored as float32."""
        return self.constant(name, tensor.detach().float().cpu().numpy())

    def constant(self, name: str, array: npt.NDArray[Any] | np.generic) -> str:
        """A stored array; asked for again under its name, it is stored once."""
        contiguous = np.array(array, order="C")
        self._stored.setdefault(name, numpy_helper.from_array(contiguous, name))
        return name

    def product(self, name: str, x: str, weight: Tensor, bias: Tensor) -> str:
        """`x` times a trained matrix [in, out], plus its bias."""
        product = self.node("MatMul", x, self.weight(f"{name}.weight", weight))
        return self.node("Add", product, self.weight(f"{name}.bias", bias))

    def rows(self, name: str, table: Tensor, indices: str) -> str:
        """Rows of a trained table."""
        return self.node("Gather", self.weight(name, table), indices)

    @property
    def has_weights(self) -> bool:
        """Whether there is a file whose tensors the graph may share."""
        return self._weights is not None

    def mapped(self, name: str) -> str:
        """A tensor that stays in the weights file.

        Raises:
            ValueError: there is no such file.
        """
        if self._weights is None:
            raise ValueError(f"graph {self._name} has no file to find {name} in")
        self._stored.setdefault(name, _in_file(self._weights, name))
        return name

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """The one output of an operator."""
        return self.nodes(operator, *inputs, n_outputs=1, **attributes)[0]

    def nodes(self, operator: str, *inputs: str, n_outputs: int, **attributes: Any) -> list[str]:
        """The outputs of an operator."""
        place = len(self._nodes)
        outputs = [f"{operator}_{place}_{i}" for i in range(n_outputs)]
        self._nodes.append(helper.make_node(operator, inputs, outputs, **attributes))
        return outputs

    def model(self) -> onnx.ModelProto:
        """The checked graph, as a model.

        Raises:
            onnx.checker.ValidationError: the graph breaks the ONNX specification.
        """
        for node in self._nodes:
            for values in (node.input, node.output):
                values[:] = [self._names.get(value, value) for value in values]
        graph = helper.make_graph(
            self._nodes, self._name, self._inputs, self._outputs, list(self._stored.values())
        )
        opsets = [helper.make_opsetid("", OPSET)]
        if any(node.domain == ONNX_RUNTIME for node in self._nodes):
            opsets.append(helper.make_opsetid(ONNX_RUNTIME, 1))
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        _check(model, self._weights)
        return model


def _check(model: onnx.ModelProto, weights: Path | None) -> None:
    if weights is None:
        onnx.checker.check_model(model, full_check=True)
        return
    # the checker looks for the weights beside a file of the graph, and nowhere else
    with NamedTemporaryFile(dir=weights.parent, suffix=".onnx") as file:
        onnx.save(model, file.name)
        onnx.checker.check_model(file.name, full_check=True)


def _in_file(path: Path, name: str) -> onnx.TensorProto:
    """A tensor of a safetensors file, by reference."""
    with path.open("rb") as file:
        header_size = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(header_size))[name]
    start, end = entry["data_offsets"]
    tensor = onnx.TensorProto(
        name=name,
        data_type=TYPES[entry["dtype"]],
        dims=entry["shape"],
        data_location=onnx.TensorProto.EXTERNAL,
    )
    place = {"location": path.name, "offset": 8 + header_size + start, "length": end - start}
    for key, value in place.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def _value_info(name: str, dtype: npt.DTypeLike, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(
        name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape
    )

"""A small builder of ONNX graphs: names for values, each weight and constant stored once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper
from torch import Tensor

OPSET = 20
"""The first with Gelu as one operator."""
IR_VERSION = 9
"""The first with OPSET, so that older runtimes read it too."""


class GraphBuilder:
    """Collects the nodes of one graph; every method that adds a value returns its name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._stored: dict[str, onnx.TensorProto] = {}

    def input(self, name: str, dtype: npt.DTypeLike, shape: Sequence[int | str]) -> str:
        """An input of the graph; a text in `shape` names a dynamic axis."""
        self._inputs.append(_value_info(name, dtype, shape))
        return name

    def output(
        self, value: str, name: str, dtype: npt.DTypeLike, shape: Sequence[int | str]
    ) -> None:
        """Gives a value out of the graph under a name."""
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
        graph = helper.make_graph(
            self._nodes, self._name, self._inputs, self._outputs, list(self._stored.values())
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        return model


def _value_info(name: str, dtype: npt.DTypeLike, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(
        name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape
    )

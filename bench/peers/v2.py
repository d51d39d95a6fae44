"""Questions and answers in the Open Inference Protocol (V2) over gRPC, tensors as raw bytes.

The model is called `steered` (or `naive`), every tensor has a batch of one, and names and types are
the graph's own.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, message_factory
from grpc_tools import protoc
from numpy.typing import NDArray

from bench.peers.frame import Float32, Int64, Row
from bench.peers.peer import Way, Wire

PATH = "/inference.GRPCInferenceService/ModelInfer"
PROTO = Path(__file__).with_name("v2.proto")
DATATYPES = {np.dtype(np.int64): "INT64", np.dtype(np.float32): "FP32"}
OUTPUTS = ("top_items", "top_scores")
SCALE = 1
ADD = 2
"""As the contract numbers them."""


@cache
def messages() -> dict[str, type[Any]]:
    """The protocol's messages by full name."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "v2.binpb"
        arguments = ["protoc", f"-I{PROTO.parent}", f"--descriptor_set_out={file}", str(PROTO)]
        if protoc.main(arguments) != 0:
            raise RuntimeError(f"protoc refuses {PROTO.name}")
        described = descriptor_pb2.FileDescriptorSet.FromString(file.read_bytes())
    return message_factory.GetMessages(described.file)


def encoded(row: Row) -> bytes:
    """The question for the steered graph."""
    return _encoded("steered", list(_sparse(row)))


def naive(d_sae: int) -> Way:
    """How the naive export is asked: with a factor and an addend for every feature."""

    def dense(row: Row) -> bytes:
        return _encoded("naive", list(_dense(row, d_sae)))

    return Way(Wire.GRPC, PATH, dense, decoded)


def padded(max_seq: int, max_excluded: int) -> Way:
    """How a server is asked that batches tensors of one shape only."""

    def uniform(row: Row) -> bytes:
        items, excluded = np.zeros(max_seq, np.int64), np.zeros(max_excluded, np.int64)
        items[max_seq - len(row.items) :] = row.items
        excluded[: len(row.excluded)] = row.excluded
        return encoded(row._replace(items=items, excluded=excluded))

    return Way(Wire.GRPC, PATH, uniform, decoded)


def decoded(body: bytes) -> tuple[Int64, Float32]:
    """Items [k] and scores [k] of a ModelInferResponse.

    Raises:
        ValueError: it lacks a tensor.
    """
    response = messages()["inference.ModelInferResponse"].FromString(body)
    names = [output.name for output in response.outputs]
    if sorted(names) != sorted(OUTPUTS) or len(response.raw_output_contents) != len(names):
        raise ValueError(f"an answer with the raw tensors {', '.join(names) or 'none'}")
    raw = dict(zip(names, response.raw_output_contents, strict=True))
    return np.frombuffer(raw["top_items"], "<i8"), np.frombuffer(raw["top_scores"], "<f4")


def _encoded(model: str, tensors: list[tuple[str, NDArray[Any]]]) -> bytes:
    request = messages()["inference.ModelInferRequest"](model_name=model)
    for name, tensor in tensors:
        request.inputs.add(name=name, datatype=DATATYPES[tensor.dtype], shape=(1, len(tensor)))
        request.raw_input_contents.append(tensor.tobytes())
    for name in OUTPUTS:
        request.outputs.add(name=name)
    serialised: bytes = request.SerializeToString()
    return serialised


def _shared(row: Row) -> Iterator[tuple[str, NDArray[Any]]]:
    yield "items", row.items
    yield "excluded", row.excluded
    yield "k", np.array([row.k])


def _sparse(row: Row) -> Iterator[tuple[str, NDArray[Any]]]:
    yield from _shared(row)
    yield "rule_features", row.features
    yield "rule_operations", row.operations
    yield "rule_values", row.values


def _dense(row: Row, d_sae: int) -> Iterator[tuple[str, NDArray[Any]]]:
    """As a caller without a sparse edit would ask; only SCALE and ADD can be said so."""
    factor, addend = np.ones(d_sae, dtype=np.float32), np.zeros(d_sae, dtype=np.float32)
    is_factor, is_addend = row.operations == SCALE, row.operations == ADD
    factor[row.features[is_factor]] = row.values[is_factor]
    addend[row.features[is_addend]] = row.values[is_addend]
    yield from _shared(row)
    yield "factor", factor
    yield "addend", addend


WAY = Way(Wire.GRPC, PATH, encoded, decoded)

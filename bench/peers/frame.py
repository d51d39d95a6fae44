"""One question and one answer as raw bytes, for the servers that take whatever body they are sent.

A question: four little-endian uint32 (items, excluded, rules, k), then items, excluded, features
and operations as int64, then values as float32. An answer: items as int64, then scores as float32.
This is what V2's binary tensors carry, without their names: nothing cheaper can be parsed by numpy.
"""

import struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

_HEAD = struct.Struct("<4I")
_INT64_BYTES = 8
_PLACE_BYTES = 12
"""One int64 and one float32."""


class Row(NamedTuple):
    """One question."""

    items: Int64
    """[seq] indices, oldest first, unpadded."""
    excluded: Int64
    """[m] indices."""
    features: Int64
    """[r] of the rules."""
    operations: Int64
    """[r] numbers of the contract's Operation."""
    values: Float32
    """[r], in raw units."""
    k: int
    """Places wanted."""


def row_bytes(row: Row) -> bytes:
    """The question as a body."""
    head = _HEAD.pack(len(row.items), len(row.excluded), len(row.features), row.k)
    integers = (row.items, row.excluded, row.features, row.operations)
    return b"".join(
        (
            head,
            *(own.astype("<i8").tobytes() for own in integers),
            row.values.astype("<f4").tobytes(),
        )
    )


def row_of(body: bytes) -> Row:
    """The question in a body; its arrays are views.

    Raises:
        struct.error: shorter than its head.
        ValueError: shorter or longer than its head says.
    """
    n_items, n_excluded, n_rules, k = _HEAD.unpack_from(body)
    n_integers = n_items + n_excluded + 2 * n_rules
    values = np.frombuffer(body, "<f4", -1, _HEAD.size + _INT64_BYTES * n_integers)
    if len(values) != n_rules:
        raise ValueError(f"a body of {len(body)} bytes has {len(values)} values, not {n_rules}")
    integers = np.frombuffer(body, "<i8", n_integers, _HEAD.size)
    features = n_items + n_excluded
    operations = features + n_rules
    return Row(
        items=integers[:n_items],
        excluded=integers[n_items:features],
        features=integers[features:operations],
        operations=integers[operations:],
        values=values,
        k=k,
    )


def answer_bytes(items: Int64, scores: Float32) -> bytes:
    """The places [k] of one answer as a body."""
    return items.tobytes() + scores.tobytes()


def answer_of(body: bytes) -> tuple[Int64, Float32]:
    """The items [k] and scores [k] in a body.

    Raises:
        ValueError: not a whole number of places.
    """
    k, rest = divmod(len(body), _PLACE_BYTES)
    if rest:
        raise ValueError(f"an answer of {len(body)} bytes is not a whole number of places")
    return np.frombuffer(body, "<i8", k), np.frombuffer(body, "<f4", k, _INT64_BYTES * k)

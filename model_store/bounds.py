"""How far the int8 copies of items and histories can be from what they copy (ADR 0011).

With `h = h' + r` and `v = v' + e`, copies primed, `h.v - h'.v' = h.e + r.v'`, which is at most
`|h| |e| + |r| |v'|`: all four norms are known.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

GROUP = 32
"""Items of a group: a million items make 31,250 groups, few enough to look at each, and the items
of one lie together in memory."""
ITEM_LEVELS = 127
"""Largest code of an item's component."""
ROW_LEVELS = 63
"""Largest code of a history's component: with 7 bits two products fit the 16 in which processors
without VNNI add them."""
SLACK = 2.0**-19
"""Relative; far above what float32 loses between the codes' product and a peak, and in bounds."""
SMALLEST = 1e-37
"""What a bound is at least, for products that round to 0."""
LARGEST = 1e30
"""Norm of an item above which its copy promises nothing."""

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


class Bounds(NamedTuple):
    """How far a group's items may be from their int8 copies."""

    error: Float64
    """[n_groups] largest norm of what rounding changed in an item."""
    norm: Float64
    """[n_groups] largest norm of an int8 copy."""

    @property
    def table(self) -> Float32:
        """[3, n_groups] float32: 1, error, norm."""
        return np.stack([np.ones_like(self.norm), self.error, self.norm]).astype(np.float32)


class ItemCodes(NamedTuple):
    """The int8 copies of items."""

    codes: NDArray[np.int8]
    """[n, d_model], in steps."""
    steps: Float32
    """[n] what one unit of an item's codes is worth; 0: all its codes are 0."""

    @classmethod
    def of(cls, vectors: Float32) -> "ItemCodes":
        """Of items [n, d_model]; each has a step of its own."""
        steps = np.abs(vectors).max(axis=1) / np.float32(ITEM_LEVELS)
        steps[steps < np.finfo(np.float32).tiny] = 0.0  # some processors take those for 0
        codes = np.zeros(vectors.shape, dtype=np.int8)
        coded = steps > 0
        codes[coded] = np.rint(vectors[coded] / steps[coded, np.newaxis])
        return cls(codes, steps)

    def bounds(self, vectors: Float32) -> Bounds:
        """Of the items' groups; the last may hold fewer."""
        copies = self.codes.astype(np.float64) * self.steps[:, np.newaxis]
        error, norm = norms(vectors - copies), norms(copies)
        error[norm > LARGEST] = np.inf  # their products may be too large for float32
        starts = np.arange(0, len(vectors), GROUP)
        return Bounds(np.maximum.reduceat(error, starts), np.maximum.reduceat(norm, starts))


def n_groups(n_items: int) -> int:
    """Groups of a catalogue; the padding is in the first, as item 0."""
    return -(-(n_items + 1) // GROUP)


def norms(rows: Float32 | Float64) -> Float64:
    """[n] Euclidean norms of the rows [n, d]."""
    rows = rows.astype(np.float64, copy=False)
    return np.asarray(np.sqrt(np.vecdot(rows, rows)))


def further(norm: Float64, changed: Float64) -> tuple[Float64, Float64]:
    """[batch] what a unit of a group's error, and of its norm, adds to what the copies miss.

    Args:
        norm: [batch] of the histories' final hidden states.
        changed: [batch] norm of what rounding changed in them.
    """
    return norm * (1 + SLACK), changed * (1 + SLACK) + SLACK * norm

"""What the int8 copies of a catalogue say to some histories: the outputs of `scan.onnx`."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model_store.bounds import ROW_LEVELS, Bounds, Float32, Float64, furthest, norms
from model_store.graphs import Int64


class Scanned(NamedTuple):
    """What the int8 copies say to some histories."""

    final: Float32
    """[batch, d_model] final hidden states: what items are multiplied with."""
    step: Float32
    """[batch, 1] what one unit of a code is worth."""
    codes: NDArray[np.uint8]
    """[batch, d_model] the final hidden states in steps, counted from ROW_LEVELS + 1."""
    peaks: Float32
    """[batch, n_groups] the best score in each group by the copies, in steps."""
    scores: Float32 | None = None
    """[batch, n_groups * GROUP] every item's score by the copies, in steps; None: not given."""

    def rounded(self) -> "Rounded":
        """What rounding did to the final hidden states."""
        copies = (self.codes - np.float32(ROW_LEVELS + 1)) * self.step.astype(np.float64)
        return Rounded(norms(self.final), norms(self.final - copies))


class Rounded(NamedTuple):
    """What rounding did to some final hidden states."""

    norm: Float64
    """[batch] of the states."""
    changed: Float64
    """[batch] norm of what it changed."""

    def furthest(self, items: Bounds, rows: Int64 | slice) -> Float64:
        """What scores can differ by from the copies': of all rows, or one per row and group."""
        return furthest(self.norm[rows], self.changed[rows], items)

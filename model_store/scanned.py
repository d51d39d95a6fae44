"""What the int8 copies of a catalogue say to some histories: the outputs of `scan.onnx`."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model_store.bounds import ROW_LEVELS, SLACK, SMALLEST, Float32, Float64, further, norms


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
        final = self.final.astype(np.float64)
        copies = (self.codes - np.float64(ROW_LEVELS + 1)) * self.step
        return Rounded(norms(final), norms(final - copies))


class Rounded(NamedTuple):
    """What rounding did to some final hidden states."""

    norm: Float64
    """[batch] of the states."""
    changed: Float64
    """[batch] norm of what it changed."""

    def lowest(self, enough: Float64, step: Float32, groups: Float32) -> Float32:
        """[batch, n_groups] what an item has to promise to score enough, in steps; rounded down.

        Args:
            enough: [batch].
            step: [batch] what one unit of a history's codes is worth.
            groups: see `Bounds.table`.
        """
        error, norm = further(self.norm, self.changed)
        parts = np.concatenate([enough - SLACK * np.abs(enough) - SMALLEST, -error, -norm])
        parts = parts.reshape(3, -1) / step
        parts[0] -= SMALLEST
        return parts.T.astype(np.float32) @ groups

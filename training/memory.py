"""Bounds, in bytes, of the largest arrays of training: results are made in parts that fit.

Below a bound nothing is divided, so that results there do not depend on it.
"""

from typing import Final

SCORES_BYTES: Final = 128 << 20
"""Of one matrix of float32 scores, [rows, n_items + 1]."""
HIDDEN_BYTES: Final = 1 << 30
"""Of the float32 hidden states that an SAE learns from and is measured on, [rows, d_model]."""


def rows_of_scores(n_items: int) -> int:
    """Most rows of a matrix of scores over the catalogue, at least one."""
    return max(1, SCORES_BYTES // (4 * (n_items + 1)))


def rows_of_hidden(d_model: int) -> int:
    """Most rows of the hidden states held at once, at least one."""
    return max(1, HIDDEN_BYTES // (4 * d_model))

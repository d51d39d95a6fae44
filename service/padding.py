"""The lower half of the model over histories of unlike lengths, with little padding to work on.

Rows are run in groups of like length: a batch with one long history would else work as many
positions for every short one.
"""

from collections.abc import Sequence

import numpy as np

from model_store.bundle import Bundle
from steering.space import Floats, Indices

START = 12
"""What starting a run costs, in positions of one row (measured on workloads S and M)."""


def right_aligned(rows: Sequence[Indices]) -> Indices:
    """[batch, longest], each row at the right end, 0 to its left."""
    padded = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    for i, row in enumerate(rows):
        padded[i, padded.shape[1] - len(row) :] = row
    return padded


def hidden_states(bundle: Bundle, histories: Sequence[Indices]) -> Floats:
    """[batch, positions, d_model] at the hook point, each row at the right end, 0 to its left.

    Args:
        bundle: whose model to run.
        histories: [n] item indices each, oldest first, 1 <= n <= max_seq.
    """
    rows = hidden_by_row(bundle, histories)
    hidden = np.zeros((len(rows), max(map(len, rows)), bundle.W_dec.shape[1]), dtype=np.float32)
    for i, own in enumerate(rows):
        hidden[i, -len(own) :] = own
    return hidden


def hidden_by_row(bundle: Bundle, histories: Sequence[Indices]) -> list[Floats]:
    """[positions, d_model] of each history at the hook point, without padding.

    Args:
        bundle: whose model to run.
        histories: as in `hidden_states`; at least one.
    """
    if len(histories) == 1:
        return [bundle.graphs.hidden(histories[0][np.newaxis])[0]]
    lengths = [len(own) for own in histories]
    hidden: dict[int, Floats] = {}
    for rows in like_lengths(lengths):
        made = bundle.graphs.hidden(right_aligned([histories[row] for row in rows]))
        # one position where the hook is after the last block, else all of them
        hidden |= {row: own[-lengths[row] :] for row, own in zip(rows, made, strict=True)}
    return [hidden[row] for row in range(len(histories))]


def like_lengths(lengths: Sequence[int]) -> list[list[int]]:
    """Rows in groups, the shortest first, such that running them costs least.

    Args:
        lengths: of each row, in positions.
    """
    rows = sorted(range(len(lengths)), key=lengths.__getitem__)
    ends = [i for i in range(1, len(rows)) if lengths[rows[i]] != lengths[rows[i - 1]]]
    ends.append(len(rows))
    least, cut = {0: 0}, {0: 0}
    for end in ends:
        longest = lengths[rows[end - 1]]
        costs = ((cost + START + (end - start) * longest, start) for start, cost in least.items())
        least[end], cut[end] = min(costs)
    groups = []
    end = len(rows)
    while end:
        groups.append(rows[cut[end] : end])
        end = cut[end]
    return groups[::-1]

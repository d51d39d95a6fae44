"""The lower half of the model over histories of unlike lengths, with little padding to work on.

Rows are run in groups of like length: a batch with one long history would else work as many
positions for every short one.
"""

from collections.abc import Sequence

import numpy as np

from model_store.bundle import Bundle
from steering.space import Floats, Indices

START = 20
"""What starting a run costs, in positions of one row (measured on workloads S and M)."""


def right_aligned(rows: Sequence[Indices]) -> Indices:
    """[batch, longest], each row at the right end, 0 to its left; read-only."""
    width = max(map(len, rows)) * np.dtype(np.int64).itemsize
    padded = b"".join([row.tobytes().rjust(width, b"\0") for row in rows])
    return np.frombuffer(padded, dtype=np.int64).reshape(len(rows), -1)


def joined(rows: Sequence[bytes], d_model: int) -> Floats:
    """[batch, longest, d_model], each row at the right end, 0 to its left; read-only.

    Args:
        rows: float32 [positions, d_model] each, as bytes.
        d_model: width of the hidden state.
    """
    longest = max(map(len, rows))
    padded = b"".join([own.rjust(longest, b"\0") for own in rows])
    return np.frombuffer(padded, dtype=np.float32).reshape(len(rows), -1, d_model)


def hidden_states(bundle: Bundle, histories: Sequence[Indices]) -> Floats:
    """[batch, positions, d_model] at the hook point, each row at the right end, 0 to its left.

    Args:
        bundle: whose model to run.
        histories: [n] item indices each, oldest first, 1 <= n <= max_seq.
    """
    return joined(hidden_by_row(bundle, histories), bundle.W_dec.shape[1])


def hidden_by_row(bundle: Bundle, histories: Sequence[Indices]) -> list[bytes]:
    """float32 [positions, d_model] of each history at the hook point, without padding, as bytes.

    Args:
        bundle: whose model to run.
        histories: as in `hidden_states`; at least one.
    """
    lengths = [len(own) for own in histories]
    hidden = [b""] * len(lengths)
    for rows in like_lengths(lengths):
        made = bundle.graphs.hidden(right_aligned([histories[row] for row in rows]))
        # one position where the hook is after the last block, else all of them
        batch, positions, _ = made.shape
        whole, size = made.tobytes(), made.nbytes // batch
        for end, row in zip(range(size, len(whole) + size, size), rows, strict=True):
            own = size // positions * min(lengths[row], positions)
            hidden[row] = whole[end - own : end]
    return hidden


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

"""Histories as padded arrays: windows to learn from, batches of like length."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Items = npt.NDArray[np.int32]


def generator(*key: int) -> np.random.Generator:
    """Random numbers that depend on the key alone, so that a resumed run draws the same."""
    return np.random.default_rng(key)


def left_padded(histories: Sequence[Items], max_seq: int) -> Tensor:
    """Item indices int64 [n, seq], right-aligned; seq is the longest history's, at most max_seq.

    Of a history longer than max_seq only the newest items are kept.
    """
    seq = max(1, min(max_seq, max((len(items) for items in histories), default=1)))
    padded = np.zeros((len(histories), seq), dtype=np.int64)
    for row, items in enumerate(histories):
        newest = items[-seq:]
        padded[row, seq - len(newest) :] = newest
    return torch.from_numpy(padded)


def left_aligned(histories: Sequence[Items]) -> Tensor:
    """Item indices int64 [n, seq], padding behind; seq is the longest history's."""
    aligned = np.zeros((len(histories), max(map(len, histories))), dtype=np.int64)
    for row, items in enumerate(histories):
        aligned[row, : len(items)] = items
    return torch.from_numpy(aligned)


def windows(
    histories: Sequence[Items], length: int, rng: np.random.Generator | None = None
) -> list[Items]:
    """Histories cut into windows of at most `length` items; together they hold every item.

    Neighbouring windows share one item, so that as input and target none is lost. With `rng` the
    cuts fall at random, so that over epochs each item is met at every age.
    """
    cut: list[Items] = []
    step = length - 1
    for items in histories:
        end = len(items) if rng is None else len(items) - int(rng.integers(step))
        if end < len(items):
            cut.append(items[max(end - 1, 0) :])
        cut.extend(items[max(stop - length, 0) : stop] for stop in range(end, 1, -step))
    return [window for window in cut if len(window) > 1]


def length_batches(
    histories: Sequence[Items],
    batch_size: int,
    rng: np.random.Generator | None = None,
    *,
    positions: int | None = None,
) -> Iterator[npt.NDArray[np.int64]]:
    """Row indices of each batch: rows of like length together, batches in random order with `rng`.

    Without `rng` the shortest come first.

    Args:
        histories: What the rows hold.
        batch_size: Rows of a batch.
        rng: Draws the order of batches, and which of equally long rows share one.
        positions: Where given, a batch has at least `batch_size` rows and as many more as have,
            padded, no more positions than this: short rows make large batches.
    """
    lengths = np.array([len(items) for items in histories])
    ties = np.zeros(len(lengths)) if rng is None else rng.random(len(lengths))
    order = np.lexsort((ties, lengths))
    batches = list(_consecutive(order, lengths[order], batch_size, positions or 0))
    if rng is not None:
        rng.shuffle(batches)
    yield from batches


def _consecutive(
    order: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], fewest: int, positions: int
) -> Iterator[npt.NDArray[np.int64]]:
    """`order` in pieces, each of `fewest` rows or as many as have `positions`, all as its longest.

    Args:
        order: Row indices, by length.
        lengths: Their lengths, ascending.
        fewest: Rows of a piece, at least.
        positions: Positions of a piece, at most, unless it has the fewest rows.
    """
    start = 0
    while start < len(order):
        n_rows = np.arange(1, len(order) - start + 1)
        n_fit = int(np.searchsorted(n_rows * lengths[start:], positions, side="right"))
        stop = start + max(fewest, n_fit)
        yield order[start:stop]
        start = stop

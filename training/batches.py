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
    histories: Sequence[Items], batch_size: int, rng: np.random.Generator | None = None
) -> Iterator[npt.NDArray[np.int64]]:
    """Row indices of each batch: rows of like length together, batches in random order with `rng`.

    Without `rng` the shortest come first.
    """
    lengths = np.array([len(items) for items in histories])
    ties = np.zeros(len(lengths)) if rng is None else rng.random(len(lengths))
    order = np.lexsort((ties, lengths))
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    if rng is not None:
        rng.shuffle(batches)
    yield from batches

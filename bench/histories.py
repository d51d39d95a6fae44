"""Histories as one file that two environments read alike."""

from pathlib import Path

import numpy as np

from training.dataset import Dataset, Item
from training.split import LeaveOneOut, leave_one_out


def write_histories(path: Path, dataset: Dataset) -> None:
    """Writes the histories of a data set and the size of its catalogue."""
    lengths = np.array([len(items) for items in dataset.histories])
    np.savez(path, items=np.concatenate(dataset.histories), lengths=lengths, n=dataset.n_items)


def read_split(path: Path) -> tuple[LeaveOneOut, int]:
    """The three parts of what was written, and the size of the catalogue."""
    with np.load(path) as written:
        histories = np.split(written["items"], np.cumsum(written["lengths"])[:-1])
        n_items = int(written["n"])
    users = tuple(str(user) for user in range(len(histories)))
    items = tuple(Item(str(index), str(index), {}) for index in range(1, n_items + 1))
    return leave_one_out(Dataset(path.stem, items, users, tuple(histories), "")), n_items

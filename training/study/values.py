"""Attribute values that a study asks about: the catalogue's own, popularity, co-occurrence."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from model_store.cards import AttributeValue
from training.attributes import AttributeTable, attribute_table
from training.batches import Items
from training.co_occurrence import clusters, readers
from training.dataset import Dataset

TERCILES = ("tail", "middle", "head")


class StudyValues(NamedTuple):
    """The attribute values of a study, and how many it leaves out."""

    table: AttributeTable
    """Those of the catalogue by name and value, then derived ones."""
    n_left_out: int
    """Values of the catalogue with enough items, read less often than those in the table."""


def study_values(
    dataset: Dataset,
    histories: Sequence[Items],
    *,
    min_items: int,
    max_values: int,
    n_clusters: int,
    seed: int,
) -> StudyValues:
    """Attributes of the catalogue, then popularity terciles, then co-occurrence clusters.

    Args:
        dataset: whose attribute values with at least `min_items` items count.
        histories: of training alone; popularity and co-occurrence come from them.
        min_items: fewest items of a value.
        max_values: most values of the catalogue: those with the most interactions in `histories`.
        n_clusters: of co-occurrence; 0: none.
        seed: of the clustering.
    """
    given = attribute_table(dataset, min_items)
    counts = np.bincount(np.concatenate(histories), minlength=dataset.n_items + 1)
    kept = np.sort(np.argsort(-(counts @ given.carries), kind="stable")[:max_values])
    values, columns = [given.values[column] for column in kept], [given.carries[:, kept]]
    popular = popularity_terciles(histories, dataset.n_items)
    values += [AttributeValue(name="popularity", value=name) for name in TERCILES]
    columns.append(_one_hot(popular, len(TERCILES)))
    if n_clusters:
        found = clusters(readers(histories, dataset.n_items), n_clusters, seed)
        columns.append(_one_hot(found, n_clusters))
        values += [AttributeValue(name="cluster", value=f"{c}") for c in range(n_clusters)]
    table = AttributeTable(tuple(values), np.concatenate(columns, axis=1))
    return StudyValues(table, len(given.values) - len(kept))


def popularity_terciles(histories: Sequence[Items], n_items: int) -> npt.NDArray[np.int64]:
    """Tercile of each item by index [n_items + 1], 2 the most popular; padding has -1.

    A third of all interactions falls in each, so that the terciles are about equally often read:
    terciles of the catalogue would put nearly all of them in the head.
    """
    counts = np.bincount(np.concatenate(histories), minlength=n_items + 1)
    counts[0] = 0
    order = np.argsort(counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]
    tercile = np.full(n_items + 1, -1)
    tercile[order] = np.minimum(3 * before // max(int(counts.sum()), 1), 2)
    tercile[0] = -1
    return tercile


def _one_hot(classes: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.bool_]:
    return np.asarray(classes[:, None] == np.arange(n))

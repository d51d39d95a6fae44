"""Attribute values that a study asks about: the catalogue's own, popularity, co-occurrence."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.cluster import KMeans

from model_store.cards import AttributeValue
from training.attributes import AttributeTable, attribute_table
from training.batches import Items
from training.dataset import Dataset

TERCILES = ("tail", "middle", "head")
CLUSTER_DIMENSIONS = 16

Floats = npt.NDArray[np.float64]


def study_values(
    dataset: Dataset, histories: Sequence[Items], *, min_items: int, n_clusters: int, seed: int
) -> AttributeTable:
    """Attributes of the catalogue, then popularity terciles, then co-occurrence clusters.

    Args:
        dataset: whose attribute values with at least `min_items` items count.
        histories: of training alone; popularity and co-occurrence come from them.
        min_items: fewest items of a value.
        n_clusters: of co-occurrence; 0: none.
        seed: of the clustering.
    """
    given = attribute_table(dataset, min_items)
    values, columns = list(given.values), [given.carries]
    popular = popularity_terciles(histories, dataset.n_items)
    values += [AttributeValue(name="popularity", value=name) for name in TERCILES]
    columns.append(_one_hot(popular, len(TERCILES)))
    if n_clusters:
        cosine = co_occurrence(histories, dataset.n_items)
        columns.append(_one_hot(clusters(cosine, n_clusters, seed), n_clusters))
        values += [AttributeValue(name="cluster", value=f"{c}") for c in range(n_clusters)]
    return AttributeTable(tuple(values), np.concatenate(columns, axis=1))


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


def co_occurrence(histories: Sequence[Items], n_items: int) -> Floats:
    """Cosine between items' users [n_items + 1, n_items + 1]; 0 on the diagonal of unread items."""
    users = np.repeat(np.arange(len(histories)), [len(items) for items in histories])
    items = np.concatenate(histories)
    shape = (len(histories), n_items + 1)
    read = sparse.csr_array((np.ones(len(items)), (users, items)), shape=shape)
    read.data[:] = 1.0
    together = (read.T @ read).toarray()
    norms = np.sqrt(np.maximum(np.diag(together), 1e-12))
    return np.asarray(together / np.outer(norms, norms))


def clusters(cosine: Floats, n_clusters: int, seed: int) -> npt.NDArray[np.int64]:
    """Cluster of each item by index [n_items + 1]: k-means on the leading eigenvectors.

    Padding and items that nobody read have -1.
    """
    values, vectors = np.linalg.eigh(cosine)
    leading = np.argsort(-values)[:CLUSTER_DIMENSIONS]
    embedded = vectors[:, leading] * np.sqrt(np.maximum(values[leading], 0.0))
    read = np.diag(cosine) > 0.5
    fitted = KMeans(n_clusters, n_init=4, random_state=seed).fit(embedded[read])
    found = np.full(len(cosine), -1)
    found[read] = fitted.labels_
    return found


def _one_hot(classes: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.bool_]:
    return np.asarray(classes[:, None] == np.arange(n))

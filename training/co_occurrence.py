"""Items that the same users read: how alike two items' readers are, and clusters of items."""

import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import svds
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from training.batches import Items

CLUSTER_DIMENSIONS = 16
KMEANS_STARTS = 4

Floats = npt.NDArray[np.float64]


def readers(histories: Sequence[Items], n_items: int) -> sparse.csr_array:
    """Who read each item, rows of norm 1 [n_items + 1, n_users]; a row of zeros where nobody did.

    The product of two rows is the cosine between the items' readers: their co-occurrence.
    """
    users = np.repeat(np.arange(len(histories)), [len(items) for items in histories])
    items = np.concatenate(histories)
    shape = (n_items + 1, len(histories))
    read = sparse.csr_array((np.ones(len(items), dtype=np.float32), (items, users)), shape=shape)
    read.data[:] = 1.0
    norms = np.sqrt(np.maximum(np.diff(read.indptr), 1)).astype(np.float32)
    return sparse.csr_array(read.multiply(1 / norms[:, None]))


def co_occurrence(read: sparse.csr_array, items: npt.NDArray[np.int64]) -> Floats:
    """Cosine between the readers of each two items, [len(items), len(items)].

    Args:
        read: [n_items + 1, n_users], from `readers`.
        items: item indices to compare: the result is dense, so not a whole large catalogue.
    """
    chosen = read[items]
    return np.asarray((chosen @ chosen.T).toarray(), dtype=np.float64)


def clusters(read: sparse.csr_array, n_clusters: int, seed: int) -> npt.NDArray[np.int64]:
    """Cluster of each item by index [n_items + 1]: k-means on the leading singular vectors.

    These are the leading eigenvectors of the co-occurrence matrix, which is never made. Padding
    and items that nobody read have -1; so have all where one user, or one item, is all there is.

    Args:
        read: [n_items + 1, n_users], from `readers`.
        n_clusters: how many.
        seed: of the vectors' start and of k-means.
    """
    known = np.flatnonzero(np.diff(read.indptr))
    n = min(CLUSTER_DIMENSIONS, len(known) - 1, read.shape[1] - 1)
    found = np.full(read.shape[0], -1)
    if n < 1:
        return found
    left, scales, _ = svds(read[known].astype(np.float64), k=n, rng=np.random.default_rng(seed))
    found[known] = k_means(left * scales, min(n_clusters, len(known)), seed)
    return found


def k_means(
    points: Floats, n_clusters: int, seed: int, *, starts: int = KMEANS_STARTS, rounds: int = 300
) -> npt.NDArray[np.int32]:
    """Cluster of each point [n] of [n, n_dimensions], the best of several starts."""
    with warnings.catch_warnings():  # fewer distinct items than clusters: some stay empty
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = KMeans(n_clusters, n_init=starts, max_iter=rounds, random_state=seed).fit(points)
    return np.asarray(fitted.labels_)

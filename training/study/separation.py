"""How well directions tell rows with an attribute from rows without: all pairs at once.

Rows of one user resemble each other, so every error here is by users, never by rows.
"""

import numpy as np
import numpy.typing as npt
from scipy import stats

MOST_CLUSTERS = 400

Floats = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Int64 = npt.NDArray[np.int64]


def roc_aucs(activations: npt.NDArray[np.floating], labels: Bools) -> Floats:
    """ROC AUC of each direction for each label [n, n_labels]; ties count one half.

    From mid-ranks (Mann and Whitney). A label that all rows or none carry gives one half.

    Args:
        activations: [rows, n].
        labels: [rows, n_labels].
    """
    carried = labels.sum(0).astype(np.float64)
    others = len(labels) - carried
    above_middle = centred_mid_ranks(activations).T @ labels.astype(np.float32)
    pairs = carried * others
    return 0.5 + above_middle * len(labels) / np.where(pairs > 0, pairs, np.inf)


def centred_mid_ranks(activations: npt.NDArray[np.floating]) -> Float32:
    """Mid-rank of each row among its column less the middle one, over the rows: -0.5..0.5.

    Args:
        activations: [rows, n].
    """
    n_rows, n = activations.shape
    by_column = np.empty((n, n_rows), dtype=np.float32)
    for column, ranks in zip(activations.T, by_column, strict=True):
        order = np.argsort(column)
        distinct = np.flatnonzero(np.diff(column[order], prepend=np.nan) != 0)
        ends = np.append(distinct[1:], n_rows)
        middle = ((distinct + ends) / 2 - n_rows / 2) / n_rows
        ranks[order] = np.repeat(middle, ends - distinct)
    return by_column.T


def correlations(activations: npt.NDArray[np.floating], labels: Bools) -> Floats:
    """Point-biserial r of each direction with each label [n, n_labels]: Pearson's r.

    0 where either never varies.
    """
    x, y = _standardised(activations), _standardised(labels)
    return (x.T @ y / max(len(labels), 1)).astype(np.float64)


def p_values(activations: npt.NDArray[np.floating], labels: Bools, users: Int64) -> Floats:
    """Two-sided p of "r is 0" for each direction and label [n, n_labels], robust to users.

    Beyond MOST_CLUSTERS users, several at random make one cluster: as valid, and less to compute.
    z is the sum of a cluster's products of standardised values, summed over clusters, over the root
    of the sum of their squares; standard normal under no correlation with many clusters.
    Source: the cluster-robust variance of Liang and Zeger, Biometrika 73 (1986) 13-22.

    Args:
        activations: [rows, n].
        labels: [rows, n_labels].
        users: [rows] whose row it is.
    """
    cluster = _clusters(users)
    order = np.argsort(cluster, kind="stable")
    x, y = _standardised(activations)[order], _standardised(labels)[order]
    squares = np.zeros((x.shape[1], y.shape[1]), dtype=np.float32)
    product = np.empty_like(squares)
    starts = np.flatnonzero(np.diff(cluster[order], prepend=-1))
    for start, stop in zip(starts, np.append(starts[1:], len(x)), strict=True):
        np.matmul(x[start:stop].T, y[start:stop], out=product)
        np.square(product, out=product)
        squares += product
    z = (x.T @ y) / np.sqrt(np.maximum(squares, 1e-12))
    return np.asarray(2 * stats.norm.sf(np.abs(z.astype(np.float64))))


def _clusters(users: Int64) -> Int64:
    """The cluster of each row's user, at most MOST_CLUSTERS different ones."""
    known, owner = np.unique(users, return_inverse=True)
    dealt = np.random.default_rng(0).permutation(len(known)) % MOST_CLUSTERS
    return np.asarray(dealt[owner])


def q_values(p: Floats) -> Floats:
    """Smallest false discovery rate at which each hypothesis would be rejected, same shape.

    Source: Benjamini and Hochberg, JRSS B 57 (1995) 289-300.
    """
    return np.asarray(stats.false_discovery_control(p.ravel(), method="bh").reshape(p.shape))


def strongest(activations: npt.NDArray[np.floating], share: float) -> Float32:
    """How much of each row is among the strongest of its column, [rows, n]; columns sum to 1.

    `share` of the rows, rounded up, are the strongest. Rows that tie for the last places share
    them equally, as if they were drawn: a feature that fires less often is filled up by chance.

    Args:
        activations: [rows, n].
        share: part of the rows, above 0.
    """
    n_rows = len(activations)
    m = max(1, int(np.ceil(share * n_rows)))
    by_column = np.ascontiguousarray(activations.T)
    bound = np.partition(by_column, n_rows - m, axis=1)[:, [n_rows - m]]
    above, tied = by_column > bound, by_column == bound
    places = (m - above.sum(1, keepdims=True)) / tied.sum(1, keepdims=True)
    return np.asarray((above + tied * places) / m, dtype=np.float32).T


def precisions(among: Float32, labels: Bools) -> Floats:
    """Share of each direction's strongest rows that carry each label [n, n_labels].

    Args:
        among: [rows, n], from `strongest`.
        labels: [rows, n_labels].
    """
    return (among.T @ labels.astype(np.float32)).astype(np.float64)


def auc_influence(activation: npt.NDArray[np.floating], label: Bools) -> Floats:
    """What each row adds to one direction's ROC AUC where it counts once more, [rows]; sums to 0.

    The area where row i counts w_i times is the area plus the sum of w_i times this, to first
    order. 0 for a label that all rows or none carry.
    Source: DeLong et al., Biometrics 44 (1988) 837-845; summed by user, Obuchowski, Biometrics 53
    (1997) 567-578.

    Args:
        activation: [rows].
        label: [rows].
    """
    with_label, without = np.sort(activation[label]), np.sort(activation[~label])
    if not len(with_label) or not len(without):
        return np.zeros(len(label))
    placed = np.where(
        label, _share_below(without, activation), 1 - _share_below(with_label, activation)
    )
    area = placed[label].mean()
    return np.asarray((placed - area) / np.where(label, len(with_label), len(without)))


def _share_below(ordered: npt.NDArray[np.floating], values: npt.NDArray[np.floating]) -> Floats:
    """Share of `ordered` below each value, ties one half."""
    left, right = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return np.asarray((left + right) / (2 * len(ordered)))


def _standardised(values: npt.NDArray[np.generic]) -> Float32:
    """Columns with mean 0 and deviation 1; 0 where a column never varies."""
    centred = (values - values.mean(0, dtype=np.float64)).astype(np.float32)
    deviation = np.sqrt(np.square(centred).mean(0, dtype=np.float64))
    scale = np.where(deviation > 1e-9, deviation, np.inf).astype(np.float32)
    return np.asarray(centred / scale)

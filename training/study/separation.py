"""How well directions tell rows with an attribute from rows without: all pairs at once.

Rows of one user resemble each other, so every error here is by users, never by rows.
"""

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def roc_aucs(activations: npt.NDArray[np.floating], labels: Bools) -> Floats:
    """ROC AUC of each direction for each label [n, n_labels]; ties count one half.

    From mid-ranks (Mann and Whitney). A label that all rows or none carry gives one half.

    Args:
        activations: [rows, n].
        labels: [rows, n_labels].
    """
    mid_ranks = stats.rankdata(activations, axis=0)
    carried = labels.sum(0).astype(np.float64)
    others = len(labels) - carried
    beaten = mid_ranks.T @ labels.astype(np.float64) - carried * (carried + 1) / 2
    pairs = carried * others
    return np.where(pairs > 0, beaten / np.maximum(pairs, 1), 0.5)


def correlations(activations: npt.NDArray[np.floating], labels: Bools) -> Floats:
    """Point-biserial r of each direction with each label [n, n_labels]: Pearson's r.

    0 where either never varies.
    """
    x, y = _standardised(activations), _standardised(labels)
    return np.asarray(x.T @ y / max(len(labels), 1))


def p_values(
    activations: npt.NDArray[np.floating], labels: Bools, users: npt.NDArray[np.int64]
) -> Floats:
    """Two-sided p of "r is 0" for each direction and label [n, n_labels], robust to users.

    z is the sum of a user's products of standardised values, summed over users, over the root of
    the sum of their squares; standard normal under no correlation with many users.
    Source: the cluster-robust variance of Liang and Zeger, Biometrika 73 (1986) 13-22.

    Args:
        activations: [rows, n].
        labels: [rows, n_labels].
        users: [rows] whose row it is.
    """
    x, y = _standardised(activations), _standardised(labels)
    order = np.argsort(users, kind="stable")
    cuts = np.flatnonzero(np.diff(users[order])) + 1
    total, squares = np.zeros((2, x.shape[1], y.shape[1]))
    for rows in np.split(order, cuts):
        product = x[rows].T @ y[rows]
        total += product
        squares += product**2
    z = total / np.sqrt(np.maximum(squares, 1e-12))
    return np.asarray(2 * stats.norm.sf(np.abs(z)))


def q_values(p: Floats) -> Floats:
    """Smallest false discovery rate at which each hypothesis would be rejected, same shape.

    Source: Benjamini and Hochberg, JRSS B 57 (1995) 289-300.
    """
    return np.asarray(stats.false_discovery_control(p.ravel(), method="bh").reshape(p.shape))


def auc_interval(
    activation: npt.NDArray[np.floating],
    label: Bools,
    users: npt.NDArray[np.int64],
    *,
    draws: int,
    seed: int,
) -> tuple[float, float]:
    """95 % bootstrap interval of one direction's ROC AUC: users are drawn with replacement.

    Draws without a row of either kind say nothing and are left out; (0, 1) if all are.

    Args:
        activation: [rows].
        label: [rows].
        users: [rows] whose row it is.
        draws: of the bootstrap.
        seed: of the draws.
    """
    _, owner = np.unique(users, return_inverse=True)
    n_users = int(owner.max()) + 1
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(n_users, np.full(n_users, 1 / n_users), size=draws)
    order = np.argsort(activation, kind="stable")
    _, starts = np.unique(activation[order], return_index=True)
    weights = drawn[:, owner[order]].astype(np.float64)
    carried = np.add.reduceat(weights * label[order], starts, axis=1)
    others = np.add.reduceat(weights * ~label[order], starts, axis=1)
    beaten = (carried * (np.cumsum(others, axis=1) - others / 2)).sum(1)
    pairs = carried.sum(1) * others.sum(1)
    if not (pairs > 0).any():
        return 0.0, 1.0
    low, high = np.quantile(beaten[pairs > 0] / pairs[pairs > 0], [0.025, 0.975])
    return float(low), float(high)


def _standardised(values: npt.NDArray[np.generic]) -> Floats:
    """Columns with mean 0 and deviation 1; 0 where a column never varies."""
    centred = values - values.mean(0, dtype=np.float64)
    deviation = centred.std(0)
    return np.asarray(centred / np.where(deviation > 1e-9, deviation, np.inf))

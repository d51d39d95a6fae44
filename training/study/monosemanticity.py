"""Do the items that a direction answers to belong together?"""

import numpy as np
import numpy.typing as npt

TOP_ITEMS = 30

Floats = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


def item_means(
    activations: npt.NDArray[np.floating], items: Int64, n_items: int
) -> tuple[Floats, Int64]:
    """Mean activation when each item is the newest [n_items + 1, n], and how often it was.

    Args:
        activations: [rows, n].
        items: newest item of each row [rows].
        n_items: size of the catalogue.
    """
    seen = np.bincount(items, minlength=n_items + 1)
    order = np.argsort(items, kind="stable")
    present, starts = np.unique(items[order], return_index=True)
    means = np.zeros((n_items + 1, activations.shape[1]))
    sums = np.add.reduceat(activations[order].astype(np.float64), starts, axis=0)
    means[present] = sums / seen[present, None]
    return means, seen


def jaccard(carries: npt.NDArray[np.bool_]) -> Floats:
    """Common over all values of two items, [items, items]; 0 for two items without any.

    Args:
        carries: [items, n_values].
    """
    x = carries.astype(np.float64)
    common = x @ x.T
    sizes = x.sum(1)
    union = sizes[:, None] + sizes[None, :] - common
    return np.asarray(common / np.maximum(union, 1.0))


def monosemanticity(means: Floats, shown: npt.NDArray[np.bool_], similarity: Floats) -> Floats:
    """Activation-weighted mean similarity of each direction's top items [n]; NaN where none.

    `sum(w_i w_j s_ij) / sum(w_i w_j)` over pairs of distinct items among the 30 with the highest
    positive mean activation w. A direction with fewer than two such items has none.

    Args:
        means: mean activation by item [n_items + 1, n].
        shown: [n_items + 1] items read often enough to be a top item.
        similarity: of items [n_items + 1, n_items + 1].
    """
    candidates = np.flatnonzero(shown)
    return np.array([_weighted_similarity(w, candidates, similarity) for w in means[candidates].T])


def random_similarity(shown: npt.NDArray[np.bool_], similarity: Floats) -> float:
    """Mean similarity of two distinct shown items: what items drawn at random would have."""
    candidates = np.flatnonzero(shown)
    among = similarity[np.ix_(candidates, candidates)]
    n = len(candidates)
    return float((among.sum() - np.trace(among)) / max(n * (n - 1), 1))


def _weighted_similarity(weights: Floats, candidates: Int64, similarity: Floats) -> float:
    top = np.argsort(-weights, kind="stable")[:TOP_ITEMS]
    w = np.maximum(weights[top], 0.0)
    pairs = np.outer(w, w)
    np.fill_diagonal(pairs, 0.0)
    items = candidates[top]
    total = float(pairs.sum())
    return float((pairs * similarity[np.ix_(items, items)]).sum() / total) if total else np.nan

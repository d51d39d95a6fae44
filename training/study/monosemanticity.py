"""Do the items that a direction answers to belong together?"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

TOP_ITEMS = 30

Floats = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


def shown_items(items: Int64, *, min_count: int, at_most: int) -> Int64:
    """Item indices that may be top items, ascending: read often enough, and most often.

    Args:
        items: newest item of each row [rows].
        min_count: fewest rows of an item.
        at_most: most items.
    """
    seen = np.bincount(items)
    often = np.argsort(-seen, kind="stable")[:at_most]
    return np.sort(often[seen[often] >= min_count])


def item_means(
    activations: Float32, items: Int64, shown: Int64, row_weights: Floats | None = None
) -> Float32:
    """Mean activation when each shown item is the newest, [len(shown), n]; 0 without any row.

    Args:
        activations: [rows, n].
        items: newest item of each row [rows].
        shown: item indices.
        row_weights: times that each row counts [rows]; None: once.
    """
    weights = np.ones(len(items)) if row_weights is None else row_weights
    place = np.full(int(max(items.max(), shown.max(initial=0))) + 1, -1)
    place[shown] = np.arange(len(shown))
    rows = np.flatnonzero((place[items] >= 0) & (weights > 0))
    at = place[items[rows]]
    totals = np.bincount(at, weights[rows], minlength=len(shown))
    shape = (len(shown), len(items))
    average = sparse.csr_array(((weights[rows] / totals[at]).astype(np.float32), (at, rows)), shape)
    return np.asarray(average @ activations, dtype=np.float32)


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


class TopItems(NamedTuple):
    """The items on which each direction is strongest."""

    places: Int64
    """[n, 30 at most] their rows among the shown items, in no order."""
    weights: Floats
    """[n, 30 at most] mean activation there, 0 where it is not positive."""


def top_items(means: Float32) -> TopItems:
    """The 30 items with the highest mean activation of each direction.

    Args:
        means: [n_shown, n], from `item_means`.
    """
    by_direction = np.ascontiguousarray(means.T)
    n_top = min(TOP_ITEMS, by_direction.shape[1])
    places = np.argpartition(-by_direction, n_top - 1, axis=1)[:, :n_top]
    weights = np.maximum(np.take_along_axis(by_direction, places, axis=1), 0.0)
    return TopItems(places, weights.astype(np.float64))


def monosemanticity(top: TopItems, similarity: Floats) -> Floats:
    """Activation-weighted mean similarity of each direction's top items [n]; NaN where none.

    `sum(w_i w_j s_ij) / sum(w_i w_j)` over pairs of distinct items among the 30 with the highest
    positive mean activation w. A direction with fewer than two such items has none.

    Args:
        top: of each direction.
        similarity: of shown items [n_shown, n_shown].
    """
    among = similarity[top.places[:, :, None], top.places[:, None, :]]
    own = np.einsum("nii->ni", among)
    weighted = np.einsum("ni,nij,nj->n", top.weights, among, top.weights, optimize=True)
    squares = top.weights**2
    alike = weighted - (squares * own).sum(1)
    total = top.weights.sum(1) ** 2 - squares.sum(1)
    several = (top.weights > 0).sum(1) > 1
    return np.where(several, alike / np.where(several, total, 1.0), np.nan)


def random_similarity(similarity: Floats) -> float:
    """Mean similarity of two distinct shown items: what items drawn at random would have."""
    n = len(similarity)
    return float((similarity.sum() - np.trace(similarity)) / max(n * (n - 1), 1))

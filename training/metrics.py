"""Full-catalogue ranking metrics with one relevant item, and what they are compared with.

Metrics read `ranks`, so scores are sorted (in fact only counted) once for all of them.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from training.errors import UndefinedMetric

Ranks = npt.NDArray[np.int64]

MISS: Final = int(np.iinfo(np.int64).max)
"""The rank of a target that no slate of any length would hold."""


def ranks(
    scores: npt.NDArray[np.floating],
    targets: npt.NDArray[np.integer],
    excluded: Sequence[npt.NDArray[np.integer]],
) -> Ranks:
    """The place of each target, from 1, in the slate that its scores would make.

    Ties: the smaller item index first, as in the served slate (ADR 0003), so the rank is the
    place at which a user would have seen the item. A target that is excluded, or whose score is
    -inf, would never be shown: its rank is `MISS`. Padding (index 0) is always excluded.

    Args:
        scores: [n, n_items + 1], higher is better; not written to.
        targets: item indices 1..n_items [n].
        excluded: item indices never to be shown, one array for each row (most often the history).

    Raises:
        UndefinedMetric: shapes do not belong together, a target is no item, or a score is NaN.
    """
    _check_rows(scores, targets, excluded)
    rows = zip(scores, targets.tolist(), excluded, strict=True)
    return np.array([_rank(*row) for row in rows], dtype=np.int64)


def _rank(scores: npt.NDArray[np.floating], target: int, excluded: npt.NDArray[np.integer]) -> int:
    """The target's place by scores [n_items + 1]: one row fits the cache, a batch does not."""
    shown = scores.copy()
    shown[0] = -np.inf
    shown[np.asarray(excluded, dtype=np.int64)] = -np.inf
    reached = shown[target]
    if np.isneginf(reached):
        return MISS
    tied_before = shown[:target] == reached
    return 1 + int(np.count_nonzero(shown > reached) + np.count_nonzero(tied_before))


def hit_rate(ranks: Ranks, k: int) -> float:
    """Share of targets among the first k: `mean(rank <= k)`.

    With one relevant item this is also recall@k. Ties are settled in `ranks`; a slate shorter
    than k counts as far as it goes; of no ranks at all it is undefined.

    Raises:
        UndefinedMetric: no ranks, or k below 1.

    Source: HR@k of SASRec (Kang and McAuley, 2018, section IV-C).
    """
    _check_ranks(ranks, k)
    return float(np.mean(ranks <= k))


def ndcg(ranks: Ranks, k: int) -> float:
    """Discounted gain of the target: `mean(1 / log2(rank + 1) if rank <= k else 0)`.

    With one relevant item the ideal gain is 1, so no division is left. Ties are settled in
    `ranks`; a slate shorter than k counts as far as it goes; of no ranks it is undefined.

    Raises:
        UndefinedMetric: no ranks, or k below 1.

    Source: NDCG@k of SASRec (Kang and McAuley, 2018, section IV-C).
    """
    _check_ranks(ranks, k)
    return float(np.mean(np.where(ranks <= k, 1 / np.log2(ranks + 1.0), 0.0)))


def mrr(ranks: Ranks, k: int | None = None) -> float:
    """Mean reciprocal rank: `mean(1 / rank)`, 0 for a rank beyond k or a `MISS`.

    Ties are settled in `ranks`; of no ranks it is undefined.

    Args:
        ranks: from 1 [n].
        k: length of the slate; None for the whole catalogue.

    Raises:
        UndefinedMetric: no ranks, or k below 1.
    """
    longest = MISS - 1 if k is None else k
    _check_ranks(ranks, longest)
    return float(np.mean(np.where(ranks <= longest, 1 / ranks.astype(np.float64), 0.0)))


def attribute_share(
    slates: Iterable[npt.NDArray[np.integer]], carries: npt.NDArray[np.bool_]
) -> float:
    """Mean over slates of the part whose items carry an attribute, 0..1.

    Each slate weighs the same, whatever its length. Padding (index 0) in a slate is no item; a
    slate without items says nothing and is left out.

    Args:
        slates: item indices of one slate each, e.g. the rows of [n, k].
        carries: [n_items + 1] by item index: `Dataset.carries(name, value)`.

    Raises:
        UndefinedMetric: not one slate holds an item.
    """
    filled = [items[items > 0] for items in map(np.asarray, slates)]
    shares = [float(np.mean(carries[items])) for items in filled if items.size]
    if not shares:
        raise UndefinedMetric("the share of an attribute is undefined without slates")
    return float(np.mean(shares))


def popularity_scores(
    train: Iterable[npt.NDArray[np.integer]], n_items: int
) -> npt.NDArray[np.float32]:
    """The baseline that knows no user: interactions of each item [n_items + 1], padding 0.

    To rank with it, `np.broadcast_to(popularity_scores(...), (n, n_items + 1))`.
    """
    read = np.concatenate([np.zeros(1, dtype=np.int64), *train])
    counts = np.bincount(read, minlength=n_items + 1)
    counts[0] = 0
    return counts.astype(np.float32)


def _check_rows(
    scores: npt.NDArray[np.floating],
    targets: npt.NDArray[np.integer],
    excluded: Sequence[npt.NDArray[np.integer]],
) -> None:
    """Raises UndefinedMetric unless the three belong together."""
    if scores.ndim != 2:
        raise UndefinedMetric(f"scores must be [n, n_items + 1], not of shape {scores.shape}")
    n = scores.shape[0]
    if targets.shape != (n,) or len(excluded) != n:
        raise UndefinedMetric(
            f"{n} rows of scores, {targets.shape[0] if targets.ndim else 0} targets and "
            f"{len(excluded)} arrays of excluded items: there must be one of each per row"
        )
    if n and not (targets.min() > 0 and targets.max() < scores.shape[1]):
        raise UndefinedMetric(f"targets must be item indices from 1 to {scores.shape[1] - 1}")
    if np.isnan(scores.min(initial=np.inf)):
        raise UndefinedMetric("scores hold NaN: a model that diverged cannot be ranked")


def _check_ranks(ranks: Ranks, k: int) -> None:
    """Raises UndefinedMetric where a mean over ranks would have no meaning."""
    if ranks.size == 0:
        raise UndefinedMetric("a metric of no ranks is undefined: no user could be evaluated")
    if k < 1:
        raise UndefinedMetric(f"k must be at least 1, not {k}")

"""What slates are worth: one arithmetic for effect cards, frontiers, suppression and promises.

Everything is per user first; `Band`s then draw users with replacement, the same draws for every
measure, so that differences and ratios are paired. A slate holds 20 items, 0 where nothing was left
to show; ties of scores fall as `torch.topk` lets them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from model_store.cards import Band, DosePoint
from training.attributes import AttributeTable
from training.batches import Items, generator
from training.metrics import popularity_scores

SLATE = 20
"""Items of a slate."""
TOP = 10
"""Of NDCG, and of the shorter share."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Yardstick:
    """What items are, for measuring slates; rows by item index, padding 0."""

    carries: Tensor
    """Float 0 or 1 [n_items + 1, n_values]."""
    popularity: Tensor
    """Rank by training interactions, 0 the rarest item to 1 [n_items + 1]."""
    profiles: Tensor
    """Attribute values of each item at norm 1, or 0 where it has none [n_items + 1, n_values]."""

    @cached_property
    def profile_squares(self) -> Tensor:
        """Squared norm of each profile [n_items + 1]: for every slate the same."""
        return self.profiles.square().sum(1)

    @classmethod
    def of(cls, table: AttributeTable, train: Sequence[Items]) -> Self:
        """Of the items that carry the table's values and were taken in training histories."""
        carries = torch.from_numpy(table.carries).float()
        counts = popularity_scores(train, len(carries) - 1)[1:]
        return cls(
            carries,
            torch.from_numpy(np.append(0.0, _rank(counts))).float(),
            functional.normalize(carries, dim=1),
        )


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What one set of slates gives each user, about one attribute; every array is [n]."""

    shares_at_10: Floats
    """Part of the top 10 that carries the attribute."""
    shares_at_20: Floats
    """Part of the top 20 that carries it."""
    gains: Floats
    """NDCG@10 of the item that came next."""
    overlaps: Floats
    """Part of the unsteered top 20 that is still there."""
    popularity: Floats
    """Mean popularity rank of the top 20."""
    distances: Floats
    """Mean distance of two items of the top 20."""


def slates_of(scores: Tensor) -> Tensor:
    """The best items of each row, int64 [n, 20] on the CPU, best first; 0: nothing finite is left.

    Args:
        scores: [n, n_items + 1]; -inf is never shown.
    """
    best = scores.topk(min(SLATE, scores.shape[1]), dim=1)
    items = torch.where(torch.isfinite(best.values), best.indices, 0).cpu()
    return functional.pad(items, (0, SLATE - items.shape[1]))


def outcomes(
    slates: Tensor, plain: Tensor, targets: Tensor, measured_by: Yardstick, value: int
) -> Outcomes:
    """What slates [n, 20] are worth beside the unsteered ones.

    Args:
        slates: of one edit.
        plain: unsteered, of the same users.
        targets: item index that came next [n].
        measured_by: what items are.
        value: column of the attribute.
    """
    carries = measured_by.carries[:, value : value + 1]
    return Outcomes(
        shares_at_10=_array(shares(slates[:, :TOP], carries)[:, 0]),
        shares_at_20=_array(shares(slates, carries)[:, 0]),
        gains=_array(gains(slates, targets)),
        overlaps=_array(overlaps(slates, plain)),
        popularity=_array(mean_popularity(slates, measured_by.popularity)),
        distances=_array(mean_distance(slates, measured_by)),
    )


def shares(slates: Tensor, carries: Tensor) -> Tensor:
    """Part of each slate that carries each value [n, n_values]; 0 for an empty slate.

    Args:
        slates: [n, k].
        carries: float [n_items + 1, n_values], padding 0.
    """
    return functional.embedding_bag(slates, carries, mode="sum") / _lengths(slates)[:, None]


def gains(slates: Tensor, targets: Tensor) -> Tensor:
    """NDCG@10 with one relevant item [n]: 1 / log2(1 + rank), 0 beyond rank 10.

    Source: as `training.metrics.ndcg`, whose ranks these are but for ties.
    """
    found = slates[:, :TOP] == targets[:, None]
    discount = 1 / torch.log2(torch.arange(2, 2 + found.shape[1], dtype=torch.float64))
    return (found * discount).sum(1)


def overlaps(slates: Tensor, plain: Tensor) -> Tensor:
    """Part of each unsteered slate that is still there, whatever the order [n]."""
    kept = (plain[:, :, None] == slates[:, None, :]).any(2) & (plain > 0)
    return kept.sum(1) / _lengths(plain)


def mean_popularity(slates: Tensor, popularity: Tensor) -> Tensor:
    """Mean popularity rank of each slate's items [n].

    Source: average recommendation popularity (Yin et al., PVLDB 5(9), 2012), of ranks in place of
    counts, so that a few items do not decide it.
    """
    return popularity[slates].sum(1) / _lengths(slates)


def mean_distance(slates: Tensor, measured_by: Yardstick) -> Tensor:
    """Mean over pairs of a slate's items of 1 - cosine of their attribute values [n].

    An item without values is at distance 1 from all; a slate of fewer than two items has 0.

    Source: intra-list similarity (Ziegler et al., WWW 2005), taken from 1.
    """
    n = _lengths(slates)
    summed = functional.embedding_bag(slates, measured_by.profiles, mode="sum").square().sum(1)
    itself = measured_by.profile_squares[slates].sum(1)
    pairs = n * (n - 1)
    return torch.where(pairs > 0, 1 - (summed - itself) / pairs.clamp_min(1), 0.0)


def user_draws(n: int, draws: int, *, seed: int) -> Floats:
    """Weights of users [draws + 1, n]: all alike, then `draws` times n users with replacement."""
    counts = generator(seed, 12).multinomial(n, np.full(n, 1 / n), size=draws)
    return np.vstack([np.ones(n), counts]) / n


def mean_band(values: Floats, weights: Floats) -> Band:
    """Mean over users, with its 95 % bootstrap interval (percentile method).

    Args:
        values: [n].
        weights: [draws + 1, n], from `user_draws`.
    """
    return _bands((weights @ values)[None])[0]


def ratio_band(values: Floats, over: Floats, weights: Floats) -> Band:
    """Mean of `values` over mean of `over`, drawn together; 1 where the latter is 0."""
    return _bands(_ratio(values, over, weights)[None])[0]


def dose_point(strength: float, steered: Outcomes, plain: Outcomes, weights: Floats) -> DosePoint:
    """One strength of a dose-response, with bands over users.

    Args:
        strength: as a rule takes it.
        steered: under it.
        plain: of the same users, unsteered.
        weights: [draws + 1, n], from `user_draws`.
    """
    means = weights @ np.column_stack(
        [
            steered.shares_at_10,
            steered.shares_at_20,
            steered.overlaps,
            steered.popularity - plain.popularity,
            steered.distances - plain.distances,
        ]
    )
    kept = _ratio(steered.gains, plain.gains, weights)
    at_10, at_20, overlap, popularity, diversity, ndcg = _bands(np.vstack([means.T, kept]))
    return DosePoint(
        strength=strength,
        share_at_10=at_10,
        share_at_20=at_20,
        ndcg_kept_share=ndcg,
        overlap_at_20=overlap,
        popularity_shift=popularity,
        diversity_shift=diversity,
    )


def _ratio(values: Floats, over: Floats, weights: Floats) -> Floats:
    above, below = weights @ values, weights @ over
    return np.divide(above, below, out=np.ones_like(above), where=below > 0)


def _bands(drawn: Floats) -> list[Band]:
    """Of each row its first value, and the central 95 % of the others; of [n, draws + 1].

    Without draws the ends are the value itself.
    """
    others = drawn[:, 1:] if drawn.shape[1] > 1 else drawn
    ends = np.quantile(others, [0.025, 0.975], axis=1)
    rows = np.round(np.vstack([drawn[:, 0], ends]), 5).T.tolist()
    return [Band(*row) for row in rows]


def _lengths(slates: Tensor) -> Tensor:
    return (slates > 0).sum(1).clamp_min(1)


def _rank(counts: npt.NDArray[np.floating]) -> Floats:
    """Part of the other items that each exceeds, ties one half [n], 0..1."""
    ordered = np.sort(counts)
    below = np.searchsorted(ordered, counts, side="left")
    up_to = np.searchsorted(ordered, counts, side="right")
    return np.asarray((below + up_to - 1) / 2 / max(len(counts) - 1, 1))


def _array(values: Tensor) -> Floats:
    return np.asarray(values.double().cpu().numpy())

"""Paths of share and gain along a dial, and their comparison at equal share over drawn users."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model_store.cards import Band
from training.study.audience import Audience
from training.study.outcomes import gains, shares

WANTED = ("x1.5", "x2", "+10", "+25")
"""Shares at which paths are compared: factors of the unsteered share, or points more."""

SHARE_STEPS = tuple(np.round(np.arange(21) / 20, 2).tolist())
"""Shares of a slate of 20 items."""

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DialPath:
    """Each user's outcomes along a dial that starts at doing nothing."""

    shares: Floats
    """Part of the top 20 that carries the attribute [n_strengths, n]."""
    gains: Floats
    """NDCG@10 [n_strengths, n]."""


def path_along(along: Iterable[Tensor], people: Audience, carries: Bools) -> DialPath:
    """The outcomes of slates [n, 20] at each position of a dial.

    Args:
        along: at each position, the first without any edit.
        people: whose slates they are.
        carries: [n_items + 1] which items carry the attribute.
    """
    targets = torch.from_numpy(people.targets.astype(np.int64)).to(people.items.device)
    carried = torch.from_numpy(carries).to(people.items.device, torch.float32)[:, None]
    found = [
        torch.stack([shares(slates, carried)[:, 0].double(), gains(slates, targets)])
        for slates in along
    ]
    both = torch.stack(found, dim=1).cpu().numpy()
    return DialPath(both[0], both[1])


def dialled_per_user(path: DialPath) -> DialPath:
    """The path on which the dial is one share for everybody, each user's own strength serving it.

    Each user has the first strength at which the share of the own slate is that large, or the one
    with the largest share; shares are those of `SHARE_STEPS`.
    """
    place = np.array(
        [
            np.where(
                (path.shares >= share - 1e-6).any(0),
                (path.shares >= share - 1e-6).argmax(0),
                path.shares.argmax(0),
            )
            for share in SHARE_STEPS
        ]
    )
    return DialPath(
        np.take_along_axis(path.shares, place, axis=0),
        np.take_along_axis(path.gains, place, axis=0),
    )


def wanted_share(wanted: str, share: float) -> float:
    """The share that an entry of `WANTED` means, of the unsteered one; it may exceed 1."""
    amount = float(wanted[1:])
    return share * amount if wanted.startswith("x") else share + amount / 100


def kept_at(shares: Floats, gains: Floats, wanted: float) -> float:
    """Gain where the path first reaches a share, over that at its start; NaN if it never does.

    Linear between neighbouring strengths; a path that turns back is followed no further.

    Args:
        shares: along the dial [n_strengths].
        gains: along the dial [n_strengths].
        wanted: share, above the first.
    """
    reached = np.flatnonzero(shares >= wanted)
    if not len(reached) or gains[0] <= 0:
        return float("nan")
    after = int(reached[0])
    if after == 0:
        return 1.0
    before = after - 1
    part = (wanted - shares[before]) / (shares[after] - shares[before])
    return float((gains[before] + part * (gains[after] - gains[before])) / gains[0])


def kept_of(path: DialPath, weights: Floats) -> dict[str, Floats]:
    """What is kept at each entry of `WANTED` under each weighting of users [draws]."""
    shares, gains = weights @ path.shares.T, weights @ path.gains.T
    return {
        wanted: np.array(
            [
                kept_at(row, gain, wanted_share(wanted, float(row[0])))
                for row, gain in zip(shares, gains, strict=True)
            ]
        )
        for wanted in WANTED
    }


def band(values: Floats) -> Band | None:
    """The first value with the interval of the others; None where the first is not defined."""
    drawn = values[1:][~np.isnan(values[1:])]
    if np.isnan(values[0]) or not len(drawn):
        return None
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Band(float(values[0]), float(low), float(high))


def mean_of_defined(columns: Sequence[Floats]) -> Floats:
    """Mean over the columns whose first value is defined [draws]; NaN where there is none.

    A draw in which one of them is not defined is left out (NaN).
    """
    defined = [column for column in columns if not np.isnan(column[0])]
    if not defined:
        return np.full(1, np.nan)
    return np.asarray(np.mean(defined, axis=0))

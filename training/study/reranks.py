"""Rivals with a dial, and those that act on scores: re-ranks, whole or half."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.study.audience import Audience
from training.study.outcomes import slates_of

KINDS = ("re-rank", "sae", "hybrid", "probe", "control", "calibration")
"""Rivals: on scores alone; of SAE features; both; without an SAE; proving nothing by themselves;
to a target mix."""
RERANK = "re-rank"
MAX_SCORE_SHARE = 4.0
"""Most that the re-rank adds, over the mean deviation of a user's scores."""
MAX_PROBABILITY = 0.2
"""Most that the re-rank of probabilities adds."""

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Rival:
    """One way to raise an attribute, with a dial; at 0 it does nothing."""

    name: str
    """What tables call it."""
    kind: str
    """One of `KINDS`."""
    slates: Callable[[float], Tensor]
    """Slates [n, 20] at a strength."""
    strengths: tuple[float, ...]
    """The dial's positions, ascending from 0."""


def dial(longest: float, n: int) -> tuple[float, ...]:
    """Positions from 0 to `longest`, closer together where shares still move little."""
    return tuple(np.round(longest * (np.arange(n) / (n - 1)) ** 1.5, 4).tolist())


@torch.no_grad()
def score_deviation(people: Audience) -> float:
    """Mean standard deviation of a user's scores of unread items: the unit of the re-rank."""
    return float(torch.stack([row[torch.isfinite(row)].std() for row in people.scores()]).mean())


def rerank(people: Audience, carries: Bools, n_strengths: int) -> Rival:
    """Score + lambda x attribute, lambda in mean deviations of a user's scores."""
    steps = dial(MAX_SCORE_SHARE, n_strengths)
    return Rival(RERANK, "re-rank", _reranked(people, carries, None), steps)


def probability_rerank(people: Audience, carries: Bools, n_strengths: int) -> Rival:
    """Probability + lambda x attribute: the likeliest items stay, the tail of slates gives way."""
    carried = torch.from_numpy(carries).to(people.hidden)

    def slates(strength: float) -> Tensor:
        scores = people.scores()
        lifted = torch.softmax(scores, dim=1) + strength * carried
        return slates_of(lifted.masked_fill_(torch.isneginf(scores), -torch.inf))

    steps = (0.0, *np.geomspace(1e-4, MAX_PROBABILITY, n_strengths - 1).tolist())
    return Rival("re-rank of probabilities", "re-rank", slates, steps)


def half_rerank(name: str, people: Audience, vector: Tensor, carries: Bools, plain: Rival) -> Rival:
    """Half of the re-rank, and a shift that imitates the other half.

    Args:
        name: of the rival.
        people: whose scores are asked for.
        vector: [d_model], whose effect is about 1 on the scores of items with the attribute.
        carries: [n_items + 1].
        plain: the re-rank, whose dial is halved.
    """
    halved = tuple(strength / 2 for strength in plain.strengths)
    return Rival(name, "hybrid", _reranked(people, carries, vector), halved)


def _reranked(people: Audience, carries: Bools, vector: Tensor | None) -> Callable[[float], Tensor]:
    """Slates under lambda x vector, and lambda more for items with the attribute."""
    unit = score_deviation(people)
    carried = torch.from_numpy(carries).to(people.hidden)

    def slates(strength: float) -> Tensor:
        shift = None if vector is None else strength * unit * vector
        return slates_of(people.scores(shift) + strength * unit * carried)

    return slates

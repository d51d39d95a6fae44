"""Ways to raise an attribute, each with a dial: SAE edits, controls, probes and a plain re-rank."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.batches import generator
from training.study.audience import Audience
from training.study.edits import (
    Effects,
    doses,
    effects,
    embedding_difference,
    gradients,
    group,
    imitation,
    item_space_projection,
)

RERANK = "re-rank"
TODAY = "group of 10, by effect"
NORM_SHARES = tuple(np.round(1.5 * (np.arange(25) / 24) ** 1.5, 4).tolist())
"""Length of a shift over the mean norm of the hidden state, from none."""
SCORE_SHARES = tuple(np.round(4 * (np.arange(25) / 24) ** 1.5, 4).tolist())
"""What the re-rank adds over the deviation of a user's scores, from nothing."""

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Rival:
    """One way to raise an attribute, with a dial; at 0 it does nothing."""

    name: str
    """What tables call it."""
    scores: Callable[[float], Tensor]
    """Scores [n, n_items + 1] at a strength."""
    strengths: tuple[float, ...] = NORM_SHARES
    """The dial's positions, ascending from 0."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """What rivals are made of, measured on the users who choose."""

    features: Effects
    """Each live feature at its reference activation."""
    dimensions: Effects
    """Each coordinate of the hidden state, up and down."""
    random: Effects
    """As many random directions as features, at the features' mean norm."""
    norm: float
    """Mean norm of the newest hidden state."""


def candidates(choosers: Audience, features: Tensor, carries: Bools, *, seed: int) -> Candidates:
    """The candidates' effects on the choosing users.

    Args:
        choosers: disjoint from the users measured on.
        features: decoder rows times reference activations [n_features, d_model], none of them 0.
        carries: [n_items + 1, n_values].
        seed: of the random directions.
    """
    drawn = generator(seed, 7).standard_normal(tuple(features.shape))
    random = torch.nn.functional.normalize(torch.from_numpy(drawn).to(features), dim=1)
    dimensions = torch.stack(list(doses(choosers.newest)))
    return Candidates(
        features=effects(choosers, features, carries),
        dimensions=effects(choosers, dimensions, carries),
        random=effects(choosers, random * features.norm(dim=1).mean(), carries),
        norm=float(choosers.newest.norm(dim=1).mean()),
    )


def rivals_for(made_of: Candidates, people: Audience, carries: Bools, value: int) -> list[Rival]:
    """Every rival for one attribute value; "imitating" is of the re-rank, see `imitation`.

    Args:
        made_of: measured on other users.
        people: whose scores are asked for.
        carries: [n_items + 1, n_values].
        value: column of the attribute value.
    """
    sae, carried = made_of.features, carries[:, value]
    ten = group(sae, value, 10)
    fixed = {
        TODAY: ten,
        "best feature": group(sae, value, 1),
        "group of 3": group(sae, value, 3),
        "group of 30": group(sae, value, 30),
        "group of 10, uniform": group(sae, value, 10, weighting="uniform"),
        "group of 10, unit norm": group(sae, value, 10, weighting="unit"),
        "group of 10, wrong sign": -ten,
        "features imitating": imitation(sae, carried),
        "30 features imitating": imitation(sae.strongest(value, 30), carried),
        "random imitating": imitation(made_of.random, carried),
        "best hidden dimension": group(made_of.dimensions, value, 1),
        "one random direction": made_of.random.vectors[0],
        "best random direction": group(made_of.random, value, 1),
        "group of 10 random": group(made_of.random, value, 10),
        "embedding difference": embedding_difference(people, carried),
        "item-space projection": item_space_projection(made_of.dimensions, carried),
    }
    return [
        rerank(people, carried),
        *(fixed_shift(name, people, vector, made_of.norm) for name, vector in fixed.items()),
        norm_shift("group of 10, per user's norm", people, ten.expand_as(people.newest)),
        norm_shift("gradient of each user", people, gradients(people, carried)),
        half_rerank("features + re-rank", people, fixed["features imitating"], carried),
        half_rerank("random + re-rank", people, fixed["random imitating"], carried),
    ]


def rerank(people: Audience, carries: Bools) -> Rival:
    """Score + lambda x attribute, lambda in mean deviations of a user's scores."""
    return Rival(RERANK, _reranked(people, carries, torch.zeros_like(people.newest)), SCORE_SHARES)


def half_rerank(name: str, people: Audience, vector: Tensor, carries: Bools) -> Rival:
    """Half of the re-rank, and a shift that imitates the other half.

    Args:
        name: of the rival.
        people: whose scores are asked for.
        vector: [d_model], whose effect is about 1 on the scores of items with the attribute.
        carries: [n_items + 1].
    """
    halved = tuple(strength / 2 for strength in SCORE_SHARES)
    return Rival(name, _reranked(people, carries, vector), halved)


@torch.no_grad()
def _reranked(people: Audience, carries: Bools, vector: Tensor) -> Callable[[float], Tensor]:
    """Scores under lambda x vector, and lambda more for items with the attribute."""
    plain = people.scores()
    unit = float(torch.stack([row[torch.isfinite(row)].std() for row in plain]).mean())
    carried = torch.from_numpy(carries).to(plain)
    return lambda strength: people.scores(strength * unit * vector) + strength * unit * carried


def fixed_shift(name: str, people: Audience, vector: Tensor, norm: float) -> Rival:
    """The same shift for everyone: `vector` [d_model] at a length in units of `norm`."""
    unit = torch.nn.functional.normalize(vector, dim=0) * norm
    return Rival(name, lambda strength: people.scores(strength * unit))


def norm_shift(name: str, people: Audience, vectors: Tensor) -> Rival:
    """Each user's own vector of [n, d_model], at a length in units of that user's hidden norm."""
    norms = people.newest.norm(dim=1, keepdim=True)
    units = torch.nn.functional.normalize(vectors, dim=1) * norms
    return Rival(name, lambda strength: people.scores(strength * units))

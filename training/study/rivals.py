"""Ways to raise an attribute, each with a dial: SAE edits, controls, probes and a plain re-rank."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.batches import generator
from training.imitation import Effects, effects
from training.pipeline import Run
from training.study.audience import Audience
from training.study.edits import (
    doses,
    embedding_difference,
    group,
    imitation,
    item_space_projection,
)
from training.study.outcomes import slates_of

KINDS = ("re-rank", "sae", "hybrid", "probe", "control", "calibration")
"""Rivals: on scores alone; of SAE features; both; without an SAE; proving nothing by themselves;
to a target mix."""
RERANK = "re-rank"
TODAY = "group of 10, by effect"
MAX_NORM_SHARE = 1.5
"""Longest shift over the mean norm of the hidden state."""
MAX_SCORE_SHARE = 4.0
"""Most that the re-rank adds, over the mean deviation of a user's scores."""

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


def rivals_for(
    made_of: Candidates, people: Audience, carries: Bools, value: int, *, n_strengths: int = 13
) -> list[Rival]:
    """Every rival for one attribute value; "imitating" is of the re-rank, see `imitation`.

    Args:
        made_of: measured on other users.
        people: whose scores are asked for.
        carries: [n_items + 1, n_values].
        value: column of the attribute value.
        n_strengths: positions of each dial.
    """
    steps, carried = dial(MAX_NORM_SHARE, n_strengths), carries[:, value]
    fixed = _fixed(made_of, people, carried, value)
    plain = rerank(people, carried, n_strengths)
    return [
        plain,
        *(
            fixed_shift(name, kind, people, vector, made_of.norm, steps)
            for name, (kind, vector) in fixed.items()
        ),
        half_rerank("features + re-rank", people, fixed["features imitating"][1], carried, plain),
        half_rerank("random + re-rank", people, fixed["random imitating"][1], carried, plain),
    ]


def _fixed(
    made_of: Candidates, people: Audience, carries: Bools, value: int
) -> dict[str, tuple[str, Tensor]]:
    """Kind and direction [d_model] of every rival that shifts all users alike, by name."""
    sae, random = made_of.features, made_of.random
    ten = group(sae, value, 10)
    return {
        TODAY: ("sae", ten),
        "best feature": ("sae", group(sae, value, 1)),
        "group of 30": ("sae", group(sae, value, 30)),
        "features imitating": ("sae", imitation(sae, carries)),
        "30 features imitating": ("sae", imitation(sae.strongest(value, 30), carries)),
        "random imitating": ("control", imitation(random, carries)),
        "wrong sign": ("control", -ten),
        "best hidden dimension": ("control", group(made_of.dimensions, value, 1)),
        "one random direction": ("control", random.vectors[0]),
        "group of 10 random": ("control", group(random, value, 10)),
        "embedding difference": ("probe", embedding_difference(people, carries)),
        "item-space projection": ("probe", item_space_projection(made_of.dimensions, carries)),
    }


@torch.no_grad()
def score_deviation(people: Audience) -> float:
    """Mean standard deviation of a user's scores of unread items: the unit of the re-rank."""
    return float(torch.stack([row[torch.isfinite(row)].std() for row in people.scores()]).mean())


def rerank(people: Audience, carries: Bools, n_strengths: int) -> Rival:
    """Score + lambda x attribute, lambda in mean deviations of a user's scores."""
    steps = dial(MAX_SCORE_SHARE, n_strengths)
    return Rival(RERANK, "re-rank", _reranked(people, carries, None), steps)


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


def fixed_shift(
    name: str, kind: str, people: Audience, vector: Tensor, norm: float, steps: tuple[float, ...]
) -> Rival:
    """The same shift for everyone: `vector` [d_model] at a length in units of `norm`."""
    unit = torch.nn.functional.normalize(vector, dim=0) * norm
    return Rival(name, kind, lambda strength: slates_of(people.scores(strength * unit)), steps)


def feature_vectors(run: Run) -> Tensor:
    """Decoder rows of live features at their reference activation [n_live, d_model]."""
    references = torch.tensor([card.reference_activation for card in run.cards.features])
    scaled = run.sae.W_dec.detach() * references.to(run.sae.W_dec)[:, None]
    return scaled[references > 0]

"""Ways to raise an attribute, each with a dial: SAE edits, controls, probes and a plain re-rank."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.batches import generator
from training.imitation import Effects, effects, least_squares
from training.learned_direction import (
    can_learn,
    learned_direction,
    score_metric,
    weights_along,
)
from training.pipeline import Run
from training.study.audience import Audience
from training.study.edits import (
    doses,
    embedding_difference,
    group,
    imitation,
    item_space_projection,
)
from training.study.reranks import Rival, dial, half_rerank, probability_rerank, rerank

TODAY = "group of 10, by effect"
MAX_NORM_SHARE = 1.5
"""Longest shift over the mean norm of the hidden state."""
GROUP_SIZE = 30
"""Most features of a group that imitates or that was learned."""
N_RANDOM = 256
"""Random directions; more span no more of the hidden space."""
EFFECT_USERS = 300
"""Choosing users on whom effects are measured."""
LEARNED, IMITATING = "30 features, learned", "30 features imitating"
HALVES = {"learned + re-rank": LEARNED, "imitating + re-rank": IMITATING}
"""Rivals that are half a re-rank, and which shift the other half is."""

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Candidates:
    """What rivals are made of, measured on the users who choose."""

    choosers: Audience
    """Those users."""
    features: Effects
    """Each live feature at its reference activation."""
    dimensions: Effects
    """Each coordinate of the hidden state, up and down."""
    random: Effects
    """Random directions, as many as features but at most `N_RANDOM`, at their mean norm."""
    norm: float
    """Mean norm of the newest hidden state."""
    metric: Tensor
    """What makes directions alike [d_model, d_model]; see `score_metric`."""


def candidates(choosers: Audience, features: Tensor, carries: Bools, *, seed: int) -> Candidates:
    """The candidates' effects on some of the choosing users.

    Args:
        choosers: disjoint from the users measured on.
        features: decoder rows times reference activations [n_features, d_model], none of them 0.
        carries: [n_items + 1, n_values].
        seed: of the random directions.
    """
    some = choosers.part(torch.arange(min(EFFECT_USERS, len(choosers.items))))
    shape = (min(len(features), N_RANDOM), features.shape[1])
    drawn = torch.from_numpy(generator(seed, 7).standard_normal(shape)).to(features)
    random = torch.nn.functional.normalize(drawn, dim=1) * features.norm(dim=1).mean()
    dimensions = torch.stack(list(doses(some.newest)))
    return Candidates(
        choosers=choosers,
        features=effects(some, features, carries),
        dimensions=effects(some, dimensions, carries),
        random=effects(some, random, carries),
        norm=float(choosers.newest.norm(dim=1).mean()),
        metric=score_metric(choosers),
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
    shifts = _shifts(made_of, people, carried, value)
    plain = rerank(people, carried, n_strengths)
    return [
        plain,
        probability_rerank(people, carried, n_strengths),
        *(
            fixed_shift(name, kind, people, vector, made_of.norm, steps)
            for name, (kind, vector) in shifts.items()
        ),
        *(
            half_rerank(
                hybrid, people, _unit_effect(made_of, shifts[name][1], carried), carried, plain
            )
            for hybrid, name in HALVES.items()
            if name in shifts
        ),
    ]


def _shifts(
    made_of: Candidates, people: Audience, carries: Bools, value: int
) -> dict[str, tuple[str, Tensor]]:
    """Kind and direction [d_model] of every rival that shifts all users alike, by name."""
    sae, random = made_of.features, made_of.random
    ten, learned = group(sae, value, 10), _learned(made_of, carries)
    return {
        **learned,
        IMITATING: ("sae", imitation(sae.strongest(value, GROUP_SIZE), carries)),
        TODAY: ("sae", ten),
        "best feature": ("sae", group(sae, value, 1)),
        "wrong sign": ("control", -learned[LEARNED][1] if learned else -ten),
        "random imitating": ("control", imitation(random, carries)),
        "group of 10 random": ("control", group(random, value, 10)),
        "one random direction": ("control", random.vectors[0]),
        "best hidden dimension": ("control", group(made_of.dimensions, value, 1)),
        "embedding difference": ("probe", embedding_difference(people, carries)),
        "item-space projection": ("probe", item_space_projection(made_of.dimensions, carries)),
    }


def _learned(made_of: Candidates, carries: Bools) -> dict[str, tuple[str, Tensor]]:
    """The learned direction, alone and as sums of features and of random directions."""
    if not can_learn(made_of.choosers):
        return {}
    direction = learned_direction(made_of.choosers, carries)

    def written_in(vectors: Tensor) -> Tensor:
        weights = weights_along(direction, vectors, made_of.metric, GROUP_SIZE)
        return torch.from_numpy(weights).to(vectors) @ vectors

    return {
        LEARNED: ("sae", written_in(made_of.features.vectors)),
        "learned direction": ("probe", direction),
        "30 random, learned": ("control", written_in(made_of.random.vectors)),
    }


def _unit_effect(made_of: Candidates, vector: Tensor, carries: Bools) -> Tensor:
    """The vector [d_model] at the length at which it adds 1 to scores of the attribute's items.

    Beside what it adds to other items; by least squares, items weighted by probability.
    """
    some = made_of.choosers.part(torch.arange(min(EFFECT_USERS, len(made_of.choosers.items))))
    short = torch.nn.functional.normalize(vector, dim=0) * 0.1 * made_of.norm
    design, wanted = least_squares(effects(some, short[None], carries[:, None]), carries)
    slope = float(design[:, 0] @ wanted) / max(float(wanted @ wanted), 1e-12)
    return short / max(slope, 1e-3)


def fixed_shift(
    name: str, kind: str, people: Audience, vector: Tensor, norm: float, steps: tuple[float, ...]
) -> Rival:
    """The same shift for everyone: `vector` [d_model] at a length in units of `norm`."""
    unit = torch.nn.functional.normalize(vector, dim=0) * norm
    return Rival(name, kind, lambda strength: people.slates(strength * unit), steps)


def feature_vectors(run: Run) -> Tensor:
    """Decoder rows of live features at their reference activation [n_live, d_model]."""
    references = torch.tensor([card.reference_activation for card in run.cards.features])
    scaled = run.sae.W_dec.detach() * references.to(run.sae.W_dec)[:, None]
    return scaled[references > 0]

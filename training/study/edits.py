"""Directions that should raise an attribute, in the hidden state's own units.

Whatever an ADD on features does at the last position is a shift by one fixed vector, so that all
edits compare as vectors. Their length is a dial; their direction is what is compared.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.imitation import Effects, imitating_weights, least_squares
from training.study.audience import Audience

RIDGE = 1e-3
"""Of the projection on the item space, relative to the mean squared effect."""

Bools = npt.NDArray[np.bool_]


def group(measured: Effects, value: int, size: int, *, weighting: str = "effect") -> Tensor:
    """Sum of the vectors with the largest positive effect on a value [d_model].

    Args:
        measured: of the candidates.
        value: column of the attribute value.
        size: most members.
        weighting: `effect`: in proportion to it; `uniform`: alike, each at its dose; `unit`: alike,
            each at norm 1.
    """
    chosen = measured.strongest(value, size)
    vectors = chosen.vectors
    if weighting == "unit":
        vectors = torch.nn.functional.normalize(vectors, dim=1)
    effect = chosen.mass[:, value]
    weights = effect if weighting == "effect" else np.ones(len(effect))
    return torch.from_numpy(weights).to(vectors) @ vectors


def imitation(measured: Effects, carries: Bools) -> Tensor:
    """Non-negative sum of vectors whose effect on the scores is most like the attribute itself.

    A re-rank adds a constant to the score of whatever carries the attribute, and nothing else. This
    is the sum that comes closest by least squares, items weighted by their probability, constants
    over all items left out since they change no slate.

    Args:
        measured: of the candidates.
        carries: [n_items + 1].
    """
    weights = imitating_weights(measured, carries)
    return torch.from_numpy(weights).to(measured.vectors) @ measured.vectors


def item_space_projection(measured: Effects, carries: Bools) -> Tensor:
    """As `imitation`, of any sign and with a small ridge: the re-rank's nearest single direction.

    Args:
        measured: of a basis of the hidden space.
        carries: [n_items + 1].
    """
    design, wanted = least_squares(measured, carries)
    gram = design.T @ design
    gram += RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    weights = np.linalg.solve(gram, design.T @ wanted)
    return torch.from_numpy(weights).to(measured.vectors) @ measured.vectors


def embedding_difference(people: Audience, carries: Bools) -> Tensor:
    """Mean embedding of items with the attribute less that of the others [d_model]."""
    embedding = people.model.item_embedding.weight.detach()[1:]
    carried = torch.from_numpy(carries[1:]).to(embedding.device)
    return embedding[carried].mean(0) - embedding[~carried].mean(0)


def gradients(people: Audience, carries: Bools) -> Tensor:
    """Gradient of the log odds of the attribute by each user's newest hidden state [n, d_model]."""
    shift = torch.zeros_like(people.newest, requires_grad=True)
    mass = torch.softmax(people.scores(shift), dim=1) @ torch.from_numpy(carries).to(shift)
    (found,) = torch.autograd.grad(torch.logit(mass, eps=1e-6).sum(), shift)
    return found


def doses(hidden: Tensor) -> Iterator[Tensor]:
    """Each coordinate at the 99th percentile of its size about its mean, up and down [d_model]."""
    sizes = torch.quantile((hidden - hidden.mean(0)).abs(), 0.99, dim=0)
    yield from torch.diag(sizes)
    yield from -torch.diag(sizes)

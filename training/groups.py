"""Attribute groups: features whose joint effect on the scores is most like a plain re-rank."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model_store.cards import AttributeGroup, FeatureCard, GroupMember
from training.attributes import AttributeTable
from training.config import CardsConfig
from training.imitation import Bools, Effects, Floats, imitating_weights, strongest
from training.sae import Sae


def attribute_groups(
    measured: Effects, table: AttributeTable, config: CardsConfig
) -> tuple[AttributeGroup, ...]:
    """For each attribute value the features that imitate a re-rank, among those that raise it most.

    A value that no feature raises has no group.

    Args:
        measured: of every feature by index, none for a dead one.
        table: the attribute values.
        config: among how many features is chosen, and how many a group may hold.
    """
    groups = []
    for column, value in enumerate(table.values):
        candidates = strongest(measured.mass[:, column], config.group_candidates)
        weights = _weights(measured.of(candidates), column, table.carries[:, column], config)
        if weights.any():
            groups.append(AttributeGroup(attribute=value, members=_members(candidates, weights)))
    return tuple(groups)


def feature_vectors(sae: Sae, cards: Sequence[FeatureCard], dose: float) -> Tensor:
    """What `dose` reference units of each feature add to the hidden state [d_sae, d_model]."""
    references = torch.tensor([card.reference_activation for card in cards])
    return dose * references.to(sae.W_dec)[:, None] * sae.W_dec.detach()


def _weights(candidates: Effects, value: int, carries: Bools, config: CardsConfig) -> Floats:
    """Weights of candidates [n], largest effect first; by effect where nothing imitates.

    Chosen among all, then fitted again among the heaviest: what is left out leaves a gap to fill.
    """
    heaviest = strongest(imitating_weights(candidates, carries), config.group_size)
    weights = np.zeros(len(candidates.vectors))
    weights[heaviest] = imitating_weights(candidates.of(heaviest), carries)
    if not weights.any():
        weights[: config.group_size] = candidates.mass[: config.group_size, value]
    return weights


def _members(features: npt.NDArray[np.int64], weights: Floats) -> tuple[GroupMember, ...]:
    heaviest = strongest(weights, len(weights))
    shares = weights[heaviest] / weights.sum()
    return tuple(
        GroupMember(feature_index=int(feature), weight=float(share))
        for feature, share in zip(features[heaviest], shares, strict=True)
    )

"""Attribute groups: features whose joint effect on the scores is most like a plain re-rank."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model_store.cards import AttributeGroup, FeatureCard, GroupMember
from training.attributes import AttributeTable
from training.config import CardsConfig
from training.imitation import Effects, Floats, imitating_group, strongest
from training.sae import Sae


def attribute_groups(
    measured: Effects, table: AttributeTable, config: CardsConfig
) -> tuple[AttributeGroup, ...]:
    """For each attribute value the features that together imitate a re-rank most closely.

    Only of those that raise it most, each by one reference unit: others would imitate as well, but
    at many times the activation that they ever have. Where none imitates, those that raise it most,
    weighted by that; a value that no feature raises has no group.

    Args:
        measured: of every feature by index, none for a dead one.
        table: the attribute values.
        config: of how many features is chosen, and how many a group may hold.
    """
    groups = []
    for column, value in enumerate(table.values):
        raising = strongest(measured.mass[:, column], config.group_candidates)
        chosen, weights = imitating_group(
            measured.of(raising), table.carries[:, column], config.group_size
        )
        features = raising[chosen]
        if not len(features):
            features = raising[: config.group_size]
            weights = measured.mass[features, column]
        if len(features):
            groups.append(AttributeGroup(attribute=value, members=_members(features, weights)))
    return tuple(groups)


def feature_vectors(sae: Sae, cards: Sequence[FeatureCard], dose: float) -> Tensor:
    """What `dose` reference units of each feature add to the hidden state [d_sae, d_model]."""
    references = torch.tensor([card.reference_activation for card in cards])
    return dose * references.to(sae.W_dec)[:, None] * sae.W_dec.detach()


def _members(features: npt.NDArray[np.int64], weights: Floats) -> tuple[GroupMember, ...]:
    heaviest = strongest(weights, len(weights))
    shares = weights[heaviest] / weights.sum()
    return tuple(
        GroupMember(feature_index=int(feature), weight=float(share))
        for feature, share in zip(features[heaviest], shares, strict=True)
    )

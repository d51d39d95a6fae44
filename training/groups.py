"""Attribute groups: which features carry an attribute, by what adding them does to the scores."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model_store.cards import AttributeGroup, FeatureCard, GroupMember
from training.attributes import AttributeTable
from training.batches import Items, generator, left_padded
from training.config import CardsConfig
from training.progress import Report, silent
from training.sae import Sae
from training.sasrec import Cut, Sasrec

Effects = npt.NDArray[np.float64]


def attribute_groups(
    effects: Effects, cards: Sequence[FeatureCard], table: AttributeTable, config: CardsConfig
) -> tuple[AttributeGroup, ...]:
    """For each attribute value the features with the largest positive effect on it.

    Weights are proportional to the effect. A value that no feature raises has no group.

    Args:
        effects: [d_sae, n_values], from `measured_effects`.
        cards: by feature index; dead features are left out.
        table: the attribute values.
        config: how large a group may be.
    """
    alive = np.array([not card.is_dead for card in cards])[:, None]
    raised = np.where(alive, np.maximum(effects, 0.0), 0.0)
    return tuple(
        AttributeGroup(attribute=value, members=_members(column, config.group_size))
        for value, column in zip(table.values, raised.T, strict=True)
        if column.any()
    )


def _members(effect: Effects, size: int) -> tuple[GroupMember, ...]:
    strongest = [int(f) for f in np.argsort(-effect, kind="stable")[:size] if effect[f] > 0]
    total = effect[strongest].sum()
    return tuple(GroupMember(feature_index=f, weight=float(effect[f] / total)) for f in strongest)


@torch.no_grad()
def measured_effects(
    model: Sasrec,
    sae: Sae,
    block: int,
    histories: Sequence[Items],
    cards: Sequence[FeatureCard],
    table: AttributeTable,
    config: CardsConfig,
    *,
    seed: int,
    report: Report = silent,
) -> Effects:
    """Mean change of each attribute's probability when a feature is raised, [d_sae, n_values].

    Each live feature alone is raised by `effect_dose` reference units at the newest position of
    sampled training histories. An attribute's probability is the softmax mass of its items that
    are not in the history: smooth where a share of a slate moves in jumps.
    """
    device = sae.W_dec.device
    items = _sampled(histories, model.shape.max_seq, config.effect_users, seed).to(device)
    hidden = model.lower(items, Cut(block))
    carries = torch.from_numpy(table.carries).float().to(device)
    before = _mass(model, block, items, hidden, carries)
    effects = np.zeros((len(cards), len(table.values)))
    for card in cards:
        if not card.is_dead:
            raised = hidden.clone()
            dose = config.effect_dose * card.reference_activation
            raised[:, -1] += dose * sae.W_dec[card.feature_index]
            change = _mass(model, block, items, raised, carries) - before
            effects[card.feature_index] = change.double().cpu().numpy()
        report("effects", card.feature_index + 1, len(cards))
    return effects


def _sampled(histories: Sequence[Items], max_seq: int, n_users: int, seed: int) -> Tensor:
    known = [items for items in histories if len(items)]
    drawn = generator(seed, 1).permutation(len(known))[:n_users]
    return left_padded([known[user] for user in drawn], max_seq)


def _mass(model: Sasrec, block: int, items: Tensor, hidden: Tensor, carries: Tensor) -> Tensor:
    """Mean probability of each attribute value among unread items, [n_values]."""
    final = model.upper(hidden, items, Cut(block))[:, -1]
    unread = model.scores(final).scatter(1, items, -torch.inf)
    return (torch.softmax(unread, dim=-1) @ carries).mean(0)

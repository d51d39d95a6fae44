"""Users whose slates are looked at, and what a shift of their hidden states does to them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.batches import Items, left_padded
from training.metrics import ranks
from training.sasrec import Cut, Sasrec

SLATE = 20
K = 10

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Audience:
    """Histories, what the model holds in mind after them, and what came next."""

    model: Sasrec
    """The base model."""
    cut: Cut
    """At the hook point."""
    histories: tuple[Items, ...]
    """Whole histories; none of their items is recommended."""
    targets: npt.NDArray[np.int32]
    """Item index that came next [n]."""
    items: Tensor
    """What the model reads of the histories, int64 [n, seq]."""
    read: Tensor
    """Items of the whole histories, bool [n, n_items + 1]."""
    hidden: Tensor
    """At the hook [n, positions, d_model]."""

    @property
    def newest(self) -> Tensor:
        """Hidden state at the newest position [n, d_model]."""
        return self.hidden[:, -1]

    def scores(self, shift: Tensor | None = None) -> Tensor:
        """Scores [n, n_items + 1] under a shift of the newest position; read items have -inf.

        Args:
            shift: [d_model], or [n, d_model]; None: the model's own.
        """
        hidden = self.hidden
        if shift is not None:
            hidden = torch.cat([hidden[:, :-1], (hidden[:, -1] + shift)[:, None]], dim=1)
        final = self.model.upper(hidden, self.items, self.cut)[:, -1]
        return self.model.scores(final).masked_fill(self.read, -torch.inf)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one set of slates gives each user."""

    shares: Floats
    """Part of the top 20 that carries the attribute [n]."""
    gains: Floats
    """NDCG@10 of the item that came next [n]."""


@torch.no_grad()
def audience(
    model: Sasrec, block: int, histories: Sequence[Items], targets: npt.NDArray[np.int32]
) -> Audience:
    """The histories, read up to the hook after `block`."""
    cut, device = Cut(block), model.item_embedding.weight.device
    items = left_padded(histories, model.shape.max_seq).to(device)
    whole = left_padded(histories, max(map(len, histories))).to(device)
    read = torch.zeros(len(items), model.shape.n_items + 1, dtype=torch.bool, device=device)
    read.scatter_(1, whole, True)
    return Audience(model, cut, tuple(histories), targets, items, read, model.lower(items, cut))


def outcome(scores: Tensor, people: Audience, carries: npt.NDArray[np.bool_]) -> Outcome:
    """Shares and gains of the slates that scores [n, n_items + 1] make.

    Ties for the item that came next: the smaller index first, as served; a slate is never short
    where the catalogue holds 20 unread items.

    Args:
        scores: -inf for what is never shown.
        people: whose slates they are.
        carries: [n_items + 1] by item index.
    """
    slates = scores.topk(SLATE, dim=1).indices.cpu().numpy()
    places = ranks(scores.cpu().numpy(), people.targets, people.histories)
    gains = np.where(places <= K, 1 / np.log2(places + 1.0), 0.0)
    return Outcome(carries[slates].mean(1), gains)

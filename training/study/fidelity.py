"""What an autoencoder is worth: what it reconstructs, what the model keeps, what features mean.

Every autoencoder of a hook is measured on the same positions, users and moments.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.batches import Items, left_padded, length_batches
from training.evaluate import EVALUATION_BATCH, SAE_ROWS, K
from training.metrics import Ranks, ranks
from training.sae import Sae
from training.sasrec import Cut, Sasrec
from training.split import LeaveOneOut
from training.study.separation import roc_aucs

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


class Reconstruction(NamedTuple):
    """How well hidden states are reconstructed, and by how many features."""

    fvu: float
    """Squared error over variance."""
    cosine: float
    """Mean over rows of the cosine of hidden state and reconstruction; 0 for a row of zeros."""
    l0: float
    """Mean number of active features."""
    dead_share: float
    """Share of features that are active on no row."""


@torch.no_grad()
def reconstruction(sae: Sae, hidden: Tensor) -> Reconstruction:
    """Of hidden states [rows, d_model]."""
    error, cosine = 0.0, 0.0
    fired = torch.zeros(sae.shape.d_sae, device=hidden.device)
    for rows in torch.split(hidden, SAE_ROWS):
        activations = sae.encode(rows)
        decoded = sae.decode(activations)
        fired += (activations > 0).sum(0)
        error += float((rows - decoded).square().sum())
        cosine += float(torch.cosine_similarity(rows, decoded).sum())
    variance = float((hidden - hidden.mean(0)).square().sum())
    return Reconstruction(
        fvu=error / max(variance, 1e-12),
        cosine=cosine / len(hidden),
        l0=float(fired.sum()) / len(hidden),
        dead_share=float((fired == 0).float().mean()),
    )


class ReadBatch(NamedTuple):
    """Users of like length, read up to the hook."""

    rows: list[int]
    """Which of the users."""
    items: Tensor
    """[batch, seq]."""
    hidden: Tensor
    """[batch, positions, d_model]."""


@dataclass(frozen=True, eq=False)
class ReadUsers:
    """Validation users at one hook, read once for every autoencoder."""

    model: Sasrec
    """The base model."""
    cut: Cut
    """At the hook."""
    inputs: Sequence[Items]
    """Histories; none of their items is recommended."""
    targets: npt.NDArray[np.int32]
    """The validation items [n]."""
    batches: tuple[ReadBatch, ...]
    """Every user once."""

    @torch.no_grad()
    def ranks(self, sae: Sae | None = None) -> Ranks:
        """Rank of each target [n], with the reconstruction in place of the hidden state."""
        found = np.zeros(len(self.inputs), dtype=np.int64)
        for rows, items, hidden in self.batches:
            read = hidden if sae is None else sae(hidden.flatten(0, 1)).view_as(hidden)
            scores = self.model.scores(self.model.upper(read, items, self.cut)[:, -1])
            histories = [self.inputs[row] for row in rows]
            found[rows] = ranks(scores.float().cpu().numpy(), self.targets[rows], histories)
        return found


@torch.no_grad()
def read_users(model: Sasrec, split: LeaveOneOut, block: int) -> ReadUsers:
    """The validation users at the hook after `block`."""
    cut, inputs = Cut(block), split.validation_inputs
    batches = tuple(_read(model, inputs, cut))
    return ReadUsers(model, cut, inputs, split.validation_targets, batches)


def _read(model: Sasrec, inputs: Sequence[Items], cut: Cut) -> Iterator[ReadBatch]:
    device = model.item_embedding.weight.device
    for rows in length_batches(inputs, EVALUATION_BATCH):
        items = left_padded([inputs[row] for row in rows], model.shape.max_seq).to(device)
        yield ReadBatch(list(rows), items, model.lower(items, cut))


def gains(found: Ranks) -> Floats:
    """NDCG@10 of each user [n]: 1 / log2(rank + 1) within the first ten, else 0."""
    return np.where(found <= K, 1 / np.log2(found + 1.0), 0.0)


class KeptShare(NamedTuple):
    """NDCG@10 kept, with its 95 % interval."""

    share: float
    """Sum of gains over that of the base model's; 0 where the latter is."""
    low: float
    """Of the bootstrap: users drawn with replacement, the same for both sums."""
    high: float
    """Upper end."""


def kept_share(kept: Floats, base: Floats, drawn: Floats) -> KeptShare:
    """What reconstruction keeps.

    Args:
        kept: each user's gain with reconstruction [n].
        base: without it [n].
        drawn: how often each bootstrap draw has each user [draws, n].
    """
    shares = (drawn @ kept) / np.maximum(drawn @ base, 1e-12)
    low, high = np.quantile(shares, [0.025, 0.975])
    share = float(kept.sum() / base.sum()) if base.sum() else 0.0
    return KeptShare(share, float(low), float(high))


def best_separation(activations: npt.NDArray[np.floating], labels: Bools, picks: Bools) -> float:
    """Mean over labels of the best feature's ROC AUC, on rows that did not pick it.

    Ties count one half. A label that all or none of either part's rows carry is left out; one half
    where none is left.

    Args:
        activations: [rows, d_sae].
        labels: [rows, n_labels].
        picks: rows that pick, bool [rows]; whole users.
    """
    told = _varies(labels[picks]) & _varies(labels[~picks])
    if not told.any():
        return 0.5
    best = roc_aucs(activations[picks], labels[picks][:, told]).argmax(0)
    chosen, place = np.unique(best, return_inverse=True)
    scored = roc_aucs(activations[~picks][:, chosen], labels[~picks][:, told])
    return float(scored[place, np.arange(len(place))].mean())


def _varies(labels: Bools) -> Bools:
    return np.asarray(labels.any(0) & ~labels.all(0))

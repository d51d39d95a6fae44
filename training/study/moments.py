"""Moments: sampled beginnings of training histories, and what the model holds in mind there.

Only newest positions are read, because that is what serving reads.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.batches import Items, generator, left_padded
from training.sasrec import Cut, Sasrec

BATCH = 256

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Moments:
    """Beginnings of histories, each followed by one more item of the same training history."""

    users: Int64
    """Whose history it is [rows]."""
    begun: tuple[Items, ...]
    """The items so far, oldest first; at least one."""
    next_items: Int64
    """Item index that came next [rows]."""

    @property
    def last_items(self) -> Int64:
        """Item index read at the newest position [rows]."""
        return np.array([items[-1] for items in self.begun], dtype=np.int64)

    def share(self, carries: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        """Part of each history so far that carries each value [rows, n_values].

        Args:
            carries: [n_items + 1, n_values] by item index.
        """
        return np.array([carries[items].mean(0) for items in self.begun])


def sampled_moments(
    histories: Sequence[Items], *, per_user: int, seed: int, at_most: int | None = None
) -> Moments:
    """At most `per_user` moments of each history, drawn without replacement; by user, then time.

    Args:
        histories: of training.
        per_user: most moments of one history.
        seed: of the draws.
        at_most: most moments together. First `per_user` falls until all histories with so many
            give about as many as that, then single moments are left out at random.
    """
    rng = generator(seed, 4)
    if at_most is not None:
        per_user = min(per_user, max(1, -(-at_most // max(len(histories), 1))))
    places = [
        (user, int(end))
        for user, items in enumerate(histories)
        for end in np.sort(rng.permutation(np.arange(1, len(items)))[:per_user])
    ]
    if at_most is not None and len(places) > at_most:
        places = [places[i] for i in np.sort(rng.permutation(len(places))[:at_most])]
    return Moments(
        users=np.array([user for user, _ in places], dtype=np.int64),
        begun=tuple(histories[user][:end] for user, end in places),
        next_items=np.array([histories[user][end] for user, end in places], dtype=np.int64),
    )


@torch.no_grad()
def newest_hidden(model: Sasrec, begun: Sequence[Items], block: int) -> Tensor:
    """Hidden state at the newest position of each history [rows, d_model], after `block`."""
    device = model.item_embedding.weight.device
    parts = [
        model.lower(left_padded(part, model.shape.max_seq).to(device), Cut(block))[:, -1]
        for part in _parts(begun)
    ]
    return torch.cat(parts)


def _parts(begun: Sequence[Items]) -> Iterator[Sequence[Items]]:
    for start in range(0, len(begun), BATCH):
        yield begun[start : start + BATCH]

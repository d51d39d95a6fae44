"""Interactions and items, checked and indexed: what every later step of training reads."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Item:
    """Something that can be recommended."""

    item_id: str
    """The owner's name for it."""
    title: str
    """What people call it; the item id where the data has no title."""
    attributes: Mapping[str, tuple[str, ...]]
    """Values by attribute name, e.g. `{"genre": ("Comedy", "Horror")}`."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """The histories of all users over one catalogue."""

    name: str
    """What reports and the bundle's manifest call it."""
    items: tuple[Item, ...]
    """The catalogue: `items[i]` has item index `i + 1`; index 0 is padding."""
    user_ids: tuple[str, ...]
    """The owner's names of the users, in order of first appearance."""
    histories: tuple[npt.NDArray[np.int32], ...]
    """Item indices of each user, oldest first."""
    sha256: str
    """Identity of users, items and order as read: see `history_sha256`."""
    notes: tuple[str, ...] = ()
    """What was left out while reading, one sentence each."""

    @property
    def n_items(self) -> int:
        """Size of the catalogue, padding not counted."""
        return len(self.items)

    @property
    def n_interactions(self) -> int:
        """Interactions of all users."""
        return sum(len(history) for history in self.histories)

    def carries(self, name: str, value: str) -> npt.NDArray[np.bool_]:
        """Which items carry `name=value`: bool [n_items + 1], by item index, padding False."""
        carried = [value in item.attributes.get(name, ()) for item in self.items]
        return np.array([False, *carried], dtype=np.bool_)


def history_sha256(
    user_ids: Iterable[str],
    histories: Iterable[npt.NDArray[np.int32]],
    item_ids: Sequence[str],
) -> str:
    """Hex digest of each user's id and item ids in order, independent of titles and attributes.

    Args:
        user_ids: one per history.
        histories: item indices from 1, oldest first.
        item_ids: `item_ids[i]` names item index `i + 1`.
    """
    digest = hashlib.sha256()
    for user_id, history in zip(user_ids, histories, strict=True):
        line = json.dumps([user_id, [item_ids[index - 1] for index in history.tolist()]])
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()

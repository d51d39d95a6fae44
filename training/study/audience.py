"""Users whose slates are looked at, and what a shift of their hidden states does to them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model_store.manifest import EditPositions
from training.batches import Items, left_padded
from training.memory import rows_of_scores
from training.sasrec import Cut, Sasrec
from training.study.outcomes import slates_of

BATCH = 256
"""Users scored at once: whole histories of many users would not fit into the cache."""


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
    excluded: Tensor
    """Items of the whole histories, int64 [n, longest], padding 0."""
    hidden: Tensor
    """At the hook [n, positions, d_model]."""

    @property
    def newest(self) -> Tensor:
        """Hidden state at the newest position [n, d_model]."""
        return self.hidden[:, -1]

    def edited(self, positions: EditPositions) -> Tensor:
        """Hidden state at the positions that an edit touches [n, n_edited, d_model]."""
        return self.hidden if positions is EditPositions.ALL else self.hidden[:, -1:]

    def read(self, rows: Tensor | slice = slice(None)) -> Tensor:
        """Items of the whole histories of users, bool [n_rows, n_items + 1]; padding counts."""
        excluded = self.excluded[rows]
        unread = excluded.new_zeros(len(excluded), self.model.shape.n_items + 1, dtype=torch.bool)
        return unread.scatter_(1, excluded, True)

    def parts(self) -> Iterator[Self]:
        """The users, so many at a time as have scores within `memory.SCORES_BYTES`."""
        places = torch.arange(len(self.items), device=self.items.device)
        yield from map(self.part, torch.split(places, rows_of_scores(self.model.shape.n_items)))

    def part(self, rows: Tensor) -> Self:
        """Some of the users, by row index or mask."""
        chosen = torch.arange(len(self.items))[rows.cpu()]
        return replace(
            self,
            histories=tuple(self.histories[row] for row in chosen.tolist()),
            targets=self.targets[chosen.numpy()],
            items=self.items[rows],
            excluded=self.excluded[rows],
            hidden=self.hidden[rows],
        )

    def final(self, shift: Tensor | None = None) -> Tensor:
        """Final hidden state, normalised [n, d_model], under a shift; see `scores`."""
        hidden = self.hidden
        if shift is not None:
            n_shifted = shift.shape[-2] if shift.ndim == 3 else 1
            moved = hidden[:, -n_shifted:] + (shift[:, None] if shift.ndim == 2 else shift)
            hidden = torch.cat([hidden[:, :-n_shifted], moved], dim=1)
        parts = zip(torch.split(hidden, BATCH), torch.split(self.items, BATCH), strict=True)
        return torch.cat([self.model.upper(h, items, self.cut)[:, -1] for h, items in parts])

    def scores(self, shift: Tensor | None = None) -> Tensor:
        """Scores [n, n_items + 1] under a shift at the hook; read items have -inf.

        Args:
            shift: [d_model] or [n, d_model] at the newest position, [n, n_edited, d_model] at the
                newest n_edited of the hook's; None: the model's own.
        """
        return self._scores(self.final(shift), self.excluded)

    def slates(self, shift: Tensor | None = None) -> Tensor:
        """Best items of each user, int64 [n, 20], under a shift; see `scores`.

        Scores are made for so many users at a time as `memory.SCORES_BYTES` holds.
        """
        rows = rows_of_scores(self.model.shape.n_items)
        parts = zip(
            torch.split(self.final(shift), rows), torch.split(self.excluded, rows), strict=True
        )
        return torch.cat([slates_of(self._scores(*part)) for part in parts])

    def _scores(self, final: Tensor, excluded: Tensor) -> Tensor:
        return self.model.scores(final).scatter_(1, excluded, -torch.inf)


@torch.no_grad()
def audience(
    model: Sasrec, block: int, histories: Sequence[Items], targets: npt.NDArray[np.int32]
) -> Audience:
    """The histories, read up to the hook of `block`."""
    cut, device = Cut(block), model.item_embedding.weight.device
    items = left_padded(histories, model.shape.max_seq).to(device)
    whole = left_padded(histories, max(map(len, histories))).to(device)
    hidden = torch.cat([model.lower(part, cut) for part in torch.split(items, BATCH)])
    return Audience(model, cut, tuple(histories), targets, items, whole, hidden)

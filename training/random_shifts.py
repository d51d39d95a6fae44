"""The control of every dose: random directions whose shift is as long for each user.

Directions are tried once at a grid of lengths; in between, each user's share is interpolated, so
that thousands of doses are compared with directions of exactly their own norm.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from model_store.cards import Band
from training.batches import generator
from training.dosing import Subjects
from training.study.outcomes import Yardstick, shares

NORM_SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0)
"""Lengths of random shifts over the users' mean norm."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RandomShifts:
    """Shares of every attribute under random directions of a grid of lengths."""

    norms: Floats
    """Ascending from 0 [n_norms]."""
    shares: npt.NDArray[np.float16]
    """Part of each user's top 20, [n_directions, n_norms, n, n_values]."""

    def band(self, norms: Floats, value: int) -> Band:
        """Mean, lowest and highest share over directions, each user shifted by a norm of [n]."""
        place = np.clip(
            np.searchsorted(self.norms, norms, side="right") - 1, 0, len(self.norms) - 2
        )
        step = self.norms[place + 1] - self.norms[place]
        part = np.clip((norms - self.norms[place]) / step, 0.0, 1.0)
        users = np.arange(len(norms))
        below = self.shares[:, place, users, value].astype(np.float64)
        above = self.shares[:, place + 1, users, value].astype(np.float64)
        found = (below + part * (above - below)).mean(1)
        return Band(*(round(float(share), 5) for share in (found.mean(), found.min(), found.max())))


@torch.no_grad()
def random_shifts(
    subjects: Subjects, measured_by: Yardstick, n_directions: int, seed: int
) -> RandomShifts:
    """Shares under random directions at every edited position, limits kept.

    Args:
        subjects: the users.
        measured_by: what items are.
        n_directions: drawn, at least one.
        seed: of the draw.
    """
    d_model = subjects.hidden.shape[2]
    drawn = generator(seed, 13).standard_normal((n_directions, d_model))
    directions = torch.nn.functional.normalize(torch.from_numpy(drawn).to(subjects.hidden), dim=1)
    norms = np.array(NORM_SHARES) * float(subjects.hidden[:, -1].norm(dim=1).mean())
    shape = (n_directions, len(norms), subjects.n_users, measured_by.carries.shape[1])
    found = np.zeros(shape, dtype=np.float16)
    for row, direction in enumerate(directions):
        for place, norm in enumerate(norms.tolist()):
            shift = subjects.limited((norm * direction).expand_as(subjects.hidden))
            slates = subjects.people.slates(shift)
            found[row, place] = shares(slates, measured_by.carries).numpy()
    return RandomShifts(norms, found)

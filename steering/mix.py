"""The search for the strengths of several attributes at once.

Shares move together: an item may carry several attributes, and places are few. Each round fits how
counts follow strengths near the best so far, and tries what that says: all strengths at once
(Newton's step, shortened and lengthened), each attribute that is off alone (Gauss-Seidel), and a
few drawn about the best, the same every time, since steps have no slopes.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from steering.lever import Strengths
from steering.target import Band, Counts

Floats64 = NDArray[np.float64]

AXIS_PARTS = (0.4, 1.0, 2.0)
"""First strengths of each attribute alone, in multiples of what its card says."""
JOINT_PARTS = (0.35, 0.6, 1.0, 1.5)
"""The same for all at once."""
STEPS = (0.4, 0.7, 1.0, 1.5)
"""Lengths of Newton's step, in multiples."""
ALONE = (0.5, 1.0, 2.0)
"""The same for one attribute."""
MAX_ALONE = 4
"""Attributes that are tried alone in a round: those farthest off."""
DRAWN = 16
"""Strengths drawn in a round about the best few."""
CENTRES = 4
"""How many the best few are."""
RADIUS = 0.3
"""How far they are drawn at first, in parts of the largest strengths."""
MAX_ROUNDS = 12
PRIOR = 1e-2
"""Weight of the first slopes beside those fitted, per squared part of the largest strengths."""
SHRINK = 0.5
"""What a round without progress does to the reach of steps."""


class SeveralShares:
    """The search for the strengths of several attributes."""

    def __init__(self, bands: Sequence[Band], guesses: Strengths, largest: Strengths) -> None:
        """Make it.

        Args:
            bands: per attribute, numbers of items that count as attained.
            guesses: [attributes] what the cards say of each alone; not 0.
            largest: [attributes] magnitudes beyond which a limit leaves nothing to gain.
        """
        self._wanted = np.array([band.wanted for band in bands])
        self._slack = np.array([band.high - band.wanted for band in bands])
        self._largest = np.maximum(largest, 1e-9)
        self._tried: Strengths = np.zeros((0, len(bands)))
        self._counts: Floats64 = np.zeros((0, len(bands)))
        self._slopes: Floats64 = np.zeros((len(bands), len(bands)))
        self._reach = 1.0
        self._rounds = 0
        self.is_done = False
        """Whether nothing is left to try."""
        self.proposals: Strengths = self._first(np.clip(guesses, -largest, largest))
        """[variants, attributes] what to try next."""

    def _first(self, guesses: Strengths) -> Strengths:
        alone = [part * row for row in np.diag(guesses) for part in AXIS_PARTS]
        joint = [part * guesses for part in JOINT_PARTS]
        return self._fresh([np.zeros(len(guesses)), *alone, *joint])

    def read(self, strengths: Strengths, counts: Counts) -> None:
        """Takes what came of strengths [variants, attributes], and proposes others.

        Args:
            strengths: those tried.
            counts: [variants, attributes] items that carry each attribute.
        """
        before = self._gaps(self._counts).min(initial=np.inf)
        self._tried = np.concatenate([self._tried, strengths])
        self._counts = np.concatenate([self._counts, counts.astype(np.float64)])
        self._rounds += 1
        gaps = self._gaps(self._counts)
        if self._rounds == 1:
            self._slopes = self._slopes_of_axes()
        elif gaps.min() >= before:
            self._reach *= SHRINK
        is_over = gaps.min() <= 0 or self._rounds >= MAX_ROUNDS
        self.proposals = self._tried[:0] if is_over else self._next(int(np.argmin(gaps)))
        self.is_done = not len(self.proposals)

    def _gaps(self, counts: Floats64) -> Floats64:
        """[variants] items off beyond the bands, summed; items off break ties."""
        off = np.abs(counts - self._wanted)
        beyond = np.maximum(off - self._slack, 0).sum(axis=1)
        return np.where(beyond > 0, beyond + 1e-3 * off.sum(axis=1), 0.0)

    def _next(self, best: int) -> Strengths:
        slopes = self._fitted(best)
        off = self._wanted - self._counts[best]
        here = self._tried[best]
        newton = np.linalg.lstsq(slopes, off / self._slack, rcond=1e-2)[0] * self._largest
        tries = [here + self._reach * step * newton for step in STEPS]
        for own in np.argsort(-(np.abs(off) - self._slack), kind="stable")[:MAX_ALONE]:
            if abs(off[own]) > self._slack[own]:
                tries.extend(self._alone(here, int(own), float(off[own]), slopes))
        tries.extend(self._around())
        return self._fresh(tries)

    def _around(self) -> list[Strengths]:
        """Strengths about the best few, drawn the same every time: steps have no slopes."""
        rng = np.random.default_rng(self._rounds)
        gaps = self._gaps(self._counts)
        centres = self._tried[np.argsort(gaps, kind="stable")[:CENTRES]]
        radius = RADIUS * SHRINK ** ((self._rounds - 1) / 6)
        moves = rng.normal(size=(DRAWN, len(self._largest))) * radius * self._largest
        return list(centres[np.arange(DRAWN) % len(centres)] + moves)

    def _alone(self, here: Strengths, own: int, off: float, slopes: Floats64) -> list[Strengths]:
        slope = max(float(slopes[own, own]), 0.25)
        step = off / self._slack[own] / slope * self._largest[own]
        unit = np.eye(len(here))[own]
        return [here + self._reach * part * step * unit for part in ALONE]

    def _fresh(self, tries: Sequence[Strengths]) -> Strengths:
        """Those within the largest strengths that were not tried yet, each once."""
        inside = np.clip(np.array(tries), -self._largest, self._largest)
        known = {row.tobytes() for row in self._tried}
        fresh = {row.tobytes(): row for row in inside if row.tobytes() not in known}
        return np.array(list(fresh.values())).reshape(-1, inside.shape[1])

    def _slopes_of_axes(self) -> Floats64:
        """[attributes, attributes] change of each count, in slacks, by one largest strength."""
        start, slopes = self._counts[0], np.eye(len(self._wanted))
        for own in range(len(self._wanted)):
            only = (self._tried[:, own] != 0) & (np.delete(self._tried, own, 1) == 0).all(axis=1)
            parts = self._tried[only, own] / self._largest[own]
            moved = (self._counts[only] - start) / self._slack
            if len(parts):
                slopes[:, own] = (parts @ moved) / (parts @ parts)
        return slopes

    def _fitted(self, best: int) -> Floats64:
        """The same slopes fitted to what was tried, the nearer the more, drawn to the first."""
        steps = (self._tried - self._tried[best]) / self._largest
        moved = (self._counts - self._counts[best]) / self._slack
        distance = np.linalg.norm(steps, axis=1)
        scale = max(float(np.median(distance)), 1e-9)
        weights = np.exp(-((distance / scale) ** 2))[:, np.newaxis]
        gram = steps.T @ (weights * steps) + PRIOR * scale**2 * np.eye(len(self._wanted))
        pull = steps.T @ (weights * moved) + PRIOR * scale**2 * self._slopes.T
        return np.asarray(np.linalg.solve(gram, pull).T)

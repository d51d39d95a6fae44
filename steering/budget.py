"""How far steering may take a slate, and the search for the largest part of an edit inside.

The unsteered slate itself is always inside, so part 0 always is. The largest part inside is looked
for on a grid first, then between it and the next one on the grid: whether a part is inside need
not be monotone, so the answer is the largest part found, not the end of the first stretch.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steering.space import Floats, Indices

GRID = 8
"""Parts of a first round."""
NARROWED = 7
"""Parts tried between two neighbours in a later round."""
FINEST = 1 / 128
"""Distance of two parts within which no more are tried."""

Parts = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Budget:
    """How far steering may take a slate from the unsteered one."""

    min_overlap: float
    """Least part of the unsteered slate that stays; 0: no bound."""
    min_score_retained: float
    """Least part of its relevance that stays; 0: no bound."""
    at_k: int
    """Length of the slate on which both are counted."""

    def allows(self, kept: "Kept") -> bool:
        """Whether a slate is inside; rounding of the last bits is forgiven."""
        return (
            kept.overlap >= self.min_overlap - 1e-9
            and kept.score_retained >= self.min_score_retained - 1e-6
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """What is left of the unsteered slate."""

    overlap: float
    """Part of it that is still there."""
    score_retained: float
    """Part of its relevance that is still there."""


class Relevance:
    """Compares slates with the unsteered one.

    An item's relevance is its unsteered probability, the softmax of the unsteered scores; its
    denominator is the same for all, so that it cancels.
    """

    def __init__(self, items: Indices, scores: Floats, at_k: int) -> None:
        """Make it.

        Args:
            items: the unsteered slate, best first.
            scores: [n_items + 1] unsteered; -inf for what cannot be recommended.
            at_k: length of the slates that are compared.
        """
        self._at_k = at_k
        self._own = set(items[:at_k].tolist())
        self._scores = scores
        self._best = float(scores[items[0]]) if len(items) else 0.0
        self._total = self._sum(items[:at_k])

    def kept(self, items: Indices) -> Kept:
        """What a slate leaves; an empty unsteered slate is always whole."""
        if not self._own:
            return Kept(1.0, 1.0)
        slate = items[: self._at_k]
        overlap = len(self._own.intersection(slate.tolist())) / len(self._own)
        return Kept(overlap, min(self._sum(slate) / self._total, 1.0))

    def _sum(self, items: Indices) -> float:
        return float(np.exp(self._scores[items].astype(np.float64) - self._best).sum())


class LargestPart:
    """The search for the largest part of an edit inside a budget."""

    def __init__(self, *, is_whole_known: bool = False) -> None:
        """Make it.

        Args:
            is_whole_known: whether the whole edit was tried already, and is outside.
        """
        self._inside: dict[float, bool] = {0.0: True} | ({1.0: False} if is_whole_known else {})
        grid = np.linspace(0, 1, GRID + 1)[1:]
        self.proposals: Parts = grid[:-1] if is_whole_known else grid
        """[variants] parts to try next."""
        self.is_done = False
        """Whether nothing is left to try."""

    def read(self, parts: Parts, is_inside: NDArray[np.bool_]) -> None:
        """Takes which parts are inside, and proposes others.

        Args:
            parts: [variants] those tried.
            is_inside: [variants].
        """
        self._inside.update(zip(parts.tolist(), is_inside.tolist(), strict=True))
        largest = self.largest
        beyond = min((part for part in self._inside if part > largest), default=largest)
        self.is_done = beyond - largest <= FINEST
        ends = np.linspace(largest, beyond, NARROWED + 2)[1:-1]
        self.proposals = ends[:0] if self.is_done else ends

    @property
    def largest(self) -> float:
        """The largest part inside of those tried."""
        return max(part for part, is_inside in self._inside.items() if is_inside)

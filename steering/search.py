"""The search of one history: which part of its edit, and which strengths, answer what was asked.

A search proposes variants of one row (strengths of the target's attributes, and a part of the whole
edit) and reads the slates that came of them. It asks no model: whoever runs the variants of many
rows together hands the slates back (`service.forward`).

With a target: its strengths are solved for first, as if there were no budget; where that lies
outside the budget, the largest part of that edit inside is looked for. So the edit of rules and
target is held back as one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import repeat
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from steering.budget import Budget, Kept, LargestPart, Parts, Relevance
from steering.lever import Lever, Shifts, Strengths
from steering.mix import SeveralShares
from steering.space import Floats, Indices
from steering.target import (
    Aim,
    Band,
    Counts,
    OneShare,
    Target,
    crossing_of,
    joint_refusal,
    reach_of,
    spread,
)

NEAR_LIMIT = 0.8
"""Part of the largest strength from which it is the limit that ends a rise."""


class TargetStatus(Enum):
    """What became of a target; the numbers are the contract's."""

    ATTAINED = 1
    """Every share is within the tolerance."""
    SATURATED = 2
    """More strength changes no more, or is not allowed."""
    LIMITED_BY_BUDGET = 3
    """The budget, or the limit on the whole shift, stopped the edit before."""
    UNREACHABLE = 4
    """No slate can reach them, or the request is not steered."""


class ShareSearch(Protocol):
    """A search for strengths."""

    proposals: Strengths
    """[variants, attributes] what to try next."""
    is_done: bool
    """Whether nothing is left to try."""

    def read(self, strengths: Strengths, counts: Counts) -> None:
        """Takes what came of the strengths, and proposes others."""


class Slates(NamedTuple):
    """What the model says of some variants of one row."""

    items: Indices
    """[variants, places] item indices, best first."""
    scores: Floats
    """[variants, places]; -inf where no item was left."""
    all_scores: Floats | None
    """[variants, n_items + 1]; None: not wanted."""


class Tried(NamedTuple):
    """One variant and what came of it."""

    strengths: Strengths
    """[attributes]."""
    length: float
    """How strong they are together."""
    part: float
    """Of the edit, 0..1."""
    items: Indices
    """[n] the slate."""
    scores: Floats
    """[n]."""
    counts: Counts
    """[attributes] items of the target's slate that carry each."""
    gap: float
    """Items off beyond the bands, summed; 0: attained, or no target."""
    is_clipped: bool
    """Whether the limit on the whole shift cut it."""
    all_scores: Floats | None
    """[n_items + 1]; None: not read."""


@dataclass(frozen=True, eq=False, slots=True)
class Found:
    """The end of a search."""

    steered: Tried
    """What to answer."""
    strengths: Strengths
    """[attributes] of the target, before the budget held the edit back."""
    unsteered: Tried | None
    """Part 0; None: nobody asked."""
    before: Tried | None
    """Presets and rules without the target; None: there is no target."""
    target: TargetStatus | None
    """None: there is no target."""
    kept: Kept | None
    """What is left of the unsteered slate; None: there is no budget."""
    message: str
    """Why the target was not attained; empty: it was, or there is none."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a search is for."""

    target: Target | None
    budget: Budget | None
    needs_unsteered: bool = False
    """Whether the unsteered slate is wanted beside."""

    @property
    def reads_unsteered(self) -> bool:
        """Whether part 0 has to be tried."""
        return self.needs_unsteered or self.budget is not None


class Search:
    """One row's search; `strengths` and `parts` are its next round until `found` is there."""

    def __init__(self, lever: Lever, wanted: Wanted, excluded: Indices) -> None:
        """Make it.

        Args:
            lever: of the row, with one pull for each attribute of the target.
            wanted: what it is for.
            excluded: [m] items that cannot be recommended, each once.
        """
        self._lever = lever
        self._wanted = wanted
        self._tried: list[Tried] = []
        self._unsteered: Tried | None = None
        self._relevance: Relevance | None = None
        self._bands: list[Band] = []
        self._unreachable = ""
        self._shares: ShareSearch | None = None
        self._part: LargestPart | None = None
        self._held: Tried | None = None
        self._inside: list[Tried] = []
        """Parts inside the budget."""
        self.found: Found | None = None
        """The end; None: there is another round."""
        if wanted.target is not None:
            self._begin_target(wanted.target, excluded)
        elif wanted.budget is not None:
            self._part = LargestPart()
        self._propose(is_first=True)

    def _begin_target(self, target: Target, excluded: Indices) -> None:
        aims = target.aims
        places = min(target.at_k, len(aims[0].carriers) - 1 - len(excluded))
        reach = [reach_of(aim, excluded, places) for aim in aims]
        bands = [Band.of(aim.wanted * places, target.tolerance * places) for aim in aims]
        refusals = [
            own.refusal(aim, band, places)
            for own, aim, band in zip(reach, aims, bands, strict=True)
        ]
        if len(aims) > 1 and not any(refusals):
            refusals.append(joint_refusal(aims, bands, excluded, places))
        self._unreachable = "; ".join(filter(None, refusals))
        self._bands = [band.within(*own) for band, own in zip(bands, reach, strict=True)]
        self._largest = self._lever.largest()
        self._shares = _share_search(aims, self._bands, self._largest.strengths)

    @property
    def wants_scores(self) -> bool:
        """Whether every item's score is wanted of this round."""
        return self._wanted.reads_unsteered and self._unsteered is None

    def shifts(self) -> Shifts:
        """What the variants of this round add to the hidden state."""
        shift, is_clipped = self._lever.shifts(self.strengths)
        parts = self.parts.astype(np.float32)[:, np.newaxis, np.newaxis]
        return Shifts(shift * parts, is_clipped)

    def read(self, slates: Slates, is_clipped: NDArray[np.bool_]) -> None:
        """Takes what came of this round; then `found` is there, or there is another round."""
        fresh = self._as_tried(slates, is_clipped)
        if self._unsteered is None and self._wanted.reads_unsteered:
            self._take_unsteered(fresh.pop(0))
        self._tried.extend(fresh)
        if self._part is not None:
            self._read_parts(fresh)
        elif self._shares is not None:
            self._read_shares(self._shares, fresh)
        else:
            self.found = self._end(fresh[0])
        if self.found is None:
            self._propose(is_first=False)

    def _propose(self, *, is_first: bool) -> None:
        n_aims = len(self._bands)
        if self._part is not None:
            held = self._held.strengths if self._held else np.zeros(n_aims)
            self.parts: Parts = self._part.proposals
            """[variants] parts of the edit to try next."""
            self.strengths: Strengths = np.tile(held, (len(self.parts), 1))
            """[variants, attributes] strengths to try next."""
        else:
            shares = self._shares.proposals if self._shares else np.zeros((1, 0))
            self.strengths, self.parts = shares, np.ones(len(shares))
        if is_first and self._wanted.reads_unsteered:
            self.strengths = np.concatenate([np.zeros((1, n_aims)), self.strengths])
            self.parts = np.concatenate([[0.0], self.parts])

    def _as_tried(self, slates: Slates, is_clipped: NDArray[np.bool_]) -> list[Tried]:
        # what is excluded is excluded of every variant, so all slates are equally long
        n = int(np.isfinite(slates.scores[0]).sum())
        items = slates.items[:, :n]
        counts = self._counts(items)
        rows = zip(
            self.strengths,
            np.sqrt((self.strengths**2).sum(axis=1)).tolist(),
            self.parts.tolist(),
            items,
            slates.scores[:, :n],
            counts,
            self._gaps(counts),
            is_clipped.tolist(),
            repeat(None) if slates.all_scores is None else slates.all_scores,
            strict=False,
        )
        return [Tried(*row) for row in rows]

    def _counts(self, items: Indices) -> Counts:
        """[variants, attributes]."""
        target = self._wanted.target
        if target is None:
            return np.zeros((len(items), 0), dtype=np.int64)
        slate = items[:, : target.at_k]
        counts = np.empty((len(items), len(target.aims)), dtype=np.int64)
        for i, aim in enumerate(target.aims):
            counts[:, i] = np.count_nonzero(aim.carriers[slate], axis=1)
        return counts

    def _take_unsteered(self, tried: Tried) -> None:
        self._unsteered = tried
        self._inside.append(tried)
        if self._wanted.budget is not None and tried.all_scores is not None:
            at_k = self._wanted.budget.at_k
            self._relevance = Relevance(tried.items, tried.all_scores, at_k)

    def _read_shares(self, shares: ShareSearch, fresh: list[Tried]) -> None:
        shares.read(self.strengths[-len(fresh) :], np.array([tried.counts for tried in fresh]))
        attained = [tried for tried in self._tried if tried.gap <= 0]
        inside = [tried for tried in attained if self._is_inside(tried)]
        if inside:
            self.found = self._end(min(inside, key=_length))
        elif attained or shares.is_done:
            self._settle(min(attained or self._tried, key=_order))

    def _settle(self, best: Tried) -> None:
        """Ends with the strengths found, or goes on to hold them back."""
        if self._is_inside(best):
            self.found = self._end(best)
        else:
            self._held, self._part = best, LargestPart(is_whole_known=True)

    def _read_parts(self, fresh: list[Tried]) -> None:
        part = self._part
        if part is None:
            return
        is_inside = [self._is_inside(tried) for tried in fresh]
        part.read(np.array([tried.part for tried in fresh]), np.array(is_inside))
        self._inside.extend(tried for tried, own in zip(fresh, is_inside, strict=True) if own)
        if part.is_done:
            attained = [tried for tried in self._inside if self._bands and tried.gap <= 0]
            self.found = self._end(max(attained or self._inside, key=lambda tried: tried.part))

    def _gaps(self, counts: Counts) -> list[float]:
        """[variants]."""
        return [
            sum(
                max(band.low - count, count - band.high, 0.0)
                for band, count in zip(self._bands, row, strict=True)
            )
            for row in counts.tolist()
        ]

    def _is_inside(self, tried: Tried) -> bool:
        budget, relevance = self._wanted.budget, self._relevance
        if budget is None or relevance is None:
            return True
        return budget.allows(relevance.kept(tried.items))

    def _end(self, steered: Tried) -> Found:
        status, message = self._status(steered)
        zero = [tried for tried in self._tried if not tried.length and tried.part == 1]
        return Found(
            steered=steered,
            strengths=self._held.strengths if self._held else steered.strengths,
            unsteered=self._unsteered,
            before=zero[0] if self._bands else None,
            target=status,
            kept=self._relevance.kept(steered.items) if self._relevance else None,
            message=message,
        )

    def _status(self, steered: Tried) -> tuple[TargetStatus | None, str]:
        if self._wanted.target is None:
            return None, ""
        if self._unreachable:
            return TargetStatus.UNREACHABLE, self._unreachable
        if steered.gap <= 0:
            return TargetStatus.ATTAINED, ""
        if steered.part < 1:
            return (
                TargetStatus.LIMITED_BY_BUDGET,
                f"the budget lets {steered.part:.0%} of the edit through",
            )
        if self._is_at_shift_limit(steered):
            return (
                TargetStatus.LIMITED_BY_BUDGET,
                "the limit on the whole shift ends the edit while the share still moves",
            )
        return TargetStatus.SATURATED, "more strength brings the shares no nearer"

    def _is_at_shift_limit(self, steered: Tried) -> bool:
        if steered.is_clipped:
            return True
        if not steered.length:  # nothing came nearer, and the limit cut some that were as near
            return any(tried.is_clipped and tried.gap <= steered.gap for tried in self._tried)
        near = np.abs(steered.strengths) >= NEAR_LIMIT * self._largest.strengths
        return bool((near & self._largest.is_by_shift).any())


def _share_search(aims: Sequence[Aim], bands: Sequence[Band], largest: Strengths) -> ShareSearch:
    if len(aims) == 1:
        start = aims[0].n_carriers / max(len(aims[0].carriers) - 1, 1)
        return OneShare(bands[0], spread(aims[0], float(largest[0]), start), float(largest[0]))
    guesses = [
        crossing_of(aim.curve, aim.wanted) or (most / 8 if aim.wanted else -most / 8)
        for aim, most in zip(aims, largest.tolist(), strict=True)
    ]
    return SeveralShares(bands, np.array(guesses), largest)


def _order(tried: Tried) -> tuple[float, float]:
    """The nearest first, then the gentlest."""
    return tried.gap, tried.length


def _length(tried: Tried) -> float:
    return tried.length

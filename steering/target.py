"""Shares that a slate should reach, and the search for the strength of one attribute.

The share of an attribute is a step function of the strength of its ADD, mostly rising, not always.
The search brackets: baseline and a spread of strengths first, then the part between two strengths
on either side of what is wanted, ever narrower. Where nothing brackets, the whole range is looked
at once, both ways, before it gives up.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steering.lever import Pull, Strengths
from steering.rules import Attribute
from steering.space import Indices

Counts = NDArray[np.int64]

FACTORS = (-0.4, 0.15, 0.3, 0.5, 0.7, 0.9, 1.15, 1.5, 2.0, 2.8)
"""The first spread, in multiples of the strength at which the card has the wanted share.

One lies in the opposite direction: a user may have more of it than is wanted.
"""
DEFAULT_PARTS = (-1 / 16, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""The first spread where there is no card, in parts of the largest strength."""
INSIDE = 5
"""Strengths tried within a bracket in one round."""
WHOLE_RANGE = (32, 12)
"""Strengths tried in the natural direction, and in the other, where nothing brackets."""
LOOKS = 2
"""Rounds about the strengths that came nearest, where nothing brackets even then."""
PEAKS = 6
"""Strengths that such a round looks about."""
FINEST = 1e-4
"""Narrowest bracket worth a round, in parts of the largest strength."""
MAX_ROUNDS = 10


class Curve(NamedTuple):
    """A card's dose-response: share of an attribute by strength of ADD, ascending."""

    strengths: NDArray[np.float64]
    """[n] reference units; empty: not measured."""
    shares: NDArray[np.float64]
    """[n], 0..1."""


@dataclass(frozen=True, eq=False, slots=True)
class Aim:
    """One attribute and the share of it that is wanted."""

    attribute: Attribute
    wanted: float
    """Share, 0..1."""
    pull: Pull
    carriers: NDArray[np.bool_]
    """[n_items + 1] whether an item carries the attribute."""
    n_carriers: int
    """How many do."""
    curve: Curve


@dataclass(frozen=True, eq=False, slots=True)
class Target:
    """Shares that a slate should reach."""

    aims: tuple[Aim, ...]
    """At least one; each attribute once."""
    at_k: int
    """Length of the slate on which shares are counted."""
    tolerance: float
    """How far a share may be off."""


class Band(NamedTuple):
    """Numbers of items that count as attained."""

    low: float
    wanted: float
    high: float

    @classmethod
    def of(cls, wanted: float, slack: float) -> "Band":
        """The band about a number of items."""
        # so that 8 +- 1 takes 9 whatever the rounding of shares
        return cls(wanted - slack - 1e-9, wanted, wanted + slack + 1e-9)

    def within(self, least: int, most: int) -> "Band":
        """The band moved as little as makes a number from least to most part of it."""
        moved = 0.0
        if self.low > most:
            moved = most - self.low - 1e-9
        elif self.high < least:
            moved = least - self.high + 1e-9
        return Band(self.low + moved, self.wanted + moved, self.high + moved)

    def __contains__(self, count: object) -> bool:
        return isinstance(count, int | float) and self.low <= count <= self.high


def spread(aim: Aim, largest: float, start: float) -> list[float]:
    """The strengths of a first round, without 0, each within +-largest.

    Args:
        aim: the attribute and its curve.
        largest: magnitude beyond which a limit leaves nothing to gain.
        start: share from which the wanted one is looked for where there is no curve, 0..1.
    """
    crossing = crossing_of(aim.curve, aim.wanted)
    parts: tuple[float, ...] = FACTORS
    if crossing is None:
        crossing, parts = (largest if aim.wanted >= start else -largest), DEFAULT_PARTS
    return sorted({min(max(part * crossing, -largest), largest) for part in parts} - {0.0})


def crossing_of(curve: Curve, wanted: float) -> float | None:
    """The strength at which the curve has the wanted share; None: there is no curve.

    Beyond the curve's end: as far as its mean slope says, at most four times that end.
    """
    if len(curve.strengths) < 2:
        return None
    own = float(np.interp(0.0, curve.strengths, curve.shares))
    way = 1.0 if wanted >= own else -1.0
    ahead = curve.strengths * way > 0
    if not ahead.any():
        return None
    strengths = np.abs(curve.strengths[ahead])
    order = np.argsort(strengths)
    strengths, moved = strengths[order], way * (curve.shares[ahead][order] - own)
    needed = max(way * (wanted - own), 0.02)
    reached = np.flatnonzero(moved >= needed)
    if not len(reached):
        slope = max(moved[-1], 1e-3) / strengths[-1]
        return way * float(min(needed / slope, 4 * strengths[-1]))
    first = int(reached[0])
    before = (strengths[first - 1], moved[first - 1]) if first else (0.0, 0.0)
    part = (needed - before[1]) / max(moved[first] - before[1], 1e-9)
    return way * float(before[0] + part * (strengths[first] - before[0]))


class OneShare:
    """The search for the strength of one attribute."""

    def __init__(self, band: Band, first: Sequence[float], largest: float) -> None:
        """Make it.

        Args:
            band: numbers of items that count as attained.
            first: strengths of the first round beside 0, each once.
            largest: magnitude beyond which a limit leaves nothing to gain.
        """
        self._band = band
        self._largest = largest
        self._counts: dict[float, int] = {}
        self._was_whole = False
        self._looks_left = LOOKS
        self._rounds = 0
        self.is_done = False
        """Whether nothing is left to try."""
        self.proposals: Strengths = np.array([[0.0], *([strength] for strength in first)])
        """[variants, 1] what to try next."""

    def read(self, strengths: Strengths, counts: Counts) -> None:
        """Takes what came of strengths [variants, 1], and proposes others.

        Args:
            strengths: those tried.
            counts: [variants, 1] items that carry the attribute.
        """
        self._counts.update(zip(strengths[:, 0].tolist(), counts[:, 0].tolist(), strict=True))
        self._rounds += 1
        more = [] if self._is_attained() or self._rounds >= MAX_ROUNDS else self._next()
        self.proposals = np.array(more, dtype=np.float64).reshape(-1, 1)
        self.is_done = not more

    def _is_attained(self) -> bool:
        return any(count in self._band for count in self._counts.values())

    def _next(self) -> list[float]:
        if inside := self._inside_bracket():
            return inside
        if not self._is_edge_known():
            return self._towards_edge()
        if not self._was_whole:
            self._was_whole = True
            return self._whole_range()
        return self._about_nearest()

    def _inside_bracket(self) -> list[float]:
        """Strengths between two neighbours that lie on either side of the band.

        Of several such pairs, the one nearest to 0 that is wide enough to hold more.
        """
        wanted, counts = self._band.wanted, self._counts
        pairs = [
            (near, far)
            for near, far in pairwise(sorted(counts))
            if (counts[near] - wanted) * (counts[far] - wanted) < 0
            and far - near > FINEST * self._largest
        ]
        if not pairs:
            return []
        near, far = min(pairs, key=lambda pair: min(map(abs, pair)))
        return [*map(float, np.linspace(near, far, INSIDE + 2)[1:-1])]

    def _is_edge_known(self) -> bool:
        return self._way() * self._largest in self._counts

    def _way(self) -> float:
        return 1.0 if self._counts[0.0] < self._band.wanted else -1.0

    def _towards_edge(self) -> list[float]:
        """Strengths from the farthest tried to the largest, in equal ratios."""
        edge = self._way() * self._largest
        farthest = max((s * self._way() for s in self._counts), default=0.0)
        start = max(farthest, self._largest / 64)
        between = np.geomspace(start, self._largest, INSIDE + 1)[1:-1].tolist()
        return [*(self._way() * strength for strength in between), edge]

    def _whole_range(self) -> list[float]:
        ahead, back = WHOLE_RANGE
        edge = self._way() * self._largest
        steps = [edge * i / ahead for i in range(1, ahead + 1)]
        others = [-edge * i / back for i in range(1, back + 1)]
        return sorted({*steps, *others} - self._counts.keys())

    def _about_nearest(self) -> list[float]:
        """Strengths on either side of those that came nearest: a peak may be narrow."""
        self._looks_left -= 1
        if self._looks_left < 0:
            return []
        tried = sorted(self._counts)
        gaps = {s: abs(self._counts[s] - self._band.wanted) for s in tried}
        peaks = sorted(range(len(tried)), key=lambda i: (gaps[tried[i]], abs(tried[i])))[:PEAKS]
        starts = {i for i in (*peaks, *(i - 1 for i in peaks)) if 0 <= i < len(tried) - 1}
        around = (np.linspace(tried[i], tried[i + 1], 5)[1:-1].tolist() for i in sorted(starts))
        return sorted({strength for own in around for strength in own} - self._counts.keys())


class Reach(NamedTuple):
    """How many places of a slate can carry an attribute."""

    least: int
    most: int

    def refusal(self, aim: Aim, band: Band, places: int) -> str:
        """Why no slate can be in the band; empty: one may."""
        if self.most < band.low:
            return f"{aim.attribute}: at most {self.most} of {places} recommendable items carry it"
        if self.least > band.high:
            return f"{aim.attribute}: at least {self.least} of {places} places must carry it"
        return ""


def reach_of(aim: Aim, excluded: Indices, places: int) -> Reach:
    """How many places can carry the attribute.

    Args:
        aim: the attribute.
        excluded: [m] items that cannot be recommended, each once.
        places: length of the slate.
    """
    own = aim.n_carriers - int(aim.carriers[excluded].sum())
    others = len(aim.carriers) - 1 - len(excluded) - own
    return Reach(max(0, places - others), min(places, own))


def joint_refusal(
    aims: Sequence[Aim], bands: Sequence[Band], excluded: Indices, places: int
) -> str:
    """Why no slate can be in all bands at once; empty: one may.

    A bound, not a proof: the least that is wanted of all together against what the items that
    carry most of them can give.
    """
    needed = sum(max(math.ceil(band.low), 0) for band in bands)
    carried = np.sum([aim.carriers for aim in aims], axis=0)
    carried[excluded] = 0
    most = int(np.sort(carried)[::-1][:places].sum())
    if most < needed:
        return f"the shares need {needed} attributes on {places} places; items carry at most {most}"
    return ""

"""Where each touched feature of each row of a batch lies in one line of numbers."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from steering.plan import Plan
from steering.space import Indices

Number = TypeVar("Number", bound=np.floating[Any])


class Row(NamedTuple):
    """One history of a batch."""

    plan: Plan
    """The request's."""
    start: int
    """Of its positions among those of all rows."""
    end: int
    """After the last of them."""


class Touched(NamedTuple):
    """The line: row by row, position by position, feature by feature."""

    rows: Sequence[Row]
    widths: list[int]
    """[rows] features that each touches."""
    places: NDArray[np.int64] | None
    """[line] place of each number's feature among those of all rows; None: its own number."""
    own: Indices
    """[all rows' features] row by row."""
    features: Indices
    """[line]."""
    positions: Indices
    """[line] position among those of all rows."""
    ends: list[int]
    """[rows + 1] where each row begins, and the last ends."""
    starts: list[int]
    """[rows + 1] the same in `own`."""
    newest: Indices
    """[rows] the newest position of each."""

    @classmethod
    def by(cls, rows: Sequence[Row]) -> Self:
        """The line of these rows."""
        widths = [len(row.plan.merged.features) for row in rows]
        counts = [row.end - row.start for row in rows]
        own = np.concatenate([row.plan.merged.features for row in rows])
        newest = np.array([row.end - 1 for row in rows])
        starts = [0, *accumulate(widths)]
        if max(counts) == 1:
            positions = newest.repeat(widths)
            return cls(rows, widths, None, own, own, positions, starts, starts, newest)
        places = _places(widths, counts)
        every = np.concatenate([np.arange(row.start, row.end) for row in rows])
        positions = np.repeat(every, np.repeat(widths, counts))
        ends = [0, *accumulate(n * p for n, p in zip(widths, counts, strict=True))]
        return cls(rows, widths, places, own, own[places], positions, ends, starts, newest)

    def spread(self, arrays: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """[line] from one array [features] of each row."""
        own = np.concatenate(arrays)
        return own if self.places is None else own[self.places]

    def of_row(self, line: NDArray[Number], row: int) -> NDArray[Number]:
        """[positions, features] of one row."""
        start, end = self.ends[row : row + 2]
        if self.places is None:
            return line[np.newaxis, start:end]
        own = self.rows[row]
        return line[start:end].reshape(own.end - own.start, self.widths[row])

    def any_position(self, holds: NDArray[np.bool_]) -> list[bool]:
        """Per row, whether something holds at any of its positions [positions of all rows]."""
        if self.places is None:
            flags: list[bool] = holds[self.newest].tolist()
            return flags
        return [bool(holds[row.start : row.end].any()) for row in self.rows]


def _places(widths: Sequence[int], counts: Sequence[int]) -> NDArray[np.int64]:
    starts = [0, *accumulate(widths)]
    return np.concatenate(
        [
            np.tile(np.arange(start, start + width), count)
            for start, width, count in zip(starts, widths, counts, strict=False)
        ]
    )

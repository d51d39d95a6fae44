"""The known name most like a wrong one, found without comparing it to each of them.

Names are compared by the pairs of letters that they share (Dice's coefficient): a list of 256 wrong
names must not take the replica's time from other callers, whatever the bundle's size.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise

MIN_LIKENESS = 0.6
"""Dice's coefficient below which a suggestion would puzzle more than it helps."""


class Nearest:
    """Names, by the pairs of letters in them."""

    def __init__(self, known: Iterable[str]) -> None:
        self._known = list(known)
        self._pairs = [_pairs(name) for name in self._known]
        self._with = defaultdict[str, list[int]](list)
        """Names that hold a pair."""
        for index, pairs in enumerate(self._pairs):
            for pair in pairs:
                self._with[pair].append(index)

    def __len__(self) -> int:
        return len(self._known)

    def to(self, word: str) -> str | None:
        """The name most like the word, blanks and case aside; None: none is like it."""
        own = _pairs(word)
        shared = Counter(index for pair in own for index in self._with.get(pair, ()))
        likeness, found = max(
            (
                (2 * count / (len(own) + len(self._pairs[index])), -index)
                for index, count in shared.items()
            ),
            default=(0.0, 0),
        )
        return self._known[-found] if likeness >= MIN_LIKENESS else None


def _pairs(name: str) -> frozenset[str]:
    folded = "".join(name.split()).casefold()
    return frozenset(map("".join, pairwise(folded)))

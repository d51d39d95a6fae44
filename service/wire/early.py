"""Streams that we ended before their peer did: what it still sends for them is ignored."""

from typing import Final

MAX_EARLY: Final = 4096
"""Streams remembered."""


class EndedFirst:
    """Numbers of such streams."""

    __slots__ = ("_last_forgotten", "_numbers")

    def __init__(self) -> None:
        """There are none."""
        self._numbers: dict[int, None] = {}
        """Oldest first."""
        self._last_forgotten = 0
        """Largest of those that made room for others."""

    def add(self, number: int) -> None:
        """Remembers one."""
        self._numbers[number] = None
        if len(self._numbers) > MAX_EARLY:
            oldest = next(iter(self._numbers))
            del self._numbers[oldest]
            self._last_forgotten = max(self._last_forgotten, oldest)

    def discard(self, number: int) -> None:
        """The peer has ended it too."""
        self._numbers.pop(number, None)

    def __contains__(self, number: int) -> bool:
        """Whether more may come for a stream; true of any below one that was forgotten."""
        return number in self._numbers or number <= self._last_forgotten

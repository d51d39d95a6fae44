"""Bundles that could not be loaded, and when each is tried again."""

import logging
from collections.abc import Callable, Collection
from time import monotonic
from typing import Final, NamedTuple

log = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 10.0
LAST_PAUSE_S: Final = 600.0
"""A bundle whose files do not change is tried again after pauses that double from the first to the
last: a store that failed for a moment heals by itself, and a bad bundle is not read all the time.
"""


class _Refusal(NamedTuple):
    why: str
    identity: str
    """Of the files that were tried."""
    pause_s: float
    """Before the next try."""
    due: float
    """Of the next try, on the clock."""


class RefusedBundles:
    """Versions that could not be loaded."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """None yet; `clock` is in seconds."""
        self._clock = clock
        self._refusals: dict[str, _Refusal] = {}

    def is_due(self, version: str, identity: str) -> bool:
        """Whether a version is to be tried: it never was, its files are others, or the pause is
        over.

        Args:
            version: of the bundle.
            identity: of its files now (`Store.identity`).
        """
        own = self._refusals.get(version)
        return own is None or own.identity != identity or self._clock() >= own.due

    def add(self, version: str, identity: str, why: str) -> bool:
        """Takes a refusal; whether it is new, or for another reason than the one before."""
        before = self._refusals.get(version)
        pause_s = FIRST_PAUSE_S
        if before is not None and before.identity == identity:
            pause_s = min(2 * before.pause_s, LAST_PAUSE_S)
        self._refusals[version] = _Refusal(why, identity, pause_s, self._clock() + pause_s)
        return before is None or before.why != why

    def keep(self, versions: Collection[str]) -> None:
        """Forgets every version but these."""
        self._refusals = {v: own for v, own in self._refusals.items() if v in versions}

    def remove(self, version: str) -> None:
        """Forgets one that could be loaded."""
        self._refusals.pop(version, None)

    def why(self, version: str) -> str:
        """Why the version is refused; empty: it is not."""
        own = self._refusals.get(version)
        return own.why if own is not None else ""

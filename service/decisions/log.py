"""What the service needs of a decision log; the Redis and the file one satisfy it."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from steerrec.v1.decision_pb2 import Decision


class Page(NamedTuple):
    """Some decisions of the log."""

    decisions: Sequence[Decision]
    """Newest first."""
    position: str
    """Where the next page starts after; empty: this was the last."""


class DecisionLog(Protocol):
    """Keeps decisions. Every method raises DecisionLogAway where the log cannot be reached."""

    async def append(self, decision: Decision) -> None:
        """The decision at the end of the log; the oldest may make room for it."""

    async def decision(self, decision_id: str) -> Decision | None:
        """The decision of an id; None: it is not, or no longer, kept."""

    async def page(self, count: int, after: str) -> Page:
        """At most `count` decisions, newest first.

        Args:
            count: 1 or more; fewer come where they would be too large for one message.
            after: a page's `position`; empty: from the newest on.

        Raises:
            InvalidRequest: `after` is no position of this log.
        """

    async def aclose(self) -> None:
        """Gives back what it holds."""


MAX_PAGE_BYTES = 4 * 2**20
"""Stored size after which a page ends: four such fit into the largest message by default."""

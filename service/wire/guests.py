"""Connections of one server: how many may be, and which end because nobody uses them."""

import asyncio
import heapq
import logging
import resource
from collections import Counter
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Final, Protocol

from service.wire.limits import ConnectionLimits, Ending

RESERVED_FILES: Final = 64
"""File descriptors that are kept for all else: Redis, bundles, logs, the metrics page."""
RESERVED_SHARE: Final = 0.125
"""Most of all descriptors that are kept, where there are few."""
EVICTED_SHARE: Final = 0.01
"""Part of the connections that make room at once: looking for the idlest takes a while."""
MOST_LOOK_S: Final = 5.0
LEAST_LOOK_S: Final = 0.01
"""Seconds between two looks at all connections."""
LOG_AGAIN_S: Final = 60.0
"""Pause between two log lines about refused connections."""
LOOKS: Final = 8
"""Looks within the shortest time that is waited for."""


log = logging.getLogger(__name__)


class Guest(Protocol):
    """One connection."""

    address: str
    """Of its peer, without a port."""
    fileno: int
    idle_since: float
    """When it was first seen without a call; on the clock of `monotonic`."""

    @property
    def is_idle(self) -> bool:
        """Whether no call is in progress."""

    def look(self, now: float, limits: ConnectionLimits) -> None:
        """Ends it where nobody has used it for too long."""

    def evict(self) -> None:
        """Ends it at once; no call is in progress."""


class Guests:
    """The connections of one server that it has taken in; used from one event loop."""

    def __init__(self, limits: ConnectionLimits, ended: Callable[[Ending], None]) -> None:
        """There are none yet.

        Args:
            limits: of them.
            ended: is told of each that the server ends.
        """
        self.limits = limits
        self.ended = ended
        self._guests: dict[Guest, None] = {}
        """In the order in which they came."""
        self._by_peer: Counter[str] = Counter()
        self._log_after = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._guests)

    def __iter__(self) -> Iterator[Guest]:
        return iter([*self._guests])

    def refusal(self, guest: Guest) -> tuple[Ending, str] | None:
        """Why a connection that has come cannot stay, for us and for its peer; None: it can."""
        limits = self.limits
        if limits.max_connections and len(self._guests) >= limits.max_connections:
            return Ending.MAX_CONNECTIONS, (
                f"too many connections: {limits.max_connections} are open, as many as may be;"
                " try again later, or raise STEERREC_MAX_CONNECTIONS"
            )
        if limits.max_per_peer and self._by_peer[guest.address] >= limits.max_per_peer:
            return Ending.MAX_PER_PEER, (
                f"too many connections from {guest.address}: {limits.max_per_peer} are open;"
                " share one channel, or raise STEERREC_MAX_CONNECTIONS_PER_PEER"
            )
        lacking = lacking_files(guest.fileno)
        if lacking and not self.make_room(2 * lacking):  # twice: the reserve is free again soon
            return Ending.NO_DESCRIPTOR, (
                "too many connections: no file descriptor is left; try again later, or raise"
                " the limit of open files"
            )
        return None

    def refused(self, why: Ending, told: str) -> None:
        """Counts a connection that cannot stay; the log says so now and then."""
        self.ended(why)
        now = monotonic()
        if now >= self._log_after:
            self._log_after = now + LOG_AGAIN_S
            log.warning("a connection is refused: %s", told)

    def add(self, guest: Guest) -> None:
        """Takes one in."""
        self._guests[guest] = None
        self._by_peer[guest.address] += 1
        if self._timer is None:
            self._look_later()

    def remove(self, guest: Guest) -> None:
        """One has ended; it may have been refused."""
        if guest in self._guests:
            del self._guests[guest]
            self._by_peer[guest.address] -= 1
            if not self._by_peer[guest.address]:
                del self._by_peer[guest.address]

    def make_room(self, least: int = 1) -> bool:
        """Ends the connections that have been idle for longest; whether there were any."""
        count = max(least, int(EVICTED_SHARE * len(self._guests)))
        idle = (guest for guest in self._guests if guest.is_idle)
        idlest = heapq.nsmallest(count, idle, key=lambda guest: guest.idle_since)
        for guest in idlest:
            self.ended(Ending.EVICTED)
            self.remove(guest)
            guest.evict()
        return bool(idlest)

    def close(self) -> None:
        """Looks at nobody any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look_later(self) -> None:
        awaited_s = self.limits.handshake_s
        if self.limits.max_idle_s:
            awaited_s = min(awaited_s, self.limits.max_idle_s)
        pause_s = min(MOST_LOOK_S, max(LEAST_LOOK_S, awaited_s / LOOKS))
        self._timer = asyncio.get_running_loop().call_later(pause_s, self._look)

    def _look(self) -> None:
        now = monotonic()
        for guest in [*self._guests]:
            guest.look(now, self.limits)
        self._timer = None
        if self._guests:
            self._look_later()


def lacking_files(fileno: int) -> int:
    """How many of the descriptors that are kept for all else this one and those below it take.

    The system gives the lowest that is free, so that one this high says that few are left.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 0
    return max(0, fileno + 1 - soft + reserved(soft))


def reserved(soft: int) -> int:
    """Descriptors of so many that are kept for all else."""
    return min(RESERVED_FILES, int(RESERVED_SHARE * soft))

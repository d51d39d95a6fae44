"""What one connection may have us do without an answer: so much at once, and so much a second.

Resets, pings, settings, unknown frames, tiny data and costly header blocks cost their sender next
to nothing. One unit is at most some tens of microseconds of ours. Answers that are read give units
back, so that a client that is served is never stopped by what belongs to its calls.
"""

from collections.abc import Callable
from time import monotonic
from typing import Final

MAX_UNPAID: Final = 10_000
"""Units at once; one more ends the connection."""
UNPAID_WARNED: Final = MAX_UNPAID // 2
"""Units at which the peer is asked to connect anew: one of good will does so and loses nothing."""
FREE_PER_S: Final = 100
"""Units that are forgotten every second."""
BLOCK_UNIT_BYTES: Final = 256
"""Of a header block that has to be decoded: about 40 us in Huffman's code."""
MIN_DATA_BYTES: Final = 64
"""DATA below it costs one unit, unless it ends its request."""
UPDATES_PER_FRAME: Final = 2
"""WINDOW_UPDATEs that one frame of our data may be followed by: its stream's, the connection's."""
MAX_UPDATES_DUE: Final = 10_000
"""WINDOW_UPDATEs that may be saved up."""
MAX_PING_STRIKES: Final = 2
"""Pings too soon that are forgiven, as in gRPC's server (gRFC A8)."""
PING_TOLERANCE: Final = 0.9
"""Part of the least interval that a ping may come early: timers and networks are not exact."""

Clock = Callable[[], float]


class Budget:
    """Units that one connection has spent."""

    __slots__ = (
        *("_clock", "_last_ping", "_min_ping_s", "_sent_before", "_sent_at_ping", "_since"),
        *("_strikes", "_updates", "sent", "spent"),
    )

    def __init__(self, min_ping_s: float = 0.0, clock: Clock = monotonic) -> None:
        """Nothing is spent.

        Args:
            min_ping_s: least seconds between two pings where nothing was sent between; 0: any.
            clock: in seconds.
        """
        self.spent = 0
        """Units; those given back are taken off only where it matters."""
        self.sent = 0
        """Frames of answers that we have sent; each gives back a unit."""
        self._clock = clock
        self._since = clock()
        self._sent_before = 0
        self._updates = 0
        """WINDOW_UPDATEs that followed from what we have sent."""
        self._min_ping_s = PING_TOLERANCE * min_ping_s
        self._last_ping = self._since - self._min_ping_s
        self._sent_at_ping = 0
        self._strikes = 0

    def spend(self, units: int = 1) -> None:
        """Counts work without an answer; `spent` tells whether that is too much."""
        self.spent += units
        if self.spent >= UNPAID_WARNED:
            self._settle()

    def window_update(self) -> None:
        """Counts one that came."""
        due = UPDATES_PER_FRAME * self.sent
        if self._updates < due:
            self._updates = max(self._updates, due - MAX_UPDATES_DUE) + 1
        else:
            self.spend()

    def ping(self, *, has_sent: bool) -> bool:
        """Counts one that came; whether there were too many.

        Args:
            has_sent: whether we have sent headers or window since the last one.
        """
        self.spend()
        now = self._clock()
        is_quiet = not has_sent and self.sent == self._sent_at_ping
        is_early = is_quiet and now - self._last_ping < self._min_ping_s
        self._strikes = self._strikes + 1 if is_early else 0
        self._last_ping, self._sent_at_ping = now, self.sent
        return self._strikes > MAX_PING_STRIKES

    def _settle(self) -> None:
        """Takes off what answers and time give back."""
        whole_s = int(self._clock() - self._since)
        back = FREE_PER_S * whole_s + self.sent - self._sent_before
        self.spent = max(0, self.spent - back)
        self._since += whole_s
        self._sent_before = self.sent

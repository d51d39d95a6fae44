"""Turns of connections that have sent more than is acted upon at once."""

import asyncio
from collections import deque
from typing import Final, Protocol

TURN_WORK: Final = 1024
"""Work of one round over all connections that wait, as `Connection.receive` counts it: some
milliseconds."""
LEAST_WORK: Final = 32
"""Work of one connection's turn, however many wait."""


class Waiter(Protocol):
    """A connection."""

    is_held: bool
    """Whether it has no turn until `go_on`."""

    def hold_back(self) -> None:
        """Ends its turn; sets `is_held`."""

    def take_turn(self) -> None:
        """Acts upon some of what waits; waits again where there is more."""


class Turns:
    """Connections whose bytes wait, each with its turn in every round.

    The loop reads all sockets between two rounds, and a connection that waits is not read from: so
    one that sends little is acted upon at once, whatever others send.
    """

    def __init__(self) -> None:
        """Nobody waits. Used from one event loop."""
        self._waiting: deque[Waiter] = deque()
        self._held: dict[Waiter, bool] = {}
        """Those that are held, and whether they wait."""
        self._is_going = False

    @property
    def work(self) -> int:
        """What one connection may have done at once now."""
        n_waiting = len(self._waiting) + len(self._held)
        return max(LEAST_WORK, TURN_WORK // (1 + n_waiting))

    def wait(self, waiter: Waiter) -> None:
        """Has it go on in its turn."""
        if waiter.is_held:
            self._held[waiter] = True
            return
        self._waiting.append(waiter)
        if not self._is_going:
            self._is_going = True
            asyncio.get_running_loop().call_soon(self._go_round)

    def hold(self, waiter: Waiter) -> None:
        """Gives it no turn before `go_on`: what it sends waits, and soon it cannot send."""
        if not waiter.is_held:
            waiter.hold_back()
            self._held[waiter] = False

    def go_on(self) -> None:
        """Gives turns to all again."""
        held, self._held = self._held, {}
        for waiter, waits in held.items():
            waiter.is_held = False
            if waits:
                self.wait(waiter)

    def _go_round(self) -> None:
        self._is_going = False
        for _ in range(len(self._waiting)):
            waiter = self._waiting.popleft()
            if waiter.is_held:
                self._held[waiter] = True
            else:
                waiter.take_turn()

"""Single questions that wait for the model: callers by turns, each caller's in their order.

A caller is a connection. One that asks thousands of questions at once waits for its own, and not
the others for them.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from model_store.bundle import Bundle

if TYPE_CHECKING:
    from service.lines import Waiting

IsGone = Callable[["Waiting"], bool]


class Callers:
    """What waits, by caller; used from one event loop."""

    def __init__(self) -> None:
        """Nothing waits."""
        self._lines: dict[object, deque[Waiting]] = {}
        """Of each caller with a question here, whose turn it is first."""
        self._count = 0

    def __len__(self) -> int:
        """Questions."""
        return self._count

    def put(self, waiting: "Waiting") -> None:
        """Takes a new question to the end of its caller's line."""
        self._line(waiting).append(waiting)
        self._count += 1

    def put_back(self, waiting: "Waiting") -> None:
        """Takes a question to the head of its caller's line."""
        self._line(waiting).appendleft(waiting)
        self._count += 1

    def ahead_of(self, caller: object) -> int:
        """Questions that a new one of this caller waits for, at most: its own, and of every other
        caller one for each of these and itself."""
        own = len(self._lines.get(caller, ()))
        n_others = len(self._lines) - (own > 0)
        return min(self._count, own + (own + 1) * n_others)

    def is_within_share(self, caller: object, most: int) -> bool:
        """Whether a caller has fewer questions here than its even part of so many."""
        own = len(self._lines.get(caller, ()))
        n_callers = len(self._lines) + (own == 0)
        return own < most // n_callers

    def pop_largest(self) -> "Waiting":
        """Takes out the newest question of the caller with the most."""
        caller = max(self._lines, key=lambda own: len(self._lines[own]))
        newest = self._lines[caller].pop()
        self._forget_if_empty(caller)
        self._count -= 1
        return newest

    def heads(self, is_gone: IsGone) -> "Iterator[Waiting]":
        """The first question of each caller that is still to be asked; others before it leave."""
        for caller, line in [*self._lines.items()]:
            while line and is_gone(line[0]):
                line.popleft()
                self._count -= 1
            if line:
                yield line[0]
            else:
                self._forget_if_empty(caller)

    def take(self, most: int, bundle: Bundle, is_gone: IsGone) -> "list[Waiting]":
        """Up to so many questions of one bundle, even parts of each caller's."""
        taken: list[Waiting] = []
        callers = [*self._lines]
        while callers and len(taken) < most:
            part = -(-(most - len(taken)) // len(callers))
            callers = [
                caller
                for caller in callers
                if len(taken) < most
                and self._take_some(caller, min(part, most - len(taken)), bundle, is_gone, taken)
            ]
        return taken

    def _take_some(
        self, caller: object, most: int, bundle: Bundle, is_gone: IsGone, taken: "list[Waiting]"
    ) -> bool:
        """Takes of one caller, whose next turn is the last then; whether it may have more."""
        line = self._lines.pop(caller)
        before = len(line)
        some = taken_of(line, most, bundle, is_gone)
        self._count -= before - len(line)
        taken += some
        if line:
            self._lines[caller] = line
        return bool(line) and len(some) == most

    def _line(self, waiting: "Waiting") -> "deque[Waiting]":
        caller = waiting.asker.caller
        if (line := self._lines.get(caller)) is None:
            line = self._lines[caller] = deque()
        return line

    def _forget_if_empty(self, caller: object) -> None:
        if not self._lines[caller]:
            del self._lines[caller]


def taken_of(line: "deque[Waiting]", most: int, bundle: Bundle, is_gone: IsGone) -> "list[Waiting]":
    """The first of one bundle, out of the line; those of others keep their places."""
    taken: list[Waiting] = []
    others: list[Waiting] = []
    while line and len(taken) < most:
        own = line.popleft()
        if is_gone(own):
            continue
        (taken if own.bundle is bundle else others).append(own)
    line.extendleft(reversed(others))
    return taken

"""The two lines before the model: single questions, and those of groups (ADR 0014).

Where both wait, a run is half of each; where one line is short, the other gets the rest. Groups
take even parts among themselves, by turns, and so do the callers of single questions.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias, cast

from model_store.bundle import Bundle
from service.callers import Callers, taken_of
from service.forward import Answer, Ongoing, Question
from steering.space import FeatureSpace


class Asker(Protocol):
    """Who waits for answers."""

    @property
    def is_gone(self) -> bool:
        """Whether nobody waits any more."""

    @property
    def caller(self) -> object:
        """Whose question it is, where it has one only; None: not known."""

    @property
    def line(self) -> "deque[Waiting] | None":
        """Its own questions, in order; None: it has one only, in the line of singles."""

    def tell(self, place: int, outcome: Answer | Exception) -> None:
        """Takes what became of the question at this place."""

    def question(self, place: int) -> Question | None:
        """The question that waits here unread, now that its run begins; None: it needs no run, and
        its caller has been told."""


@dataclass(eq=False, slots=True)
class Waiting:
    """One question between its arrival and its answer."""

    bundle: Bundle
    space: FeatureSpace
    question: Question | None
    """As it was asked; None: its asker reads it when its run begins."""
    asker: Asker
    place: int
    """Of the question among its asker's."""
    deadline: float | None
    """On the clock of `time.perf_counter`; None: none."""
    since: float
    """Arrival, on the same clock."""
    ongoing: Ongoing | None = None
    """Between two rounds; None: it is new."""

    def is_read(self) -> bool:
        """Whether there is a question for the run that begins; reads it where nobody has."""
        if self.question is None:
            self.question = self.asker.question(self.place)
        return self.question is not None

    @property
    def asks(self) -> Question | Ongoing:
        """What the next run gets; it has been read."""
        return self.ongoing or cast("Question", self.question)


IsGone: TypeAlias = Callable[[Waiting], bool]
"""Whether a question is not to be asked any more; called once for each that leaves its line."""


class Lines:
    """What waits for the model; used from one event loop."""

    def __init__(self) -> None:
        """Nothing waits."""
        self.singles = Callers()
        """Single questions."""
        self._groups: deque[Asker] = deque()
        """Those that have questions here, whose turn it is first."""
        self.n_grouped = 0
        """Questions of groups."""
        self._odd = 0
        """Who gets the odd place of a run that cannot be halved: 1: groups; by turns."""

    @property
    def n_singles(self) -> int:
        """Single questions."""
        return len(self.singles)

    def __len__(self) -> int:
        return self.n_singles + self.n_grouped

    def put(self, waiting: Waiting) -> None:
        """Takes a new question to the end of its line."""
        line = waiting.asker.line
        if line is None:
            self.singles.put(waiting)
            return
        if not line:
            self._groups.append(waiting.asker)
        line.append(waiting)
        self.n_grouped += 1

    def put_back(self, going: Iterable[Waiting]) -> None:
        """Takes questions of the last run to the head of their lines: they have waited longest."""
        for waiting in reversed([*going]):
            line = waiting.asker.line
            if line is None:
                self.singles.put_back(waiting)
                continue
            if not line:
                self._groups.appendleft(waiting.asker)
            line.appendleft(waiting)
            self.n_grouped += 1

    def drop(self, asker: Asker) -> int:
        """Takes a group out; the number of its questions that waited."""
        line = asker.line
        if not line:
            return 0
        count = len(line)
        line.clear()
        self._groups.remove(asker)
        self.n_grouped -= count
        return count

    def runs_ahead_of(self, caller: object, most: int) -> int:
        """Whole runs of so many questions before a new single one of this caller."""
        ahead = self.singles.ahead_of(caller)
        return min(2 * ahead, ahead + self.n_grouped) // most

    def runs_ahead(self, asker: Asker, most: int) -> int:
        """Whole runs of so many questions before a new one of this asker.

        At least so many, and more where others come meanwhile.
        """
        if asker.line is None:
            return self.runs_ahead_of(asker.caller, most)
        own = len(asker.line)
        ahead = own + sum(min(len(line), own) for line in self._lines() if line is not asker.line)
        return min(2 * ahead, self.n_singles + ahead) // most

    def take(self, most: int, is_gone: IsGone) -> list[Waiting]:
        """The next run's questions, all of one bundle: that of the one that waited longest."""
        heads = [*self.singles.heads(is_gone), *(_head(line, is_gone) for line in self._lines())]
        since = {head.since: head for head in heads if head is not None}
        if not since:
            self._forget_empty()
            return []
        bundle = since[min(since)].bundle
        self._odd ^= 1
        reserved = min(self.n_grouped, (most + self._odd) // 2)
        taken = self.singles.take(most - reserved, bundle, is_gone)
        taken += self._taken_grouped(most - len(taken), bundle, is_gone)
        taken += self.singles.take(most - len(taken), bundle, is_gone)
        self._forget_empty()
        return taken

    def _taken_grouped(self, most: int, bundle: Bundle, is_gone: IsGone) -> list[Waiting]:
        taken: list[Waiting] = []
        lines = [*self._lines()]
        while lines and len(taken) < most:
            part = -(-(most - len(taken)) // len(lines))
            before = len(taken)
            for line in lines:
                taken += taken_of(line, min(part, most - len(taken)), bundle, is_gone)
            if len(taken) == before:
                break
        self._groups.rotate(-1)
        return taken

    def _lines(self) -> Iterator[deque[Waiting]]:
        return (group.line for group in self._groups if group.line is not None)

    def _forget_empty(self) -> None:
        self._groups = deque(group for group in self._groups if group.line)
        self.n_grouped = sum(map(len, self._lines()))


def _head(line: deque[Waiting], is_gone: IsGone) -> Waiting | None:
    """The first that is still to be asked; those before it leave the line."""
    while line:
        own = line.popleft()
        if not is_gone(own):
            line.appendleft(own)
            return own
    return None

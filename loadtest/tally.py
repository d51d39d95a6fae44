"""What came of the calls: statuses first, then how long they took."""

from collections import Counter
from typing import NamedTuple

from loadtest.latencies import Latencies

OK = "OK"
MOST_ERRORS = 20
"""Different error texts kept: one that names its request would fill the memory."""
OTHER_ERRORS = "other errors"


class Answer(NamedTuple):
    """What a call ended with."""

    status: str
    """As ghz spells it: OK, Unavailable, DeadlineExceeded."""
    error: str = ""
    """The error's text; empty: none."""


class Timing(NamedTuple):
    """Three moments of a call, on one clock, in seconds."""

    due: float
    """When it was to be sent."""
    sent: float
    """When it was."""
    ended: float
    """When its answer or error was there."""


class Tally:
    """What came of some calls; adds up with others."""

    def __init__(self) -> None:
        """No call yet."""
        self.statuses: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.dropped = 0
        """Calls that were never sent: as many were in flight as may be."""
        self.answered = 0
        """OK answers that came in its time, whenever their calls were due: the goodput."""
        self.latency = Latencies()
        """From when a call was due, so that waiting for a stalled service counts."""
        self.service = Latencies()
        """From when it was sent."""
        self.lag = Latencies()
        """From when it was due to when it was sent: the generator's own lateness."""

    def record(self, answer: Answer, timing: Timing, *, is_timed: bool) -> None:
        """Takes a call; one that is not timed counts by its status alone."""
        self.statuses[answer.status] += 1
        self.lag.record(timing.sent - timing.due)
        if answer.error:
            is_kept = answer.error in self.errors or len(self.errors) < MOST_ERRORS
            self.errors[answer.error if is_kept else OTHER_ERRORS] += 1
        if is_timed:
            self.latency.record(timing.ended - timing.due)
            self.service.record(timing.ended - timing.sent)

    def add(self, other: "Tally") -> None:
        """Takes all of another's."""
        self.statuses += other.statuses
        self.errors += other.errors
        self.dropped += other.dropped
        self.answered += other.answered
        for own, theirs in (
            (self.latency, other.latency),
            (self.service, other.service),
            (self.lag, other.lag),
        ):
            own.add(theirs)

    @property
    def count(self) -> int:
        """Calls that ended, with whatever status."""
        return self.statuses.total()

    @property
    def ok_share(self) -> float:
        """Of the calls that ended or were dropped; 0: there were none."""
        asked = self.count + self.dropped
        return self.statuses[OK] / asked if asked else 0.0


def sum_of(tallies: list[Tally]) -> Tally:
    """All of them as one."""
    whole = Tally()
    for tally in tallies:
        whole.add(tally)
    return whole

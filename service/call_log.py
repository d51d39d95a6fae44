"""Log lines of refused calls: one each under the call's id, so many in a span of time."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from time import perf_counter
from typing import Final

from service.request_id import named_by
from service.status import UNKNOWN, answer_to, answer_to_kind

MOST_LINES: Final = 50
SPAN_S: Final = 10.0
"""In each span so many refusals are logged, and the others counted: a flood of them neither fills
a disk nor takes the time of those who are answered."""
MAX_TEXT: Final = 300
"""Characters of a refusal's sentence in the log; its caller gets more."""

log = logging.getLogger(__name__)


class CallLog:
    """Logs refusals; used from one event loop."""

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        """Nothing is logged yet; `clock` is in seconds, and that of the calls' beginnings."""
        self._clock = clock
        self._span_ends = 0.0
        self._lines = 0
        """In this span."""
        self._left_out: Counter[type[Exception]] = Counter()

    def refused(
        self, method: str, error: Exception, request_id: str, began: float | None = None
    ) -> None:
        """Logs a refusal, or counts it. A fault of ours is logged with its cause elsewhere.

        Args:
            method: path of the call's method.
            error: what the caller was told.
            request_id: as the caller was told.
            began: when the call did, on the clock; None: it is one request of many.
        """
        now = self._clock()
        if now >= self._span_ends:
            self._begin_span(now)
        if self._lines >= MOST_LINES:
            self._leave_out(error)
            return
        answer = answer_to(error)
        if answer is UNKNOWN or not log.isEnabledFor(logging.INFO):
            return
        self._lines += 1
        facts = {"method": method, "code": answer.code.name, "reason": answer.reason}
        took = ""
        if began is not None:
            facts["duration_ms"] = f"{1000 * (now - began):.1f}"
            took = f" after {facts['duration_ms']} ms"
        with named_by(request_id):
            log.info(
                "refused: %s %s %s%s: %s",
                *(method, answer.code.name, answer.reason, took, str(error)[:MAX_TEXT]),
                extra={"facts": facts},
            )

    def _leave_out(self, error: Exception) -> None:
        if not self._left_out:
            left_s = self._span_ends - self._clock()
            asyncio.get_running_loop().call_later(max(0.0, left_s), self._tell_left_out)
        self._left_out[type(error)] += 1

    def _begin_span(self, now: float) -> None:
        self._tell_left_out()
        self._span_ends, self._lines = now + SPAN_S, 0

    def _tell_left_out(self) -> None:
        """Logs how many were not, once."""
        if not self._left_out:
            return
        counts: Counter[str] = Counter()
        for kind, count in self._left_out.items():
            counts[answer_to_kind(kind).reason] += count
        self._left_out.clear()
        log.info(
            "%d more refused calls within %g s are not in the log: %s",
            *(counts.total(), SPAN_S),
            ", ".join(f"{count} {reason}" for reason, count in counts.most_common()),
        )

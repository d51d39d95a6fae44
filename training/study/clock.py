"""How long a study still takes: from seconds that were measured, else from written weights."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass


@dataclass
class _Step:
    """A step of the running part, since its first news."""

    began: float
    done_then: float
    done: float
    left_s: float = 0.0
    told: float = 0.0
    """When `left_s` was right."""


class Clock:
    """Time left of a study whose parts run one after the other.

    A part that was measured before is expected to take as long again; any other takes its weight,
    times the mean ratio of seconds to weight of the parts that were measured. Parts that mostly
    train say nothing about that ratio: what an earlier run trained costs them nothing.
    """

    def __init__(
        self,
        weights_s: Mapping[str, float],
        measured_s: Mapping[str, float],
        training: Collection[str] = (),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing runs yet.

        Args:
            weights_s: seconds that each part is supposed to take, in order.
            measured_s: seconds that some of them took in an earlier run.
            training: parts that mostly train.
            now: seconds since any moment.
        """
        self._weights_s = weights_s
        self._measured_s = dict(measured_s)
        self._training = training
        self._now = now
        self._waiting = list(weights_s)
        self._done_s = 0.0
        self._running: str | None = None
        self._began = 0.0
        self._steps: dict[str, _Step] = {}

    @property
    def elapsed_s(self) -> float:
        """Of the running part."""
        return self._now() - self._began if self._running else 0.0

    def start(self, part: str) -> None:
        """The part runs from now on."""
        self._running, self._began, self._steps = part, self._now(), {}

    def news(self, step: str, done: float, total: int) -> None:
        """`done` of `total` units of a step of the running part are done."""
        now, known = self._now(), self._steps.get(step)
        if known is None or done < known.done:  # fewer done than before: the step came again
            known = self._steps[step] = _Step(now, done, done)
        known.done, known.told = done, now
        since = done - known.done_then
        known.left_s = (now - known.began) / since * (total - done) if since > 0 else 0.0

    def finish(self, part: str, seconds: float | None = None) -> None:
        """The part is done; `seconds` is what it took if it ran just now."""
        if seconds is not None:
            self._measured_s[part] = seconds
            self._done_s += seconds
        self._waiting.remove(part)
        self._running, self._steps = None, {}

    def left_s(self) -> float:
        """Seconds until all parts are done."""
        waiting = sum(self._expected_s(part) for part in self._waiting if part != self._running)
        return waiting + self._running_left_s()

    def done_share(self) -> float:
        """Part of this run that is done by the same estimate, 0..1."""
        done_s, left_s = self._done_s + self.elapsed_s, self.left_s()
        return done_s / (done_s + left_s) if done_s + left_s else 1.0

    def _running_left_s(self) -> float:
        if self._running is None:
            return 0.0
        now = self._now()
        steps_left_s = [step.left_s - (now - step.told) for step in self._steps.values()]
        return max(self._expected_s(self._running) - self.elapsed_s, *steps_left_s, 0.0)

    def _expected_s(self, part: str) -> float:
        if part in self._measured_s:
            return self._measured_s[part]
        known = [n for n in self._measured_s if n in self._weights_s and n not in self._training]
        weight_s = sum(self._weights_s[name] for name in known)
        ratio = sum(self._measured_s[name] for name in known) / weight_s if weight_s else 1.0
        return self._weights_s[part] * ratio


def in_words(seconds: float) -> str:
    """A length of time as people say it: `40 s`, `7 min`, `2 h 05 min`."""
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"

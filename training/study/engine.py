"""Runs the parts of a study that are wanted and not done yet, and says how it goes."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from training.code_commit import code_commit
from training.study.clock import Clock
from training.study.machine import machine
from training.study.parts import AnyPart, Subject
from training.study.stages import Record, Shelf

NOTED_EVERY_S = 15.0
"""Seconds between notes of what a running part has taken: a kill loses no more."""

AnyRecord = Record[Any]


class Listener(Protocol):
    """Hears how a study goes."""

    def began(self, part: str) -> None:
        """The part runs from now on."""

    def step(self, step: str, done: float, total: int, note: str = "") -> None:
        """`done` of `total` units of a step of the running part are done."""

    def ended(self, part: str, seconds: float) -> None:
        """The part is done."""

    def kept(self, part: str) -> None:
        """The part was done by an earlier run."""


class Engine:
    """The parts of one study, one after the other."""

    def __init__(self, shelf: Shelf, clock: Clock, listener: Listener) -> None:
        """Nothing runs yet.

        Args:
            shelf: where results are kept.
            clock: told how it goes, so that it knows the time left.
            listener: told the same.
        """
        self._shelf = shelf
        self._clock = clock
        self._listener = listener
        self._running: tuple[str, str, float] | None = None
        self._noted = 0.0

    def records(
        self, parts: Sequence[AnyPart], wanted: Sequence[str], subject: Subject
    ) -> Mapping[str, AnyRecord]:
        """The results that there are, by part, when those wanted are made.

        Args:
            parts: all, in order; a part may have the subject select an SAE for those after it.
            wanted: names of those that are made unless they are there.
            subject: what is studied.
        """
        found: dict[str, AnyRecord] = {}
        for part in parts:
            record = self._record(part, subject, is_wanted=part.name in wanted)
            if record is not None:
                found[part.name] = record
                part.after(record.result, subject)
        return found

    def report(self, step: str, done: float, total: int, note: str = "") -> None:
        """Takes the news of a step: the subject's runs and the parts report here."""
        self._clock.news(step, done, total)
        self._listener.step(step, done, total, note)
        if time.monotonic() - self._noted > NOTED_EVERY_S:
            self._note_spent()

    def _record(self, part: AnyPart, subject: Subject, *, is_wanted: bool) -> AnyRecord | None:
        key = part.key(subject)
        record = self._shelf.read(part.name, key, part.result)
        if record is not None:
            self._listener.kept(part.name)
        elif is_wanted:
            return self._made(part, key, subject)
        self._clock.finish(part.name)
        return record

    def _made(self, part: AnyPart, key: str, subject: Subject) -> AnyRecord:
        with self._timed(part.name, key):
            result = part.make(subject, self.report)
            seconds = self._spent_s()
        record = Record(part.name, round(seconds, 1), code_commit(), machine(), result)
        self._shelf.write(key, record)
        self._clock.finish(part.name, seconds)
        self._listener.ended(part.name, seconds)
        return record

    @contextmanager
    def _timed(self, part: str, key: str) -> Iterator[None]:
        self._running = (part, key, time.monotonic() - self._shelf.spent_s(part, key))
        self._clock.start(part)
        self._listener.began(part)
        try:
            yield
        except BaseException:
            self._note_spent()
            raise
        finally:
            self._running = None

    def _spent_s(self) -> float:
        return 0.0 if self._running is None else time.monotonic() - self._running[2]

    def _note_spent(self) -> None:
        if self._running is not None:
            part, key, _ = self._running
            self._shelf.write_spent(part, key, self._spent_s())
            self._noted = time.monotonic()

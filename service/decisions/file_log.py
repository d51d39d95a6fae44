"""Decisions in a file: JSON, a line each, rotated by size."""

import asyncio
import fcntl
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import dropwhile
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TypeVar

from steerrec.v1.decision_pb2 import Decision

from model_store.causes import cause_of
from service.decisions.log import MAX_PAGE_BYTES, Page
from service.decisions.record import from_json, to_json
from service.errors import DecisionLogAway, DecisionUnreadable, SettingsRefused

OLDER_FILES = 4
"""Rotated files that are kept beside the one that is written."""
Result = TypeVar("Result")

log = logging.getLogger(__name__)


class FileLog:
    """Satisfies `DecisionLog`; of one replica alone."""

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        """Opens the file, or makes it.

        Args:
            path: of the file that is written; rotated ones are `path.1`, the newest, and so on.
            max_bytes: size after which a file is rotated.

        Raises:
            SettingsRefused: it cannot be written, or another replica writes it.
        """
        self._path = path
        self._turn = asyncio.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with ExitStack() as opened:
                lock = path.with_name(f"{path.name}.lock")
                fcntl.flock(opened.enter_context(lock.open("ab")), fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._lines = _Lines(
                    path, maxBytes=max_bytes, backupCount=OLDER_FILES, encoding="utf-8"
                )
                opened.callback(self._lines.close)
                self._opened = opened.pop_all()
        except BlockingIOError:
            raise SettingsRefused(
                [f"STEERREC_DECISION_LOG: {path} is written by another replica; give each its own"]
            ) from None
        except OSError as error:
            raise SettingsRefused(
                [f"STEERREC_DECISION_LOG: {path} cannot be written: {cause_of(error)}"]
            ) from error

    async def append(self, decision: Decision) -> None:
        """See DecisionLog."""
        await self._in_turn(lambda: self._lines.write(to_json(decision)))

    async def decision(self, decision_id: str) -> Decision | None:
        """See DecisionLog."""
        return await self._in_turn(lambda: self._found(decision_id))

    async def page(self, count: int, after: str) -> Page:
        """See DecisionLog. A position is the id of the last decision."""
        return await self._in_turn(lambda: self._page(count, after))

    async def aclose(self) -> None:
        """See DecisionLog."""
        self._opened.close()

    async def _in_turn(self, work: Callable[[], Result]) -> Result:
        """What `work` gives, in a thread, one at a time: a rotation would move files under it.

        Raises:
            DecisionLogAway: the file system refused.
        """
        async with self._turn:
            try:
                return await asyncio.to_thread(work)
            except OSError as error:
                raise DecisionLogAway(error) from error

    def _found(self, decision_id: str) -> Decision | None:
        lines = (line for line in self._newest_first() if _is_of(line, decision_id))
        return next((own for line in lines for own in _readable(line)), None)

    def _page(self, count: int, after: str) -> Page:
        lines = self._newest_first()
        if after:
            lines = dropwhile(lambda line: not _is_of(line, after), lines)
            next(lines, None)
        decisions: list[Decision] = []
        size_bytes = 0
        for line in lines:
            if decisions and (len(decisions) == count or size_bytes > MAX_PAGE_BYTES):
                return Page(decisions, decisions[-1].decision_id)
            size_bytes += len(line)
            decisions.extend(_readable(line))
        return Page(decisions, "")

    def _newest_first(self) -> Iterator[str]:
        for number in range(OLDER_FILES + 1):
            path = self._path.with_name(f"{self._path.name}.{number}") if number else self._path
            try:
                yield from reversed(path.read_text(encoding="utf-8").splitlines())
            except FileNotFoundError:
                return


class _Lines(RotatingFileHandler):
    """The library's rotation, for lines that are no log records, and with its errors raised."""

    def write(self, line: str) -> None:
        """The line at the end of the file, which is rotated first where it would grow too large."""
        record = logging.LogRecord("", logging.INFO, "", 0, line, None, None)
        if self.shouldRollover(record):
            self.doRollover()
        self.stream = self.stream or self._open()
        self.stream.write(f"{line}\n")
        self.stream.flush()


def _is_of(line: str, decision_id: str) -> bool:
    """Whether the line holds the decision of this id, which is its first field."""
    return line.startswith(f'{{"decision_id": "{decision_id}"')


def _readable(line: str) -> Iterator[Decision]:
    """The decision of a line, or nothing where this version cannot read it."""
    try:
        yield from_json(line)
    except DecisionUnreadable as unreadable:
        log.warning("%s", unreadable)

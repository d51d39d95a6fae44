"""Results of a study's parts, kept on disk: a study that was killed goes on where it stopped.

Each result is one JSON file under a fingerprint of what it depends on, so that a changed setting
redoes only what depends on it, and what was there before is still there when it is changed back.
"""

import fcntl
import hashlib
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from training.errors import UnusableOutput

PARTS_DIR = "parts"
LOCK_FILE = ".lock"

Result = TypeVar("Result")


@dataclass(frozen=True)
class Record(Generic[Result]):
    """What a part gave, and how it came about."""

    part: str
    """Its name."""
    seconds: float
    """Wall time, that of broken attempts included."""
    code_commit: str
    """Of the code that made it."""
    machine: str
    """That made it."""
    result: Result
    """A frozen dataclass."""


class Shelf:
    """Records of parts in one folder."""

    def __init__(self, out: Path) -> None:
        """Makes the folder.

        Raises:
            UnusableOutput: it cannot be made.
        """
        self._folder = out / PARTS_DIR
        with _told(out):
            self._folder.mkdir(parents=True, exist_ok=True)

    def read(self, part: str, key: str, kind: type[Result]) -> Record[Result] | None:
        """The record of a part; None where it is not there or is of another form.

        Args:
            part: its name.
            key: fingerprint of what its result depends on.
            kind: the result's dataclass.
        """
        path = self._path(part, key)
        try:
            return TypeAdapter(Record[kind]).validate_json(path.read_bytes())  # type: ignore[valid-type]
        except (FileNotFoundError, ValidationError):
            return None

    def write(self, key: str, record: Record[Any]) -> None:
        """Keeps a record, whole or not at all."""
        write_whole(self._path(record.part, key), json.dumps(asdict(record), indent=1))
        self._spent_path(record.part, key).unlink(missing_ok=True)

    def spent_s(self, part: str, key: str) -> float:
        """Seconds that broken attempts took."""
        path = self._spent_path(part, key)
        return float(path.read_text()) if path.exists() else 0.0

    def write_spent(self, part: str, key: str, seconds: float) -> None:
        """Notes what a part has taken so far, in case it is broken off."""
        write_whole(self._spent_path(part, key), f"{seconds:.1f}")

    def newest_s(self, part: str) -> float | None:
        """Seconds of the part's newest record, whatever it depended on; None without one."""
        found = self._folder.glob(f"{part}-*.json")
        newest = max(found, key=lambda path: path.stat().st_mtime, default=None)
        return None if newest is None else float(json.loads(newest.read_bytes())["seconds"])

    def _path(self, part: str, key: str) -> Path:
        return self._folder / f"{part}-{key}.json"

    def _spent_path(self, part: str, key: str) -> Path:
        return self._folder / f"{part}-{key}.spent"


def fingerprint(*parts: object) -> str:
    """16 hex digits that change with any part."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def strict_json(value: object) -> str:
    """A document that any reader takes: what is no finite number is null."""
    return json.dumps(_finite(value), indent=1, allow_nan=False)


def write_whole(path: Path, text: str) -> None:
    """Writes a file beside its place and moves it there: it is whole or absent.

    Raises:
        UnusableOutput: it cannot be written.
    """
    written = path.with_name(f".{path.name}")
    with _told(path):
        written.write_text(text, encoding="utf-8")
        os.replace(written, path)


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Keeps a second study out of the folder.

    Raises:
        UnusableOutput: another one is at work there.
    """
    with _told(out), (out / LOCK_FILE).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UnusableOutput(out, "another study is writing there") from error
        yield


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnusableOutput(path, error.strerror or str(error)) from error


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

"""Results of a study's parts, kept on disk: a study that was killed goes on where it stopped.

Each result is one JSON file under a fingerprint of what it depends on, so that a changed setting
redoes only what depends on it, and what was there before is still there when it is changed back.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from training.storage import replace_text, storage_errors

PARTS_DIR = "parts"
OTHER_OUT = "name another folder with --out"

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
        with storage_errors(out, OTHER_OUT):
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
        """Seconds that broken attempts took; 0 where their file is absent or damaged."""
        try:
            return float(self._spent_path(part, key).read_bytes())
        except (FileNotFoundError, ValueError):
            return 0.0

    def write_spent(self, part: str, key: str, seconds: float) -> None:
        """Notes what a part has taken so far, in case it is broken off."""
        write_whole(self._spent_path(part, key), f"{seconds:.1f}")

    def newest_s(self, part: str) -> float | None:
        """Seconds of the part's newest record, whatever it depended on; None without one."""
        found = self._folder.glob(f"{part}-*.json")
        newest = max(found, key=lambda path: path.stat().st_mtime, default=None)
        try:
            return None if newest is None else float(json.loads(newest.read_bytes())["seconds"])
        except (ValueError, KeyError, TypeError):  # a damaged record, which its part does anew
            return None

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
    """Writes a file that is whole or as it was, whenever the process stops.

    Raises:
        UnusableOutput: it cannot be written.
    """
    with storage_errors(path, OTHER_OUT):
        replace_text(path, text)


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

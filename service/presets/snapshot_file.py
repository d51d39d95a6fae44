"""The last good presets on disk: a restart without Redis still steers.

One line for each preset, so that saving after a change writes most lines as they were, and never
holds the interpreter for long.
"""

import hashlib
import json
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from service.presets.audit import tip_from_text
from service.presets.compiled import StoredPresets
from service.presets.errors import RecordCorrupt
from service.presets.record import Head, PresetRevision, from_json, head_from_json, to_json

SCHEMA = 2
FILE = "presets.json"


class _Line(NamedTuple):
    """What a preset's line was made of, and the line."""

    head: Head
    records: tuple[PresetRevision, ...]
    text: str


class SnapshotFile:
    """The file of one replica."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lines: dict[str, _Line] = {}
        self._saving = threading.Lock()

    def save(self, stored: StoredPresets, saved_at: float) -> None:
        """Replaces the file in one step.

        Args:
            stored: what to keep.
            saved_at: seconds since 1970.
        """
        with self._saving:
            self._save(stored, saved_at)

    def _save(self, stored: StoredPresets, saved_at: float) -> None:
        self._lines = {name: self._line(name, stored) for name in stored.heads}
        first = {
            "schema": SCHEMA,
            "saved_at": saved_at,
            "cursor": stored.cursor,
            "tip": stored.tip.to_text(),
        }
        lines = [json.dumps(first), *(line.text for line in self._lines.values())]
        self._folder.mkdir(parents=True, exist_ok=True)
        fresh = self._folder / f"{FILE}.new"
        with fresh.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in (_digest(lines), *lines))
        os.replace(fresh, self._folder / FILE)

    def load(self) -> tuple[StoredPresets, float] | None:
        """What was saved, and when in seconds since 1970; None: nothing was.

        Raises:
            RecordCorrupt: the file was damaged.
        """
        path = self._folder / FILE
        try:
            digest, *lines = path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return None
        if digest != _digest(lines):
            raise RecordCorrupt(str(path), "its checksum does not fit; delete it")
        first = json.loads(lines[0])
        if first["schema"] != SCHEMA:
            raise RecordCorrupt(str(path), f"schema {first['schema']} is not {SCHEMA}")
        presets = list(_presets(lines[1:]))
        stored = StoredPresets(
            heads={name: head for name, head, _ in presets},
            records={name: records for name, _, records in presets if records},
            cursor=first["cursor"],
            tip=tip_from_text(first["tip"]),
        )
        return stored, float(first["saved_at"])

    def _line(self, name: str, stored: StoredPresets) -> _Line:
        """The preset's line; the one before where nothing of it changed."""
        head, records = stored.heads[name], stored.records.get(name, ())
        before = self._lines.get(name)
        if before is not None and before.records is records and before.head == head:
            return before
        values = {"name": name, "head": head.to_json(), "records": [*map(to_json, records)]}
        return _Line(head, records, json.dumps(values))


def _presets(lines: Iterable[str]) -> Iterator[tuple[str, Head, tuple[PresetRevision, ...]]]:
    for line in lines:
        values = json.loads(line)
        records = tuple(map(from_json, values["records"]))
        yield values["name"], head_from_json(values["head"]), records


def _digest(lines: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode())
        digest.update(b"\n")
    return digest.hexdigest()

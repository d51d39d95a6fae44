"""The last good presets on disk: a restart without Redis still steers."""

import hashlib
import json
import os
from pathlib import Path

from service.presets.compiled import StoredPresets
from service.presets.errors import RecordCorrupt
from service.presets.record import from_json, head_from_json, to_json

SCHEMA = 1
FILE = "presets.json"


def save(folder: Path, stored: StoredPresets, saved_at: float) -> None:
    """Replaces the file in one step.

    Args:
        folder: where it is.
        stored: what to keep.
        saved_at: seconds since 1970.
    """
    body = json.dumps(
        {
            "schema": SCHEMA,
            "saved_at": saved_at,
            "cursor": stored.cursor,
            "heads": {name: head.to_json() for name, head in stored.heads.items()},
            "records": {name: [to_json(r) for r in kept] for name, kept in stored.records.items()},
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"{FILE}.new"
    fresh.write_text(f"{_digest(body)}\n{body}")
    os.replace(fresh, folder / FILE)


def load(folder: Path) -> tuple[StoredPresets, float] | None:
    """What was saved, and when in seconds since 1970; None: nothing was.

    Raises:
        RecordCorrupt: the file was damaged.
    """
    try:
        digest, _, body = (folder / FILE).read_text().partition("\n")
    except FileNotFoundError:
        return None
    if digest != _digest(body):
        raise RecordCorrupt(str(folder / FILE), "its checksum does not fit; delete it")
    values = json.loads(body)
    if values["schema"] != SCHEMA:
        raise RecordCorrupt(str(folder / FILE), f"schema {values['schema']} is not {SCHEMA}")
    heads = {name: head_from_json(text) for name, text in values["heads"].items()}
    records = {name: tuple(map(from_json, kept)) for name, kept in values["records"].items()}
    return StoredPresets(heads, records, values["cursor"]), float(values["saved_at"])


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()

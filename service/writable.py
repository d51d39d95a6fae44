"""Whether the places that a process writes to can be written, asked before it binds a port."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from model_store.causes import cause_of
from service.errors import PlaceUnusable

PROBE_BYTES: Final = 4096
"""What is written to find out: a full disk may still take an empty file."""
NO_FOLDER: Final = "its folder does not exist: make it, or choose another place"
OURS: Final = ("redis", "presets", "presets-*", "bundles")
"""Folders in the data folder that a replica writes to; others may be mounted there, read-only."""


def prepare_folder(setting: str, folder: Path) -> None:
    """Make the folder, and see that it and those of a run before can be written.

    Args:
        setting: variable that names it.
        folder: of what the replica keeps.

    Raises:
        PlaceUnusable: they cannot be; with the cause and what to do.
    """
    with _told(setting, folder):
        folder.mkdir(parents=True, exist_ok=True)
        inner = [path for name in OURS for path in sorted(folder.glob(name)) if path.is_dir()]
    for path in (folder, *inner):
        with _told(setting, path):
            _probe(path)


def prepare_file(setting: str, path: Path) -> None:
    """Remove the file of a run before, and see that a new one can be made.

    Raises:
        PlaceUnusable: it cannot be; with the cause and what to do.
    """
    with _told(setting, path):
        path.unlink(missing_ok=True)
        _probe(path.parent)


def _probe(folder: Path) -> None:
    with tempfile.TemporaryFile(dir=folder, prefix=".probe-") as file:
        file.write(b"\0" * PROBE_BYTES)
        file.flush()


@contextmanager
def _told(setting: str, path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise PlaceUnusable(setting, path, NO_FOLDER) from error
    except OSError as error:
        raise PlaceUnusable(setting, path, cause_of(error)) from error

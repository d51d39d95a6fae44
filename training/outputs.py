"""What a step leaves in its folder, with a record of its digests: damage is found, not loaded."""

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from model_store.files import file_entry
from training.storage import named, replace_file, replace_text, sync_folder

RECORD_SUFFIX: Final = ".record.json"

Writer = Callable[[IO[bytes]], object]
"""What writes a file's contents."""
Writers = Mapping[str, Writer]
"""The same for each file, by name."""
Origins = Mapping[str, str]
"""Digests of the outputs of the steps before, by step."""


class Record(BaseModel):
    """Digests of a step's files, and of what they were made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: dict[str, str]
    """SHA-256 by file name."""
    made_of: dict[str, str]
    """Digest of its files by step."""


class Outputs:
    """The files of one step, in a folder; the record lies beside it.

    Steps done before records were written have none: their files are taken as they are.
    """

    def __init__(self, folder: Path, names: Sequence[str] = ()) -> None:
        """The files of these names; without names, all files of the folder, never without record.

        Args:
            folder: of the step.
            names: of its files; others, such as a checkpoint, may lie beside them.
        """
        self.folder = folder
        self._names = tuple(names)
        self._record_path = folder.with_name(folder.name + RECORD_SUFFIX)

    @property
    def are_there(self) -> bool:
        """Whether the step was done, whatever happened to its files since."""
        if self._names:
            return all((self.folder / name).is_file() for name in self._names)
        return self.folder.is_dir() and self._record_path.is_file()

    def damage(self) -> str | None:
        """The first file that is not as it was written, in words; None: all are."""
        try:
            record = self._record()
        except ValidationError:
            return f"{self._record_path} is damaged"
        if record is None:
            return None
        found = self._digests()
        names = sorted(record.files.keys() | found.keys())
        changed = (name for name in names if record.files.get(name) != found.get(name))
        name = next(changed, None)
        return None if name is None else f"{self.folder / name} is damaged"

    def other_origin(self, made_of: Origins) -> str | None:
        """The step before that has been made anew since, with another result; None: none has."""
        record = self._record()
        known = record.made_of if record else {}
        changed = (step for step in known if made_of.get(step, known[step]) != known[step])
        return next(changed, None)

    def digest(self) -> str | None:
        """Of all files; None where the step is not done, or its files are damaged."""
        if not self.are_there or self.damage():
            return None
        return hashlib.sha256(repr(sorted(self._digests().items())).encode()).hexdigest()

    def keep(self, writers: Writers, made_of: Origins) -> None:
        """Writes the files, each in one step, and their record before them.

        A run that stops in between leaves a step that is not done, or damage: both are made anew.

        Raises:
            OSError: a file cannot be written.
        """
        parts = {name: self.folder / f"{name}.part" for name in writers}
        for name, write in writers.items():
            replace_file(parts[name], write)
        self._write_record({name: _sha256(part) for name, part in parts.items()}, made_of)
        for name, part in parts.items():
            with named(self.folder / name):
                os.replace(part, self.folder / name)
        sync_folder(self.folder)

    def keep_folder(self, written: Path, made_of: Origins) -> None:
        """Puts a folder in place of this one, and writes its record when it is there.

        Raises:
            OSError: it cannot be moved.
        """
        self.remove()
        os.replace(written, self.folder)
        sync_folder(self.folder.parent)
        self._write_record(self._digests(), made_of)

    def remove(self) -> None:
        """Takes the folder away with everything in it, and its record."""
        self._record_path.unlink(missing_ok=True)
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def _record(self) -> Record | None:
        if not self._record_path.exists():
            return None
        return Record.model_validate_json(self._record_path.read_bytes())

    def _write_record(self, files: Mapping[str, str], made_of: Origins) -> None:
        record = Record(files=dict(files), made_of=dict(made_of))
        replace_text(self._record_path, record.model_dump_json(indent=1))

    def _digests(self) -> dict[str, str]:
        paths = [self.folder / name for name in self._names] or sorted(self.folder.iterdir())
        return {path.name: _sha256(path) for path in paths if path.is_file()}


def _sha256(path: Path) -> str:
    return file_entry(path).sha256

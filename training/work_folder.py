"""The folder where a run keeps what each step made: what is damaged there is made anew."""

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from safetensors import SafetensorError

from training.checkpoint import Checkpoint, load_checkpoint
from training.errors import DamagedFile
from training.outputs import Origins, Outputs, Writers
from training.storage import OTHER_WORK_FOLDER, storage_errors

CHECKPOINT_FILE = "checkpoint.pt"
UNREADABLE = (ValueError, KeyError, TypeError, RuntimeError, SafetensorError)
"""What reading a file raises that was damaged before records were written."""

Result = TypeVar("Result")
log = logging.getLogger(__name__)


class Step(NamedTuple):
    """One step of a run."""

    name: str
    """E.g. "base"."""
    key: str
    """Fingerprint of everything that its output depends on."""
    files: tuple[str, ...] = ()
    """Names of its files; none: whatever its folder holds."""
    made_of: "tuple[Step, ...]" = ()
    """Steps whose output it reads."""


class WorkFolder:
    """Outputs of steps by fingerprint. One process at a time: `storage.alone`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def folder(self, step: Step) -> Path:
        """Where the step keeps its output."""
        return self.path / f"{step.name}-{step.key}"

    def has(self, step: Step) -> bool:
        """Whether its files are there; whether they are whole is seen where they are read."""
        return self._outputs(step).are_there

    def made_folder(self, step: Step) -> Path:
        """The same, made if it is not there."""
        folder = self.folder(step)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def kept(
        self, step: Step, make: Callable[[], Writers], read: Callable[[Path], Result]
    ) -> Result:
        """What `read` reads of the step's files, which are made first where they cannot be used.

        Raises:
            UnusableOutput: the folder cannot be read or written.
        """
        with self.errors():
            folder, outputs = self.made_folder(step), self._outputs(step)
            if self._is_usable(step, outputs):
                try:
                    return read(folder)
                except UNREADABLE:
                    _note_anew(step, f"a file of {folder} is damaged")
            writers = make()
            outputs.keep(writers, self._origins(step))
            return read(folder)

    def kept_folder(self, step: Step, write: Callable[[Path], None]) -> Path:
        """The step's folder, filled by `write` where it cannot be used.

        Raises:
            UnusableOutput: the folder cannot be read or written.
        """
        with self.errors():
            outputs = self._outputs(step)
            if not self._is_usable(step, outputs):
                written = self.path / f"{outputs.folder.name}.writing"
                shutil.rmtree(written, ignore_errors=True)
                written.mkdir(parents=True)
                write(written)
                outputs.keep_folder(written, self._origins(step))
        return outputs.folder

    def trained(self, step: Step, train: Callable[[Path], Result]) -> Result:
        """What `train` makes, going on from the step's checkpoint; from the start if it is damaged.

        Args:
            step: whose checkpoint it is.
            train: trains from and to a checkpoint.
        """
        path = self.made_folder(step) / CHECKPOINT_FILE
        try:
            return train(path)
        except DamagedFile as damaged:
            _note_anew(step, f"{path} is damaged ({damaged.reason})")
            path.unlink()
            return train(path)

    def last_state(self, step: Step) -> Checkpoint | None:
        """The step's checkpoint; None where it is gone or damaged."""
        try:
            return load_checkpoint(self.folder(step) / CHECKPOINT_FILE)
        except DamagedFile:
            return None

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turns what the operating system refuses here into a sentence.

        Raises:
            UnusableOutput: in place of any OSError.
        """
        with storage_errors(self.path, OTHER_WORK_FOLDER):
            yield

    def _outputs(self, step: Step) -> Outputs:
        return Outputs(self.folder(step), step.files)

    def _origins(self, step: Step) -> Origins:
        """Digests of the steps that it is made of, as far as they are there and whole."""
        digests = {made_of.name: self._outputs(made_of).digest() for made_of in step.made_of}
        return {name: digest for name, digest in digests.items() if digest is not None}

    def _is_usable(self, step: Step, outputs: Outputs) -> bool:
        """Whether the step is done and can stay; says why where it is done and cannot."""
        if not outputs.are_there:
            return False
        if damage := outputs.damage():
            _note_anew(step, damage)
            return False
        if other := outputs.other_origin(self._origins(step)):
            _note_anew(step, f"{outputs.folder} is of another {other}")
            outputs.remove()
            outputs.folder.mkdir(exist_ok=True)
            return False
        return True


def _note_anew(step: Step, why: str) -> None:
    log.warning("%s: the step %r is made anew", why, step.name)

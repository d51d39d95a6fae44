"""Saving the state of a training loop, so that an interrupted one goes on where it stopped."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import IO, Any

import torch

from training.errors import DamagedFile
from training.storage import replace_file

Checkpoint = dict[str, Any]
"""Tensors, numbers, texts and nested dicts and lists of them."""

UNREADABLE = (UnpicklingError, RuntimeError, ValueError, KeyError, TypeError, EOFError)
"""What reading or taking over a state raises that is not as it was saved."""
DIGEST = b"sha256:"
"""Before the hex digits at the end of a checkpoint: torch does not read its archive's checksums."""
DIGEST_LENGTH = len(DIGEST) + 64


class _Digested:
    """An open file with the digest of what is written to it.

    It remembers why it could not be written, since torch raises an error of its own instead.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.error: OSError | None = None

    def write(self, contents: bytes) -> int:
        """Passes contents on."""
        self.digest.update(contents)
        try:
            return self._file.write(contents)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        """Leaves the contents to whoever opened the file."""


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Replaces the checkpoint in one step: a crash leaves the old one or the new one.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, lambda file: _save(checkpoint, file))


def load_checkpoint(path: Path) -> Checkpoint | None:
    """The checkpoint, on the CPU; None where there is none yet.

    `weights_only` admits tensors and plain values and runs no code from the file.

    Raises:
        DamagedFile: it is not as it was saved.
    """
    if not path.exists():
        return None
    try:
        saved = io.BytesIO(_saved(path.read_bytes()))
        loaded: Checkpoint = torch.load(saved, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise DamagedFile(path, "it is no whole checkpoint") from error
    return loaded


def resume(path: Path | None, restore: Callable[[Checkpoint], None]) -> None:
    """Goes back to the state in the checkpoint, if there is one.

    Args:
        path: of the checkpoint; None: there is none.
        restore: takes a state over.

    Raises:
        DamagedFile: it is not as it was saved, or is the state of another training. What should
            have been restored may be in between.
    """
    if path is None or (state := load_checkpoint(path)) is None:
        return
    try:
        restore(state)
    except UNREADABLE as error:
        raise DamagedFile(path, "it is the state of another training") from error


def _save(checkpoint: Checkpoint, file: IO[bytes]) -> None:
    digested = _Digested(file)
    try:
        torch.save(checkpoint, digested)  # type: ignore[arg-type]
    except RuntimeError:
        if digested.error is not None:
            raise digested.error from None
        raise
    file.write(DIGEST + digested.digest.hexdigest().encode())


def _saved(contents: bytes) -> bytes:
    """What torch saved; checkpoints from before digests were written are taken as they are.

    Raises:
        ValueError: it is not what the digest at its end is of.
    """
    saved, digest = contents[:-DIGEST_LENGTH], contents[-DIGEST_LENGTH:]
    if not digest.startswith(DIGEST):
        return contents
    if digest != DIGEST + hashlib.sha256(saved).hexdigest().encode():
        raise ValueError("not the contents that were saved")
    return saved

"""Labels: names that point to versions, and the versions they pointed to before."""

import re

from model_store.errors import NothingToRollBackTo
from model_store.manifest import Record, VersionName

_LABEL = re.compile(r"[a-z][a-z0-9-]{0,39}")


class Pointer(Record):
    """Contents of `labels/<label>.json`."""

    version: VersionName
    """What the label points to."""
    history: tuple[VersionName, ...] = ()
    """What it pointed to before, newest last."""


def is_label(name: str) -> bool:
    """Whether `name` may be a label: 1 to 40 of a-z, 0-9 and "-", first a letter."""
    return _LABEL.fullmatch(name) is not None


def promoted(pointer: Pointer | None, version: str) -> Pointer:
    """The pointer moved to `version`; the same one where it points there already."""
    if pointer is None:
        return Pointer(version=version)
    if pointer.version == version:
        return pointer
    return Pointer(version=version, history=(*pointer.history, pointer.version))


def rolled_back(pointer: Pointer, label: str) -> Pointer:
    """The pointer moved to the version before; the one it leaves is forgotten.

    Raises:
        NothingToRollBackTo: there was none before.
    """
    if not pointer.history:
        raise NothingToRollBackTo(label, pointer.version)
    return Pointer(version=pointer.history[-1], history=pointer.history[:-1])

"""What the served labels point to, and what keeps them from being followed."""

import logging
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from model_store.errors import ModelStoreError
from model_store.store import Store
from service.settings import PRODUCTION

log = logging.getLogger(__name__)


class Labels(NamedTuple):
    """One look at the labels of a store."""

    versions: Mapping[str, str]
    """Version that each label points to, of those that could be read."""
    faults: Mapping[str, str]
    """Why a label that is served cannot be followed, by label."""
    removed: frozenset[str]
    """Labels that were served and were taken away, while the store is well."""


def labels_of(store: Store, names: Iterable[str], served: Mapping[str, str]) -> Labels:
    """The labels of these names now.

    Where production is gone too, so is the store, or its volume: no label was taken away.

    Args:
        store: is read.
        names: of the labels to serve.
        served: version that each label is served with.
    """
    versions: dict[str, str] = {}
    faults: dict[str, str] = {}
    absent: set[str] = set()
    for name in names:
        try:
            version = store.label(name)
            if version is None:
                absent.add(name)
            elif served.get(name) == version and not store.has(version):
                faults[name] = f"model store {store.shown_root} no longer has bundle {version}"
            else:
                versions[name] = version
        except ModelStoreError as error:
            faults[name] = str(error)
    gone = absent & served.keys()
    if PRODUCTION in absent:
        faults |= {name: _absence(store, name) for name in sorted(gone)}
        gone = set()
    return Labels(versions, faults, frozenset(gone))


def _absence(store: Store, label: str) -> str:
    """Why a label is not there: it alone, or the store altogether."""
    try:
        if not store.is_there():
            return f"model store {store.shown_root} is gone (is its volume mounted?)"
    except ModelStoreError as error:
        return str(error)
    return (
        f"model store {store.shown_root} no longer has the label {label}:"
        f" `steerrec models promote VERSION {label}` sets it again"
    )


class LabelFaults:
    """What keeps labels from being followed; each change is logged once."""

    def __init__(self) -> None:
        self.known: Mapping[str, str] = {}
        """Why, by label, as of the last look."""

    def tell(self, faults: Mapping[str, str]) -> None:
        """Logs what is new, and which labels can be followed again."""
        new = {label: why for label, why in faults.items() if self.known.get(label) != why}
        for why in dict.fromkeys(new.values()):
            labels = ", ".join(label for label in new if new[label] == why)
            log.error("%s cannot be followed, what is served stays: %s", labels, why)
        if over := sorted(self.known.keys() - faults.keys()):
            log.info("%s can be followed again", ", ".join(over))
        self.known = dict(faults)

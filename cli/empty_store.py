"""What is told of a model store where nothing is found in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.bundles import store_errors_told
from cli.errors import NotFound
from model_store.errors import StoreUnreadable
from model_store.store import Store


def found_in(store: Store) -> str:
    """Which store was looked at and what it holds: that it is missing, empty, or how many."""
    try:
        count = len(store.versions())
        what = "is empty" if store.is_there() else "is missing"
    except StoreUnreadable as unreadable:
        return str(unreadable)
    if count:
        return f"model store {_place(store)} holds {count} under other names"
    return f"model store {_place(store)} {'is empty or missing' if _is_remote(store) else what}"


@contextmanager
def store_named(store: Store) -> Iterator[None]:
    """Ends the command with what the store says, and names it where nothing was found.

    Raises:
        NotFound: no such label or version.
        Refused: the store or a bundle is bad.
    """
    try:
        with store_errors_told():
            yield
    except NotFound as missing:
        raise NotFound(f"{missing}; {found_in(store)}; `--store` looks into another") from missing


def _place(store: Store) -> str:
    return store.shown_root if _is_remote(store) else str(Path(store.root).absolute())


def _is_remote(store: Store) -> bool:
    return "://" in store.root

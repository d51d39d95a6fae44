"""The service in this process, or in workers that it starts: its settings, and running it."""

import asyncio
import os
from collections.abc import Coroutine
from typing import Any

from cli.errors import NotFound, Refused, told_as
from model_store.causes import sentence_of
from model_store.errors import BundleMissing, ModelStoreError
from model_store.store import Store
from service.errors import ServiceError, SettingsRefused
from service.settings import Settings, load_settings


def replica_settings(**overrides: object) -> Settings:
    """The service's settings: the environment, and what goes before it.

    Raises:
        Refused: with every unknown name and every value that is not allowed; a blank option is
            none.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    blank = [name for name, value in given.items() if isinstance(value, str) and not value.strip()]
    if blank:
        raise Refused(
            [f"{_option(name)} is blank: give a value, or leave it out" for name in blank]
        )
    with told_as(Refused, SettingsRefused):
        return load_settings(os.environ, **given)


def _option(field: str) -> str:
    """How `steerrec serve` spells the option of a setting."""
    return "--store" if field == "bundles" else f"--{field.replace('_', '-')}"


def run(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        NotFound: nothing is labelled `production`, or what is labelled so is not there.
        Refused: its bundle does not verify, or the replica cannot start.
    """
    with told_as(Refused, ModelStoreError, ServiceError, RuntimeError):
        try:
            asyncio.run(_serving(settings))
        except OSError as error:
            raise Refused(sentence_of(error)) from error
        except BundleMissing as missing:
            remedy = "" if missing.why else f"; {_remedy(settings.store_root)}"
            raise NotFound(f"{missing}{remedy}") from None


def _remedy(root: str) -> str:
    """What to do where a store has no bundle in production."""
    store = Store(root)
    if versions := store.versions():
        return (
            f"model store {store.shown_root} holds {versions[0]}:"
            f" `steerrec models promote {versions[0]}` puts it in production"
        )
    state = "is empty" if store.is_there() else "does not exist (is its volume mounted?)"
    return (
        f"model store {store.shown_root} {state}; STEERREC_BUNDLES or --store names another one,"
        " and `steerrec train` makes one"
    )


def _serving(settings: Settings) -> Coroutine[Any, Any, None]:
    """What serves: the parent of workers loads neither gRPC's server nor a model."""
    if settings.workers > 1:
        from service.workers import serve as serve_workers

        return serve_workers(settings)
    from service.server import serve

    return serve(settings)

"""What tests of several rooms share."""

import pytest

from model_store.store import Store
from tests.bundles import tiny_bundle
from tests.tiny_model import TinyModel


@pytest.fixture(scope="session")
def tiny_model() -> TinyModel:
    """The numpy reference of `tiny_store`'s bundle."""
    return TinyModel()


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory: pytest.TempPathFactory, tiny_model: TinyModel) -> Store:
    """A local store (`tiny_store.root`) whose label `production` points to one small bundle.

    Shared by the whole session: a test that publishes or promotes makes a store of its own.
    """
    folder = tmp_path_factory.mktemp("tiny")
    manifest = tiny_bundle(folder / "bundle", tiny_model)
    store = Store(str(folder / "store"))
    store.publish(folder / "bundle", manifest)
    store.promote("production", manifest.version)
    return store

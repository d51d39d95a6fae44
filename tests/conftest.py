"""What tests of several rooms share."""

from pathlib import Path

import pytest

from model_store.store import Store
from tests.bundles import tiny_bundle
from tests.tiny_model import TinyModel
from tests.trained import trained_store
from training.builtin import load_dataset
from training.dataset import Dataset

CACHE = Path(__file__).parents[1] / ".cache"
"""Kept between test runs, so that ml-100k is fetched once."""


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


@pytest.fixture(scope="session")
def ml100k() -> Dataset:
    """MovieLens-100K as `steerrec train` reads it."""
    return load_dataset("ml-100k", cache=CACHE)


@pytest.fixture(scope="session")
def bundle_dir(ml100k: Dataset) -> Path:
    """Root of a model store whose label `production` is a small bundle trained on ml-100k."""
    return trained_store(ml100k, CACHE)

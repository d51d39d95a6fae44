"""A tiny bundle hooked in each of the three ways, for whoever compares answers."""

import pytest

from model_store.bundle import Bundle
from model_store.store import Store
from service.snapshot import feature_space_of
from steering.space import FeatureSpace
from tests.bundles import tiny_bundle
from tests.tiny_model import TinyModel


@pytest.fixture(
    scope="module", params=[1, 2, 3], ids=["all positions", "last position", "final norm"]
)
def model(request: pytest.FixtureRequest) -> TinyModel:
    """Hooked below the last block (the edit touches all positions), after it, after the norm."""
    return TinyModel(hook_block=request.param)


@pytest.fixture(scope="module")
def bundle(model: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("forward")
    store = Store(str(folder / "store"))
    store.publish(folder / "b", tiny_bundle(folder / "b", model, version="v"))
    return store.load("v")


@pytest.fixture(scope="module")
def space(bundle: Bundle) -> FeatureSpace:
    return feature_space_of(bundle)

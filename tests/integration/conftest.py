"""A running replica in this process: real gRPC, real Redis, real ONNX Runtime, a small bundle."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from steerrec.v1 import (
    decision_pb2_grpc,
    feature_pb2_grpc,
    model_pb2_grpc,
    preset_pb2_grpc,
    preview_pb2_grpc,
    recommender_pb2_grpc,
)

from model_store.store import Store
from service import batcher
from service.server import Replica, replica
from service.settings import Settings, load_settings
from tests.integration.held import HeldModel


@dataclass(frozen=True)
class Service:
    """A running replica and a channel to it."""

    replica: Replica
    channel: grpc.aio.Channel

    @property
    def recommender(self) -> "recommender_pb2_grpc.RecommenderServiceAsyncStub":
        """Stub of RecommenderService."""
        return recommender_pb2_grpc.RecommenderServiceStub(self.channel)

    @property
    def presets(self) -> "preset_pb2_grpc.PresetServiceAsyncStub":
        """Stub of PresetService."""
        return preset_pb2_grpc.PresetServiceStub(self.channel)

    @property
    def features(self) -> "feature_pb2_grpc.FeatureServiceAsyncStub":
        """Stub of FeatureService."""
        return feature_pb2_grpc.FeatureServiceStub(self.channel)

    @property
    def previews(self) -> "preview_pb2_grpc.PreviewServiceAsyncStub":
        """Stub of PreviewService."""
        return preview_pb2_grpc.PreviewServiceStub(self.channel)

    @property
    def decisions(self) -> "decision_pb2_grpc.DecisionServiceAsyncStub":
        """Stub of DecisionService."""
        return decision_pb2_grpc.DecisionServiceStub(self.channel)

    @property
    def models(self) -> "model_pb2_grpc.ModelServiceAsyncStub":
        """Stub of ModelService."""
        return model_pb2_grpc.ModelServiceStub(self.channel)


Start = Callable[..., AbstractAsyncContextManager[Service]]


@pytest.fixture
def settings_for(
    tiny_store: Store, tmp_path: Path, request: pytest.FixtureRequest
) -> Callable[..., Settings]:
    """Settings of a replica on free ports with data of its own; fields can be given by name.

    A model that is held would hold the loop, and so the test, where it has no thread of its own:
    there gRPC's own server serves.
    """

    def settings(**fields: Any) -> Settings:
        own = {
            "bind": "127.0.0.1:0",
            "metrics_bind": "127.0.0.1:0",
            "data_dir": tmp_path / "data",
            "bundles": tiny_store.root,
            "drain_timeout_s": 5,
            "wire": "grpcio" if "held" in request.fixturenames else "own",
        }
        return load_settings({}, **(own | fields))

    return settings


@pytest.fixture
def start(settings_for: Callable[..., Settings]) -> Start:
    """`async with start(max_batch=1) as service:` runs a replica with these settings."""

    @asynccontextmanager
    async def running(**fields: Any) -> AsyncIterator[Service]:
        async with (
            replica(settings_for(**fields)) as own,
            grpc.aio.insecure_channel(own.addresses.grpc) as channel,
        ):
            yield Service(own, channel)

    return running


@pytest_asyncio.fixture
async def service(start: Start) -> AsyncIterator[Service]:
    """A running replica with the settings of `settings_for`."""
    async with start() as running:
        yield running


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[HeldModel]:
    """Every replica's model, which runs only once it is let go."""
    model = HeldModel()
    monkeypatch.setattr(batcher, "forward", model)
    yield model
    model.let_go()

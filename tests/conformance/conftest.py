"""The stores that one suite runs on."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis

from service.presets.connections import redis_client
from service.presets.embedded import embedded_redis
from service.presets.follower import PresetFollower
from service.presets.keys import Keys
from service.presets.redis_store import RedisStore
from service.presets.store import PresetStore
from service.preview.summary import RedisPreviews
from tests import redis_servers
from tests.conformance.scenes import Client, Scene, fill, nothing
from tests.fakes.preset_store import MemoryStore


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Redis of this session's own."""
    with embedded_redis(Path(tmp_path_factory.mktemp("redis"))) as url:
        yield url


@pytest.fixture(scope="session")
def sentinel_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A master with a replica and three sentinels, of this session's own."""
    with redis_servers.with_sentinels(tmp_path_factory.mktemp("sentinel")) as servers:
        yield servers.url


@pytest.fixture(scope="session")
def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Cluster of three masters, of this session's own."""
    with redis_servers.cluster(tmp_path_factory.mktemp("cluster")) as servers:
        yield servers.url


@pytest.fixture(params=["memory", "redis", "sentinel", "cluster"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[PresetStore]:
    """An empty store of each kind; its servers start with the first test that needs them."""
    if request.param == "memory":
        yield MemoryStore()
        return
    url = request.getfixturevalue(f"{request.param}_url")
    redis = RedisStore(redis_client(url), Keys(prefix=request.node.name))
    yield redis
    await redis.aclose()


@pytest.fixture
async def empty_store(store: PresetStore, request: pytest.FixtureRequest) -> AsyncIterator[object]:
    """Another store of the same kind, such as one that lost its data."""
    if isinstance(store, MemoryStore):
        yield MemoryStore()
        return
    kind = request.node.callspec.params["store"]
    url = request.getfixturevalue(f"{kind}_url")
    other = RedisStore(redis_client(url), Keys(prefix=f"{request.node.name}-other"))
    yield other
    await other.aclose()


@pytest.fixture
def keys(request: pytest.FixtureRequest) -> Keys:
    """Of this test alone."""
    return Keys(prefix=request.node.name)


@pytest.fixture
def client(redis_url: str) -> Iterator[Client]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as own:
        yield own


@pytest.fixture
async def scene(redis_url: str, keys: Keys, client: Client, tmp_path: Path) -> AsyncIterator[Scene]:
    store = RedisStore(redis_client(redis_url), keys)
    previews = RedisPreviews(redis_client(redis_url), keys)
    await fill(store, previews)
    await store.tell("one", "report", 60.0, await store.tip())
    follower = PresetFollower(store, tmp_path, nothing)
    await follower.start()
    fresh = RedisStore(redis_client(redis_url), keys)
    yield Scene(store, follower, client, keys, tmp_path, fresh)
    await fresh.aclose()
    await store.aclose()
    await previews.aclose()

"""The stores that one suite runs on."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from service.presets.embedded import embedded_redis
from service.presets.keys import Keys
from service.presets.redis_store import RedisStore
from service.presets.store import PresetStore
from tests.fakes.preset_store import MemoryStore


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Redis of this session's own."""
    with embedded_redis(Path(tmp_path_factory.mktemp("redis"))) as url:
        yield url


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[PresetStore]:
    """An empty store of each kind."""
    if request.param == "memory":
        yield MemoryStore()
        return
    redis = RedisStore(redis_url, Keys(prefix=request.node.name))
    yield redis
    await redis.aclose()

"""A Redis that is set up so that it may lose presets is warned of; the least rights are enough."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.presets.connections import redis_client
from service.presets.keys import Keys
from service.presets.lifecycle import Lifecycle
from service.presets.redis_risks import Risk
from service.presets.redis_store import RedisStore
from service.preview.summary import RedisPreviews
from tests import redis_servers
from tests.conformance.scenes import fill
from tests.integration.conftest import Start
from tests.presets import draft
from tests.redis_servers import Cluster, Server

DEPLOYMENT = Path(__file__).parents[2] / "docs" / "deployment.md"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Server]:
    with redis_servers.single(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with redis_servers.cluster(tmp_path / "cluster") as own:
        yield own


async def risks(url: str) -> set[Risk]:
    store = RedisStore(redis_client(url))
    found = set(await store.risks())
    await store.aclose()
    return found


async def test_a_redis_that_keeps_everything_is_no_risk(redis: Server) -> None:
    redis.call("CONFIG", "SET", "maxmemory", "100mb")
    assert await risks(redis.url) == set()


async def test_eviction_is_a_risk(redis: Server) -> None:
    redis.call("CONFIG", "SET", "maxmemory", "100mb")
    redis.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    assert await risks(redis.url) == {Risk.EVICTS}


async def test_eviction_without_a_limit_is_none(redis: Server) -> None:
    redis.call("CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
    assert await risks(redis.url) == set()


async def test_nothing_on_disk_is_a_risk(redis: Server) -> None:
    redis.call("CONFIG", "SET", "appendonly", "no")
    assert await risks(redis.url) == {Risk.NOT_ON_DISK}


async def test_snapshots_are_enough_on_disk(redis: Server) -> None:
    redis.call("CONFIG", "SET", "appendonly", "no")
    redis.call("CONFIG", "SET", "save", "900 1")
    assert await risks(redis.url) == set()


async def test_what_may_not_be_asked_is_no_risk(redis: Server) -> None:
    redis.call("CONFIG", "SET", "appendonly", "no")
    redis.call("ACL", "SETUSER", "low", "on", ">p", "~*", "+@all", "-info", "-config")
    assert await risks(f"redis://low:p@127.0.0.1:{redis.port}") == set()


async def test_a_cluster_is_asked_where_the_presets_are(cluster: Cluster) -> None:
    owner = cluster.owner(redis_servers.preset_slot())
    owner.call("CONFIG", "SET", "maxmemory", "100mb")
    owner.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    assert await risks(cluster.url) == {Risk.EVICTS}


async def test_a_start_warns_and_the_metric_says_so(
    start: Start, redis: Server, caplog: pytest.LogCaptureFixture
) -> None:
    redis.call("CONFIG", "SET", "maxmemory", "100mb")
    redis.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    with caplog.at_level(logging.WARNING):
        async with start(redis_url=redis.url) as service:
            registry = service.replica.metrics.registry
            value = registry.get_sample_value("steerrec_redis_risk", {"risk": "evicts"})
    assert (value, "maxmemory-policy allkeys-lru" in caplog.text) == (1, True)


def documented_rules() -> list[str]:
    """Of the user that deployment.md gives for presets."""
    found = re.search(r"ACL SETUSER steerrec (.+)", DEPLOYMENT.read_text())
    assert found is not None
    return found[1].split()


async def test_the_documented_user_may_do_what_presets_need(redis: Server) -> None:
    redis.call("ACL", "SETUSER", "steerrec", *documented_rules())
    url = f"redis://steerrec:s3cret@127.0.0.1:{redis.port}"
    store, previews = RedisStore(redis_client(url)), RedisPreviews(redis_client(url))
    await fill(store, previews)
    await store.tell("one", "report", 60.0, await store.tip())
    changes = await store.changes("0-0", 0.1)
    await store.remnants(["scary"])
    log_length = redis.call("ACL", "LOG")
    await store.risks()
    await store.aclose()
    await previews.aclose()
    assert (set(changes.names), log_length) == ({"scary", "cosy"}, [])


async def test_the_documented_user_may_not_do_more(redis: Server) -> None:
    redis.call("ACL", "SETUSER", "steerrec", *documented_rules())
    url = f"redis://steerrec:s3cret@127.0.0.1:{redis.port}"
    store = RedisStore(redis_client(url), Keys("other"))
    with pytest.raises(Exception, match="forbids its user"):
        await Lifecycle(store).create(draft())
    await store.aclose()

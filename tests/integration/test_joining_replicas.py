"""A replica with an empty folder that meets a store which lost its data."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from steerrec.v1 import preset_pb2

from service.presets.errors import StoreLostData
from tests import redis_servers
from tests.integration.asking import add_genre, reason, refusal
from tests.integration.conftest import Service, Start
from tests.integration.waiting import until
from tests.redis_servers import Server

SEEN = "{steerrec}:seen"


async def create(service: Service, name: str) -> None:
    own = preset_pb2.Preset(name=name, rules=[add_genre("Horror", 0.5)])
    await service.presets.CreatePreset(
        preset_pb2.CreatePresetRequest(preset=own, author="ann", reason="test")
    )


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Server]:
    with redis_servers.single(tmp_path / "redis") as server:
        yield server


async def told_again(redis: Server) -> None:
    """The running replica noticed, and told what it serves."""
    await until(lambda: redis.call("EXISTS", SEEN) == 1)


async def test_it_does_not_start_while_another_has_the_presets(
    start: Start, redis: Server, tmp_path: Path
) -> None:
    async with start(redis_url=redis.url, replica_id="one") as one:
        await create(one, "scary")
        redis.call("FLUSHALL")
        await told_again(redis)
        with pytest.raises(StoreLostData, match="one serves them; resolve the loss there"):
            async with start(redis_url=redis.url, data_dir=tmp_path / "other"):
                pass


async def test_it_starts_alone_and_says_what_the_store_lost(
    start: Start, redis: Server, tmp_path: Path
) -> None:
    async with start(redis_url=redis.url) as one:
        await create(one, "scary")
    redis.call("DEL", "{steerrec}:heads", "{steerrec}:replicas")
    async with start(redis_url=redis.url, data_dir=tmp_path / "other") as other:
        assert other.replica.follower.state == "LOST_DATA"


async def test_it_writes_nothing(start: Start, redis: Server, tmp_path: Path) -> None:
    async with start(redis_url=redis.url) as one:
        await create(one, "scary")
    redis.call("DEL", "{steerrec}:heads", "{steerrec}:replicas")
    async with start(redis_url=redis.url, data_dir=tmp_path / "other") as other:
        error = await refusal(create(other, "scary"))
        assert (error.code(), reason(error)) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            "STORE_LOST_DATA",
        )


async def resolve(service: Service, resolution: "preset_pb2.StoreLossResolution.ValueType") -> None:
    await service.presets.ResolveStoreLoss(
        preset_pb2.ResolveStoreLossRequest(resolution=resolution, author="ann", reason="test")
    )


async def test_it_has_nothing_to_restore(start: Start, redis: Server, tmp_path: Path) -> None:
    async with start(redis_url=redis.url) as one:
        await create(one, "scary")
    redis.call("DEL", "{steerrec}:heads", "{steerrec}:replicas")
    async with start(redis_url=redis.url, data_dir=tmp_path / "other") as other:
        error = await refusal(resolve(other, preset_pb2.STORE_LOSS_RESOLUTION_RESTORE))
        assert reason(error) == "NOTHING_KEPT"


async def test_it_can_accept_and_goes_on_behind_what_is_left(
    start: Start, redis: Server, tmp_path: Path
) -> None:
    async with start(redis_url=redis.url) as one:
        await create(one, "scary")
    redis.call("DEL", "{steerrec}:audit", "{steerrec}:replicas")
    async with start(redis_url=redis.url, data_dir=tmp_path / "other") as other:
        await resolve(other, preset_pb2.STORE_LOSS_RESOLUTION_ACCEPT)
        await until(lambda: other.replica.follower.is_connected)
        await create(other, "cosy")
        assert set(other.replica.follower.stored.heads) == {"scary", "cosy"}


async def test_one_that_joined_too_early_learns_it_from_the_others(
    start: Start, redis: Server, tmp_path: Path
) -> None:
    async with start(redis_url=redis.url, replica_id="one") as one:
        await create(one, "scary")
        redis.call("FLUSHALL")
        async with start(redis_url=redis.url, data_dir=tmp_path / "b") as early:
            await until(lambda: early.replica.follower.state == "LOST_DATA")

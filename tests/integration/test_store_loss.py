"""A Redis that loses its data under running replicas, and the two ways out, over gRPC."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
import pytest
import redis as redis_py
from steerrec.v1 import preset_pb2, recommender_pb2

from service.presets.compiled import StoredPresets
from service.presets.connections import redis_client
from service.presets.errors import StoreLostData
from service.presets.follower import PresetFollower
from service.presets.lifecycle import Lifecycle
from service.presets.loss import LossResolver, Resolution
from service.presets.redis_store import RedisStore
from tests import redis_servers
from tests.integration.asking import add_genre, preset, reason, refusal, request, scores
from tests.integration.conftest import Service, Start
from tests.integration.waiting import until, until_given
from tests.presets import draft
from tests.redis_servers import Server

HORROR = add_genre("Horror", 0.5)
RESTORE = preset_pb2.STORE_LOSS_RESOLUTION_RESTORE
ACCEPT = preset_pb2.STORE_LOSS_RESOLUTION_ACCEPT


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with redis_servers.single(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis(shared: Server) -> Server:
    """A Redis with nothing in it."""
    shared.call("FLUSHALL")
    return shared


async def nothing(_: StoredPresets) -> None:
    """For followers whose changes are not looked at."""


def client_of(server: Server) -> "redis_py.Redis":
    """Of bytes, as backups are."""
    return redis_py.Redis("127.0.0.1", server.port)


def creation(name: str = "scary") -> preset_pb2.CreatePresetRequest:
    own = preset_pb2.Preset(name=name, rules=[HORROR])
    return preset_pb2.CreatePresetRequest(preset=own, author="ann", reason="test")


async def create(service: Service, name: str = "scary") -> None:
    await service.presets.CreatePreset(creation(name))


async def resolve(
    service: Service, resolution: int, *, is_dry: bool = False
) -> preset_pb2.ResolveStoreLossResponse:
    return await service.presets.ResolveStoreLoss(
        preset_pb2.ResolveStoreLossRequest(
            resolution=resolution,  # type: ignore[arg-type]
            author="ann",
            reason="test",
            validate_only=is_dry,
        )
    )


async def status(service: Service, name: str = "") -> preset_pb2.GetStatusResponse:
    return await service.presets.GetStatus(preset_pb2.GetStatusRequest(name=name))


def stale(reply: recommender_pb2.RecommendResponse) -> str:
    """What the reply says of how sure its presets are."""
    return next(
        own.detail
        for own in reply.degraded
        if own.reason == recommender_pb2.DEGRADED_REASON_STALE_PRESETS
    )


async def lost(*services: Service) -> None:
    await until(lambda: {own.replica.follower.state for own in services} == {"LOST_DATA"})


@asynccontextmanager
async def replicas(start: Start, redis: Server, folder: Path) -> AsyncIterator[list[Service]]:
    """Two replicas of one Redis."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                start(redis_url=redis.url, data_dir=folder / name, replica_id=name)
            )
            for name in ("one", "other")
        ]


@pytest.fixture
async def service(start: Start, redis: Server) -> AsyncIterator[Service]:
    """A replica that serves one preset of a Redis that then loses it."""
    async with start(redis_url=redis.url, replica_id="one") as running:
        await create(running)
        redis.call("FLUSHALL")
        await lost(running)
        yield running


async def test_what_is_served_stays(service: Service) -> None:
    by_name = await service.recommender.Recommend(request(presets=[preset("scary")]))
    inline = await service.recommender.Recommend(request(HORROR))
    assert scores(by_name) == scores(inline)


async def test_replies_say_that_the_store_lost_its_data(service: Service) -> None:
    reply = await service.recommender.Recommend(request(presets=[preset("scary")]))
    assert "the store of presets lost its data; presets are" in stale(reply)


async def test_a_write_is_refused_with_the_way_out(service: Service) -> None:
    error = await refusal(service.presets.CreatePreset(creation("cosy")))
    assert (error.code(), reason(error)) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "STORE_LOST_DATA",
    )
    assert "`steerrec preset store restore` writes back" in str(error.details())


async def test_what_was_lost_is_not_said_to_be_missing(service: Service) -> None:
    error = await refusal(service.presets.GetPreset(preset_pb2.GetPresetRequest(name="scary")))
    assert reason(error) == "STORE_LOST_DATA"


async def test_what_was_lost_is_not_said_to_be_nothing(service: Service) -> None:
    error = await refusal(service.presets.ListPresets(preset_pb2.ListPresetsRequest()))
    assert reason(error) == "STORE_LOST_DATA"


async def test_the_loss_is_a_metric(service: Service) -> None:
    registry = service.replica.metrics.registry
    assert registry.get_sample_value("steerrec_preset_store_lost_data") == 1


async def test_the_status_says_what_to_do(service: Service) -> None:
    told = await status(service)
    assert told.store_state == preset_pb2.STORE_STATE_LOST_DATA
    assert "steerrec preset store accept" in told.message


async def test_a_write_since_is_not_followed(service: Service, redis: Server) -> None:
    redis.call("XADD", "{steerrec}:audit", "*", "event", "odd")
    reply = await service.recommender.Recommend(request(presets=[preset("scary")]))
    assert reply.applied_presets[0].revision == 1
    assert service.replica.follower.state == "LOST_DATA"


async def test_a_restore_puts_the_presets_back(service: Service) -> None:
    assert list((await resolve(service, RESTORE)).presets) == ["scary"]
    found = await service.presets.GetPreset(preset_pb2.GetPresetRequest(name="scary"))
    assert (found.preset.revision, found.preset.rules[0].value) == (1, HORROR.value)


async def test_a_restored_store_is_followed_and_written_to(service: Service) -> None:
    await resolve(service, RESTORE)
    await create(service, "cosy")
    reply = await service.recommender.Recommend(request(presets=[preset("cosy")]))
    assert not reply.degraded


async def test_the_audit_chain_names_the_restore(service: Service) -> None:
    await resolve(service, RESTORE)
    page = await service.presets.ListAuditEvents(preset_pb2.ListAuditEventsRequest())
    assert [(event.sequence, event.action) for event in page.events] == [
        (2, preset_pb2.AUDIT_ACTION_STORE_RESTORED)
    ]


async def test_a_dry_restore_changes_nothing(service: Service, redis: Server) -> None:
    assert list((await resolve(service, RESTORE, is_dry=True)).presets) == ["scary"]
    assert redis.call("EXISTS", "{steerrec}:heads", "{steerrec}:audit") == 0


async def test_an_accepted_loss_takes_the_presets_out_of_force(service: Service) -> None:
    assert list((await resolve(service, ACCEPT)).presets) == ["scary"]
    error = await refusal(service.recommender.Recommend(request(presets=[preset("scary")])))
    assert error.code() is grpc.StatusCode.NOT_FOUND


async def test_how_to_resolve_has_to_be_said(service: Service) -> None:
    error = await refusal(resolve(service, 0))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_data_that_comes_back_ends_the_loss(start: Start, redis: Server) -> None:
    async with start(redis_url=redis.url) as service:
        await create(service)
        with client_of(redis) as client:
            backup = {key: client.dump(key) for key in client.keys("*")}
            client.flushall()
            await lost(service)
            for key, value in backup.items():
                client.restore(key, 0, value, replace=True)
        await until(lambda: service.replica.follower.is_connected)


async def test_nothing_is_to_be_resolved_where_nothing_was_lost(
    start: Start, redis: Server
) -> None:
    async with start(redis_url=redis.url) as running:
        assert reason(await refusal(resolve(running, ACCEPT))) == "NOTHING_LOST"


async def test_a_start_against_an_empty_redis_is_a_loss_where_a_copy_is_on_disk(
    start: Start, redis: Server
) -> None:
    async with start(redis_url=redis.url) as running:
        await create(running)
    redis.call("FLUSHALL")
    async with start(redis_url=redis.url) as running:
        reply = await running.recommender.Recommend(request(presets=[preset("scary")]))
        assert "lost its data" in stale(reply)


async def test_a_restore_on_one_replica_is_followed_by_the_other(
    start: Start, redis: Server, tmp_path: Path
) -> None:
    async with replicas(start, redis, tmp_path) as (one, other):
        await create(one)
        await until(lambda: "scary" in other.replica.follower.stored.heads)
        redis.call("FLUSHALL")
        await lost(one, other)
        await resolve(one, RESTORE)
        await until(lambda: other.replica.follower.is_connected)


async def test_a_replica_that_had_seen_more_stays_and_says_so(
    redis: Server, tmp_path: Path
) -> None:
    store = RedisStore(redis_client(redis.url))
    await Lifecycle(store).create(draft("scary"))
    one = PresetFollower(store, tmp_path / "one", nothing)
    await one.start()
    await Lifecycle(store).create(draft("cosy"))
    other = PresetFollower(store, tmp_path / "other", nothing)
    await other.start()
    redis.call("FLUSHALL")
    with pytest.raises(StoreLostData):
        await one.check_store("scary")
    await LossResolver(store, one).resolve(Resolution.RESTORE, "ann", "flushed")
    following = asyncio.create_task(other.follow())
    await until(lambda: "up to event 1, and this replica serves event 2" in other.advice())
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await store.aclose()


async def test_every_replica_tells_what_it_serves(
    start: Start, redis: Server, tmp_path: Path
) -> None:
    async with replicas(start, redis, tmp_path) as (one, other):
        await create(one)
        await until(lambda: "scary" in other.replica.follower.stored.heads)

        async def told() -> object:
            found = (await status(one, "scary")).replicas
            return [
                (own.replica_id, *(served.served_revision for served in own.bundles[0].presets))
                for own in found
            ]

        await until_given(told, [("one", 1), ("other", 1)])


async def test_a_status_without_redis_is_of_this_replica_alone(
    start: Start, tmp_path: Path
) -> None:
    with redis_servers.single(tmp_path / "redis") as own:
        running = start(redis_url=own.url, replica_id="one")
        service = await running.__aenter__()
    try:
        await until(lambda: not service.replica.follower.is_connected)
        told = await status(service)
        assert [replica.replica_id for replica in told.replicas] == ["one"]
        assert told.store_state == preset_pb2.STORE_STATE_UNREACHABLE
    finally:
        await running.__aexit__(None, None, None)

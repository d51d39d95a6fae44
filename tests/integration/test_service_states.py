"""Repeated histories over a real channel: counted, bounded, gone with their bundle."""

import gc
import weakref
from pathlib import Path

import pytest
from steerrec.v1 import recommender_pb2

from model_store.store import Store
from tests.bundles import tiny_bundle
from tests.integration.asking import add, add_genre, ids, request, scores
from tests.integration.conftest import Service, Start
from tests.integration.waiting import until
from tests.tiny_model import TinyModel


def lookups(service: Service) -> list[float]:
    """Hits, shared and misses so far."""
    sample = service.replica.metrics.registry.get_sample_value
    name = "steerrec_state_lookups_total"
    return [sample(name, {"outcome": own}) or 0 for own in ("hit", "shared", "miss")]


def entries(service: Service) -> float | None:
    return service.replica.metrics.registry.get_sample_value("steerrec_state_cache_entries")


def size_bytes(service: Service) -> float:
    return service.replica.metrics.registry.get_sample_value("steerrec_state_cache_bytes") or 0


async def test_a_new_history_is_a_miss(service: Service) -> None:
    await service.recommender.Recommend(request(add()))
    assert lookups(service) == [0, 0, 1]


async def test_the_same_history_with_other_rules_is_a_hit(service: Service) -> None:
    await service.recommender.Recommend(request(add()))
    await service.recommender.Recommend(request(add_genre("Horror", 1)))
    assert lookups(service) == [1, 0, 1]


async def test_the_same_history_in_another_order_is_a_miss(service: Service) -> None:
    await service.recommender.Recommend(request(history=["i3", "i7"]))
    await service.recommender.Recommend(request(history=["i7", "i3"]))
    assert lookups(service) == [0, 0, 2]


async def test_items_that_the_model_does_not_read_make_no_other_history(service: Service) -> None:
    read = [f"i{i}" for i in range(1, 11)]
    await service.recommender.Recommend(request(history=read))
    await service.recommender.Recommend(request(history=["i50", *read[:5], "nobody", *read[5:]]))
    assert lookups(service) == [1, 0, 1]


async def test_a_cold_start_is_not_looked_up(service: Service) -> None:
    await service.recommender.Recommend(request(history=["nobody"]))
    assert lookups(service) == [0, 0, 0]


async def test_a_history_asked_about_twice_in_one_call_is_computed_once(service: Service) -> None:
    batch = recommender_pb2.BatchRecommendRequest(requests=[request(), request(add())])
    await service.recommender.BatchRecommend(batch)
    assert lookups(service) == [0, 1, 1]


async def test_a_hit_answers_as_a_replica_that_keeps_nothing(
    service: Service, start: Start, tmp_path: Path
) -> None:
    await service.recommender.Recommend(request())
    kept = await service.recommender.Recommend(request(add_genre("Horror", 1)))
    async with start(state_cache_bytes=0, data_dir=tmp_path / "other") as other:
        computed = await other.recommender.Recommend(request(add_genre("Horror", 1)))
    assert (ids(kept), scores(kept)) == (ids(computed), scores(computed))


async def test_no_bytes_keep_nothing(start: Start) -> None:
    async with start(state_cache_bytes=0) as service:
        for _ in range(2):
            await service.recommender.Recommend(request())
        assert (lookups(service), entries(service)) == ([0, 0, 0], 0)


@pytest.mark.parametrize("limit", [600, 5_000])
async def test_it_takes_no_more_than_it_may(start: Start, limit: int) -> None:
    async with start(state_cache_bytes=limit) as service:
        for i in range(1, 31):
            await service.recommender.Recommend(request(add(), history=[f"i{i}"]))
        assert 0 < size_bytes(service) <= limit


async def test_a_bundle_that_goes_takes_its_states_along(start: Start, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    for version in ("one", "two"):
        folder = tmp_path / version
        store.publish(folder, tiny_bundle(folder, TinyModel(), version=version))
    store.promote("production", "one")
    async with start(bundles=store.root) as service:
        await service.recommender.Recommend(request())
        gone = weakref.ref(service.replica.current.snapshot.model("production").states)
        store.promote("production", "two")
        await service.replica.models.refresh()
        assert entries(service) == 0
        await until(lambda: gc.collect() >= 0 and gone() is None)


async def test_another_bundle_never_gets_the_states_of_the_first(
    start: Start, tmp_path: Path
) -> None:
    store = Store(str(tmp_path / "store"))
    for version, seed in (("one", 0), ("two", 1)):
        folder = tmp_path / version
        store.publish(folder, tiny_bundle(folder, TinyModel(seed=seed), version=version))
    store.promote("production", "one")
    store.promote("canary", "two")
    async with start(bundles=store.root) as service:
        for model in ("production", "canary"):
            await service.recommender.Recommend(request(model=model))
        assert lookups(service) == [0, 0, 2]


async def test_new_presets_leave_the_states(service: Service) -> None:
    await service.recommender.Recommend(request())
    await service.replica.models.use_presets(service.replica.follower.stored)
    await service.recommender.Recommend(request())
    assert lookups(service) == [1, 0, 1]

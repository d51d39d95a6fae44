"""Decisions over a real channel: recorded, read, answered again."""

import asyncio
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from steerrec.v1 import decision_pb2, preset_pb2, recommender_pb2

from model_store.store import Store
from service.decisions.redis_log import RedisLog
from service.presets.connections import redis_client
from service.presets.embedded import embedded_redis
from service.presets.keys import Keys
from tests.bundles import tiny_bundle
from tests.integration.asking import (
    add,
    add_genre,
    fields,
    ids,
    preset,
    reason,
    refusal,
    request,
    scores,
)
from tests.integration.conftest import Service, Start
from tests.integration.test_service_presets import COMEDY, HORROR, create, update
from tests.tiny_model import TinyModel

ALL = {"decision_log": "redis", "decision_sample_share": 1}


def get(decision_id: str) -> decision_pb2.GetDecisionRequest:
    return decision_pb2.GetDecisionRequest(decision_id=decision_id)


def listed(**fields: object) -> decision_pb2.ListDecisionsRequest:
    return decision_pb2.ListDecisionsRequest(**fields)  # type: ignore[arg-type]


async def written(service: Service, count: int = 1) -> None:
    """Waits until so many decisions are in the log."""
    registry = service.replica.metrics.registry
    async with asyncio.timeout(10):
        while (registry.get_sample_value("steerrec_decisions_total", {"outcome": "kept"}) or 0) < (
            count
        ):
            await asyncio.sleep(0.01)


async def answered(
    service: Service, asked: recommender_pb2.RecommendRequest
) -> recommender_pb2.RecommendResponse:
    """The answer, once the log keeps it."""
    registry = service.replica.metrics.registry
    before = registry.get_sample_value("steerrec_decisions_total", {"outcome": "kept"}) or 0
    response = await service.recommender.Recommend(asked)
    await written(service, int(before) + 1)
    return response


async def replay(service: Service, decision_id: str) -> decision_pb2.ReplayDecisionResponse:
    return await service.decisions.ReplayDecision(
        decision_pb2.ReplayDecisionRequest(decision_id=decision_id)
    )


async def test_without_a_log_replies_carry_no_decision_id(service: Service) -> None:
    assert (await service.recommender.Recommend(request())).decision_id == ""


async def test_without_a_log_decisions_are_refused(service: Service) -> None:
    error = await refusal(service.decisions.GetDecision(get("s0")))
    assert (error.code(), reason(error)) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "DECISION_LOG_OFF",
    )


async def test_a_decision_holds_the_request_and_the_reply(start: Start) -> None:
    async with start(**ALL) as service:
        asked = request(add(), k=3, request_id="mine")
        response = await answered(service, asked)
        decision = (await service.decisions.GetDecision(get(response.decision_id))).decision
    assert (decision.request, decision.response) == (asked, response)


async def test_a_decision_holds_the_limits_of_its_replica(start: Start) -> None:
    async with start(**ALL, max_factor=3) as service:
        response = await answered(service, request())
        decision = (await service.decisions.GetDecision(get(response.decision_id))).decision
    assert decision.limits.max_factor == 3


async def test_each_answer_of_a_batch_is_a_decision(start: Start) -> None:
    async with start(**ALL) as service:
        asked = recommender_pb2.BatchRecommendRequest(requests=[request(), request(k=2)])
        results = (await service.recommender.BatchRecommend(asked)).results
        await written(service, 2)
        for result in results:
            found = await service.decisions.GetDecision(get(result.response.decision_id))
            assert found.decision.response == result.response


async def test_an_answer_that_is_not_sampled_is_named_and_not_kept(start: Start) -> None:
    async with start(decision_log="redis", decision_sample_share=0) as service:
        response = await service.recommender.Recommend(request())
        error = await refusal(service.decisions.GetDecision(get(response.decision_id)))
    assert (error.code(), "was not sampled" in str(error.details())) == (
        grpc.StatusCode.NOT_FOUND,
        True,
    )


async def test_a_foreign_id_is_not_found(start: Start) -> None:
    async with start(**ALL) as service:
        error = await refusal(service.decisions.GetDecision(get("nope")))
    assert reason(error) == "DECISION_MISSING"


async def test_an_empty_id_is_refused(start: Start) -> None:
    async with start(**ALL) as service:
        error = await refusal(service.decisions.GetDecision(get("")))
    assert fields(error) == ["decision_id"]


@pytest.mark.parametrize("kind", ["redis", "file"])
async def test_decisions_are_listed_newest_first(start: Start, tmp_path: Path, kind: str) -> None:
    place = "redis" if kind == "redis" else str(tmp_path / "decisions.jsonl")
    async with start(decision_log=place, decision_sample_share=1) as service:
        given = [(await answered(service, request())).decision_id for _ in range(3)]
        page = await service.decisions.ListDecisions(listed())
    assert [own.decision_id for own in page.decisions] == given[::-1]


@pytest.mark.parametrize("kind", ["redis", "file"])
async def test_pages_of_decisions_join_up(start: Start, tmp_path: Path, kind: str) -> None:
    place = "redis" if kind == "redis" else str(tmp_path / "decisions.jsonl")
    async with start(decision_log=place, decision_sample_share=1) as service:
        given = [(await answered(service, request())).decision_id for _ in range(5)]
        found, token = [], None
        while token != "":
            page = await service.decisions.ListDecisions(
                listed(page_size=2, page_token=token or "")
            )
            found += [own.decision_id for own in page.decisions]
            token = page.next_page_token
    assert found == given[::-1]


@pytest.mark.parametrize("kind", ["redis", "file"])
async def test_a_decision_with_an_infinite_number_in_its_context_is_kept(
    start: Start, tmp_path: Path, kind: str
) -> None:
    where = kind if kind == "redis" else str(tmp_path / "decisions")
    async with start(decision_log=where, decision_sample_share=1) as service:
        asked = request(context={"n": float("inf")})
        given = (await answered(service, asked)).decision_id
        kept = (await service.decisions.GetDecision(get(given))).decision
    assert kept.request == asked


async def test_a_token_of_another_list_is_refused(start: Start) -> None:
    async with start(**ALL) as service:
        error = await refusal(service.decisions.ListDecisions(listed(page_token="AAAA")))  # noqa: S106
    assert fields(error) == ["page_token"]


@pytest.mark.parametrize("kind", ["redis", "file"])
async def test_decisions_outlive_a_restart(start: Start, tmp_path: Path, kind: str) -> None:
    place = "redis" if kind == "redis" else str(tmp_path / "decisions.jsonl")
    async with start(decision_log=place, decision_sample_share=1) as service:
        response = await answered(service, request(add()))
    async with start(decision_log=place, decision_sample_share=1) as service:
        assert (await replay(service, response.decision_id)).is_same


async def test_redis_keeps_about_as_many_as_it_may(tmp_path: Path) -> None:
    with embedded_redis(tmp_path) as url:
        log = RedisLog(redis_client(url), keep=50)
        for number in range(400):
            await log.append(decision_pb2.Decision(decision_id=f"s{number:023x}"))
        page = await log.page(1000, "")
        await log.aclose()
    assert 50 <= len(page.decisions) < 200


async def test_a_replay_is_the_same(start: Start) -> None:
    async with start(**ALL) as service:
        response = await answered(service, request(add_genre("Horror", 2)))
        again = await replay(service, response.decision_id)
    assert (again.is_same, list(again.differences)) == (True, [])


async def test_a_replay_scores_to_the_last_bit(start: Start) -> None:
    async with start(**ALL) as service:
        response = await answered(service, request(add_genre("Horror", 2)))
        again = await replay(service, response.decision_id)
    assert scores(again.replayed) == scores(response)


async def test_a_replay_uses_the_revision_that_applied(start: Start) -> None:
    async with start(**ALL) as service:
        first = await create(service, "scary", HORROR)
        response = await answered(service, request(presets=[preset("scary")]))
        await update(service, first, COMEDY)
        again = await replay(service, response.decision_id)
    assert again.is_same


async def test_a_replay_names_the_revision_that_applied(start: Start) -> None:
    async with start(**ALL) as service:
        first = await create(service, "scary", HORROR)
        response = await answered(service, request(presets=[preset("scary")]))
        await update(service, first, COMEDY)
        again = await replay(service, response.decision_id)
    assert [own.revision for own in again.replayed.applied_presets] == [1]


async def test_a_replay_uses_a_preset_that_was_deleted(start: Start) -> None:
    async with start(**ALL) as service:
        first = await create(service, "scary", HORROR)
        response = await answered(service, request(presets=[preset("scary")]))
        await delete(service, first)
        assert (await replay(service, response.decision_id)).is_same


async def delete(service: Service, stored: preset_pb2.Preset) -> None:
    await service.presets.DeletePreset(
        preset_pb2.DeletePresetRequest(
            name=stored.name, etag=stored.etag, author="ann", reason="over"
        )
    )


async def test_a_revision_that_is_gone_is_named(start: Start, tmp_path: Path) -> None:
    with embedded_redis(tmp_path / "own-redis") as url:
        async with start(**ALL, redis_url=url) as service:
            stored = await create(service, "scary", HORROR)
            response = await answered(service, request(presets=[preset("scary")]))
            await delete(service, stored)
            redis = redis_client(url)
            await redis.delete(Keys().revisions("scary"))
            await redis.aclose()
            error = await refusal(replay(service, response.decision_id))
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "preset 'scary' revision 1 is no longer stored" in str(error.details())


@pytest.fixture
def own_store(tmp_path: Path, tiny_model: TinyModel) -> Store:
    """A store of this test's own, its one bundle in production."""
    store = Store(str(tmp_path / "store"))
    publish(store, tmp_path, tiny_model, "tiny-1")
    return store


def publish(store: Store, folder: Path, model: TinyModel, version: str) -> None:
    manifest = tiny_bundle(folder / version, model, version=version)
    store.publish(folder / version, manifest)
    store.promote("production", version)


async def test_a_replay_uses_the_bundle_that_answered(
    start: Start, own_store: Store, tmp_path: Path
) -> None:
    async with start(**ALL, bundles=own_store.root) as service:
        response = await answered(service, request(add()))
        publish(own_store, tmp_path, TinyModel(seed=7), "tiny-2")
        await service.replica.models.refresh()
        moved = await service.recommender.Recommend(request(add()))
        again = await replay(service, response.decision_id)
    assert moved.model_version == "tiny-2"
    assert (again.is_same, again.replayed.model_version) == (True, "tiny-1")


async def test_a_bundle_that_is_gone_is_named(
    start: Start, own_store: Store, tmp_path: Path
) -> None:
    async with start(**ALL, bundles=own_store.root) as service:
        response = await answered(service, request(add()))
        publish(own_store, tmp_path, TinyModel(seed=7), "tiny-2")
        await service.replica.models.refresh()
        for path in sorted((Path(own_store.root) / "bundles" / "tiny-1").iterdir()):
            path.unlink()
        error = await refusal(replay(service, response.decision_id))
    assert (error.code(), "bundle 'tiny-1'" in str(error.details())) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        True,
    )


async def test_a_replay_uses_the_recorded_limits(start: Start) -> None:
    async with start(**ALL, max_shift_share=0.05) as service:
        response = await answered(service, request(add_genre("Horror", 5)))
        assert response.shift.is_clipped
    async with start(**ALL) as service:
        assert (await replay(service, response.decision_id)).is_same


async def test_a_cold_start_is_replayed(start: Start) -> None:
    async with start(**ALL) as service:
        await create(service, "scary", HORROR)
        response = await answered(service, request(history=["x"], presets=[preset("scary")]))
        assert (await replay(service, response.decision_id)).is_same


async def test_a_request_with_steering_disabled_is_replayed(start: Start) -> None:
    async with start(**ALL) as service:
        await create(service, "scary", HORROR)
        asked = request(presets=[preset("scary")], disable_steering=True)
        response = await answered(service, asked)
        assert (await replay(service, response.decision_id)).is_same


async def test_two_revisions_of_one_preset_are_replayed(start: Start) -> None:
    async with start(**ALL) as service:
        await update(service, await create(service, "scary", HORROR), COMEDY)
        asked = request(presets=[preset("scary"), preset("scary", 1)])
        response = await answered(service, asked)
        again = await replay(service, response.decision_id)
    assert [own.revision for own in again.replayed.applied_presets] == [2, 1]
    assert again.is_same


async def test_a_decision_of_another_model_differs_in_words(start: Start, tmp_path: Path) -> None:
    """A file that somebody edited stands for a service whose arithmetic changed."""
    place = tmp_path / "decisions.jsonl"
    settings = {"decision_log": str(place), "decision_sample_share": 1}
    async with start(**settings) as service:
        response = await answered(service, request(k=3))
    first = ids(response)[0]
    text = place.read_text().replace(f'"item_id": "{first}"', '"item_id": "i0"')
    place.write_text(text)
    async with start(**settings) as service:
        again = await replay(service, response.decision_id)
    assert not again.is_same
    assert list(again.differences) == [
        f"rank 1: i0 was answered, {first} is now (scores equal but for rounding)"
    ]


async def test_requests_are_answered_while_redis_is_away(start: Start, tmp_path: Path) -> None:
    with embedded_redis(tmp_path / "own-redis") as url:
        async with start(**ALL, redis_url=url) as service:
            await answered(service, request())
            redis = redis_client(url)
            with suppress(Exception):  # the connection ends with the server
                await redis.shutdown(nosave=True)
            await redis.aclose()
            response = await service.recommender.Recommend(request())
            registry = service.replica.metrics.registry
            async with asyncio.timeout(10):
                while not registry.get_sample_value(
                    "steerrec_decisions_total", {"outcome": "log_away"}
                ):
                    await asyncio.sleep(0.02)
            error = await refusal(service.decisions.GetDecision(get(response.decision_id)))
    assert reason(error) == "DECISION_LOG_AWAY"

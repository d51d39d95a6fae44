"""Replays of decisions that defaults, targeting, targets or neighbours had a part in."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
from steerrec.v1 import decision_pb2, preset_pb2, recommender_pb2, rule_pb2, targeting_pb2

from service.decisions.replay import as_recorded
from service.presets.embedded import embedded_redis
from tests.integration.asking import add, add_genre, ids, preset, refusal, request
from tests.integration.conftest import Service, Start
from tests.integration.test_service_decisions import ALL, answered, delete, replay, written
from tests.integration.test_service_presets import COMEDY, HORROR

STRONG = add_genre("Horror", 2)


async def targeted(
    service: Service, name: str, *rules: rule_pb2.Rule, **targeting: Any
) -> preset_pb2.Preset:
    """A preset in force with this targeting."""
    own = preset_pb2.Preset(name=name, rules=rules, targeting=targeting_pb2.Targeting(**targeting))
    asked = preset_pb2.CreatePresetRequest(preset=own, author="ann", reason="test")
    return (await service.presets.CreatePreset(asked)).preset


def applied(response: recommender_pb2.RecommendResponse) -> list[tuple[str, int, bool]]:
    return [(own.name, own.revision, own.is_default) for own in response.applied_presets]


async def test_a_default_that_applied_applies_again_after_it_is_deleted(start: Start) -> None:
    async with start(**ALL) as service:
        stored = await targeted(service, "always", STRONG, is_default=True)
        response = await answered(service, request())
        await delete(service, stored)
        again = await replay(service, response.decision_id)
    assert applied(again.replayed) == [("always", 1, True)]
    assert again.is_same


async def test_a_default_of_today_does_not_apply_to_an_older_decision(start: Start) -> None:
    async with start(**ALL) as service:
        response = await answered(service, request())
        await targeted(service, "always", STRONG, is_default=True)
        again = await replay(service, response.decision_id)
        today = await service.recommender.Recommend(request())
    assert applied(again.replayed) == []
    assert again.is_same
    assert ids(today) != ids(response)


async def test_a_preset_that_was_kept_out_stays_out(start: Start) -> None:
    async with start(**ALL) as service:
        await targeted(service, "tv", STRONG, condition="context.surface == 'tv'")
        asked = request(presets=[preset("tv")])
        asked.context["surface"] = "home"
        response = await answered(service, asked)
        again = await replay(service, response.decision_id)
    assert [own.name for own in response.skipped_presets] == ["tv"]
    assert again.is_same


async def test_a_schedule_is_read_at_the_recorded_moment(start: Start) -> None:
    schedule = targeting_pb2.Schedule()
    schedule.end_time.FromDatetime(datetime.now(UTC) + timedelta(seconds=1.5))
    async with start(**ALL) as service:
        await targeted(service, "brief", STRONG, schedule=schedule)
        response = await answered(service, request(presets=[preset("brief")]))
        while applied(await service.recommender.Recommend(request(presets=[preset("brief")]))):
            await asyncio.sleep(0.02)
        assert (await replay(service, response.decision_id)).is_same


async def test_of_a_group_the_one_that_applied_applies_again(start: Start) -> None:
    async with start(**ALL) as service:
        await targeted(service, "low", COMEDY, exclusivity_group="mood", priority=1)
        await targeted(service, "high", STRONG, exclusivity_group="mood", priority=2)
        asked = request(presets=[preset("low"), preset("high")])
        response = await answered(service, asked)
        again = await replay(service, response.decision_id)
    assert applied(again.replayed) == [("high", 1, False)]
    assert again.is_same


async def test_an_older_revision_named_of_a_default_does_not_apply_twice(start: Start) -> None:
    async with start(**ALL) as service:
        await targeted(service, "other", COMEDY, is_default=True)
        await targeted(service, "always", STRONG, is_default=True)
        response = await answered(service, request(presets=[preset("always", 1)]))
        again = await replay(service, response.decision_id)
    assert applied(again.replayed) == applied(response)
    assert again.is_same


async def test_a_target_is_searched_again_to_the_same_slate(start: Start) -> None:
    async with start(**ALL) as service:
        target = recommender_pb2.Target(
            mix=[
                recommender_pb2.AttributeShare(
                    attribute=rule_pb2.Attribute(name="genre", value="Horror"), share=0.5
                )
            ],
            at_k=10,
        )
        response = await answered(service, request(COMEDY, target=target, k=10))
        again = await replay(service, response.decision_id)
    assert again.replayed.target_report == response.target_report
    assert again.is_same


async def test_a_budget_holds_the_same_part_back(start: Start) -> None:
    async with start(**ALL) as service:
        budget = recommender_pb2.Budget(min_overlap=0.8)
        response = await answered(service, request(add_genre("Horror", 5), budget=budget))
        again = await replay(service, response.decision_id)
    assert response.budget_report.edit_share < 1
    assert again.replayed.budget_report == response.budget_report
    assert again.is_same


async def test_an_answer_from_a_full_batch_is_replayed(start: Start) -> None:
    """Its neighbours changed rounding at most, which is no difference."""
    async with start(**ALL) as service:
        asked = recommender_pb2.BatchRecommendRequest(
            requests=[
                request(add(n % 12), history=[f"i{1 + (n + s) % 50}" for s in range(1 + n % 9)])
                for n in range(32)
            ]
        )
        results = (await service.recommender.BatchRecommend(asked)).results
        await written(service, 32)
        again = [await replay(service, own.response.decision_id) for own in results]
    assert [list(own.differences) for own in again] == [[]] * 32


async def test_a_decision_is_replayed_while_redis_is_away(start: Start, tmp_path: Path) -> None:
    place = str(tmp_path / "decisions.jsonl")
    settings = {"decision_log": place, "decision_sample_share": 1}
    with embedded_redis(tmp_path / "own-redis") as url:
        async with start(**settings, redis_url=url) as service:
            await targeted(service, "scary", HORROR)
            response = await answered(service, request(presets=[preset("scary")]))
    async with start(**settings, redis_url=url) as service:
        assert (await replay(service, response.decision_id)).is_same


def test_a_preset_is_asked_for_at_the_revision_that_applied() -> None:
    decision = decision_pb2.Decision(decision_id="s1")
    decision.response.applied_presets.add(name="scary", revision=3)
    decision.request.presets.add(name="scary")
    assert [own.revision for own in as_recorded(decision).presets] == [3]


async def test_a_store_that_numbers_anew_is_found_out(start: Start, tmp_path: Path) -> None:
    place = tmp_path / "decisions.jsonl"
    settings = {"decision_log": str(place), "decision_sample_share": 1}
    async with start(**settings) as service:
        await targeted(service, "scary", HORROR)
        response = await answered(service, request(presets=[preset("scary")]))
    text = place.read_text()
    year = datetime.now(UTC).year
    place.write_text(text.replace(f'"decide_time": "{year}', f'"decide_time": "{year - 1}'))
    async with start(**settings) as service:
        error = await refusal(replay(service, response.decision_id))
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "preset 'scary' revision 1 was written after it" in str(error.details())

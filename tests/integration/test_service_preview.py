"""Previews over a real channel: what a draft would do, on supplied and recorded histories."""

import asyncio
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from steerrec.v1 import (
    preset_pb2,
    preview_pb2,
    recommender_pb2,
    rule_pb2,
    targeting_pb2,
)

from tests.integration.asking import (
    HISTORY,
    add,
    add_genre,
    fields,
    ids,
    preset,
    reason,
    refusal,
    request,
    scale,
)
from tests.integration.conftest import Service, Start
from tests.integration.held import HeldModel
from tests.integration.test_service_decisions import ALL, answered
from tests.integration.test_service_presets import COMEDY, HORROR, create

HISTORIES = [[f"i{(7 * n + step) % 50 + 1}" for step in range(5)] for n in range(12)]
Event = preview_pb2.PreviewPresetResponse
STRONG = add_genre("Horror", 3)


def draft(*rules: rule_pb2.Rule, name: str = "draft", **fields: Any) -> preset_pb2.Preset:
    return preset_pb2.Preset(name=name, rules=rules, **fields)


def stored(name: str, revision: int = 0) -> preview_pb2.StoredRevision:
    return preview_pb2.StoredRevision(name=name, revision=revision)


def histories(
    own: Sequence[Sequence[str]] = HISTORIES, nexts: Sequence[str] = ()
) -> preview_pb2.SuppliedHistories:
    padded = [*nexts, *[""] * (len(own) - len(nexts))]
    return preview_pb2.SuppliedHistories(
        histories=[
            preview_pb2.PreviewHistory(item_ids=items, next_item_id=after)
            for items, after in zip(own, padded, strict=True)
        ]
    )


async def events(service: Service, **asked: Any) -> list[Event]:
    source = {} if "recorded" in asked else {"supplied": histories()}
    asked = {"k": 10, **source, **asked}
    call = service.previews.PreviewPreset(preview_pb2.PreviewPresetRequest(**asked))
    return [event async for event in call]


async def report(service: Service, **asked: Any) -> preview_pb2.PreviewReport:
    return (await events(service, **asked))[-1].report


async def test_progress_runs_from_none_to_all(service: Service) -> None:
    told = await events(service, draft=draft(HORROR))
    progress = [own.progress for own in told if own.WhichOneof("event") == "progress"]
    assert (progress[0].done_count, progress[-1].done_count) == (0, len(HISTORIES))


async def test_the_report_comes_last_and_once(service: Service) -> None:
    told = await events(service, draft=draft(HORROR))
    assert [own.WhichOneof("event") for own in told].count("report") == 1
    assert told[-1].WhichOneof("event") == "report"


async def test_the_report_names_what_was_run(service: Service) -> None:
    own = await report(service, draft=draft(HORROR), k=7)
    assert (own.preset, own.revision, own.model_version, own.history_count, own.k) == (
        "draft",
        0,
        "tiny-1",
        len(HISTORIES),
        7,
    )


async def test_shares_and_overlap_are_those_of_the_slates(service: Service) -> None:
    own = await report(service, draft=draft(STRONG), supplied=histories([HISTORY]))
    before = ids(await service.recommender.Recommend(request(k=10)))
    after = await service.recommender.Recommend(
        request(STRONG, k=10, view=recommender_pb2.VIEW_FULL)
    )
    horror = sum(("Horror" in [a.value for a in item.attributes]) for item in after.items) / 10
    assert own.overlap.mean == pytest.approx(len(set(before) & set(ids(after))) / 10)
    assert own.shares[0].after.mean == pytest.approx(horror)
    assert own.norm_share.mean == pytest.approx(after.shift.norm_share, abs=1e-5)


async def test_attributes_of_the_rules_come_first(service: Service) -> None:
    own = await report(service, draft=draft(add_genre("Documentary", 0.01), STRONG))
    assert [share.attribute.value for share in own.shares[:2]] == ["Documentary", "Horror"]


async def test_the_share_of_a_raised_attribute_rises(service: Service) -> None:
    own = await report(service, draft=draft(STRONG))
    assert own.shares[0].after.mean > own.shares[0].before.mean


async def test_percentiles_are_in_order(service: Service) -> None:
    own = (await report(service, draft=draft(STRONG))).overlap
    assert own.p5 <= own.p50 <= own.p95


async def test_cold_histories_are_counted_and_left_out(service: Service) -> None:
    alone = await report(service, draft=draft(STRONG), supplied=histories([HISTORY]))
    own = await report(service, draft=draft(STRONG), supplied=histories([HISTORY, ["x"], []]))
    assert (own.history_count, own.cold_count) == (3, 2)
    assert own.overlap == alone.overlap


async def test_a_rule_that_finds_nothing_is_inactive(service: Service) -> None:
    own = await report(service, draft=draft(scale(31, 2.0), add()))
    assert [rule.inactive_share for rule in own.rules] == [1, 0]


async def test_a_rule_that_is_cut_is_clipped(service: Service) -> None:
    own = await report(service, draft=draft(add(value=1000)))
    assert own.rules[0].clipped_share == 1


async def test_a_condition_reads_the_context(service: Service) -> None:
    asked = preview_pb2.PreviewPresetRequest()
    asked.context["surface"] = "home"
    own = await report(
        service, draft=draft(add(condition="context.surface == 'tv'")), context=asked.context
    )
    assert own.rules[0].condition_false_share == 1


async def test_a_historys_own_context_goes_first(service: Service) -> None:
    given = histories([HISTORY, HISTORY])
    given.histories[0].context["surface"] = "tv"
    own = await report(
        service, draft=draft(add(condition="context.surface == 'tv'")), supplied=given
    )
    assert own.rules[0].applied_share == 0.5


async def test_only_histories_that_targeting_meets_are_targeted(service: Service) -> None:
    given = histories([HISTORY] * 4)
    given.histories[0].context["surface"] = "tv"
    targeting = targeting_pb2.Targeting(condition="context.surface == 'tv'")
    own = await report(service, draft=draft(STRONG, targeting=targeting), supplied=given)
    assert own.targeted_share == 0.25


async def test_figures_are_of_the_targeted_histories(service: Service) -> None:
    given = histories([HISTORY] * 4)
    given.histories[0].context["surface"] = "tv"
    targeting = targeting_pb2.Targeting(condition="context.surface == 'tv'")
    own = await report(service, draft=draft(STRONG, targeting=targeting), supplied=given)
    plain = await report(service, draft=draft(STRONG), supplied=histories([HISTORY]))
    assert own.overlap == plain.overlap


async def test_a_schedule_is_read_at_the_moment_asked(service: Service) -> None:
    schedule = targeting_pb2.Schedule()
    schedule.start_time.FromDatetime(datetime(2030, 1, 1, tzinfo=UTC))
    own = draft(STRONG, targeting=targeting_pb2.Targeting(schedule=schedule))
    later = preview_pb2.PreviewPresetRequest()
    later.as_of_time.FromDatetime(datetime(2030, 6, 1, tzinfo=UTC))
    now = await report(service, draft=own)
    then = await report(service, draft=own, as_of_time=later.as_of_time)
    assert (now.targeted_share, then.targeted_share) == (0, 1)


async def test_defaults_in_force_apply_before_and_after(service: Service) -> None:
    await create_default(service, "always", STRONG)
    own = await report(service, draft=draft(add(9, 0.0)), supplied=histories([HISTORY]))
    after = ids(await service.recommender.Recommend(request(k=10)))
    catalogue = service.replica.current.snapshot.model("production").bundle.catalogue
    horror = (
        sum("Horror" in catalogue.attributes[catalogue.index_of[i]]["genre"] for i in after) / 10
    )
    shares = {own.attribute.value: own.before.mean for own in own.shares}
    assert shares["Horror"] == pytest.approx(horror)


async def create_default(service: Service, name: str, *rules: rule_pb2.Rule) -> None:
    targeting = targeting_pb2.Targeting(is_default=True)
    await service.presets.CreatePreset(
        preset_pb2.CreatePresetRequest(
            preset=preset_pb2.Preset(name=name, rules=rules, targeting=targeting),
            author="ann",
            reason="test",
        )
    )


async def test_the_revision_in_force_of_the_same_preset_does_not_apply_before(
    service: Service,
) -> None:
    await create_default(service, "always", STRONG)
    targeting = targeting_pb2.Targeting(is_default=True)
    own = await report(service, draft=draft(STRONG, name="always", targeting=targeting))
    assert own.overlap.mean < 1


async def test_ndcg_is_that_of_the_next_items_ranks(service: Service) -> None:
    before = ids(await service.recommender.Recommend(request(k=10)))
    after = ids(await service.recommender.Recommend(request(STRONG, k=10)))
    target = next(item for item in after if item in before)
    own = await report(
        service, draft=draft(STRONG), supplied=histories([HISTORY, HISTORY], [target])
    )
    assert own.next_known_count == 1
    assert own.ndcg_before == pytest.approx(1 / math.log2(before.index(target) + 2))
    assert own.ndcg_after == pytest.approx(1 / math.log2(after.index(target) + 2))


async def test_a_next_item_of_the_history_can_be_found_again(service: Service) -> None:
    with_history = ids(await service.recommender.Recommend(request(k=50, include_history=True)))
    own = await report(
        service, draft=draft(add(9, 0.0)), supplied=histories([HISTORY], [HISTORY[0]]), k=50
    )
    others = [item for item in with_history if item not in HISTORY[1:]]
    assert own.ndcg_before == pytest.approx(1 / math.log2(others.index(HISTORY[0]) + 2))


async def test_presets_in_force_that_contradict_are_named(service: Service) -> None:
    def bound(operation: Any, value: float) -> rule_pb2.Rule:
        return rule_pb2.Rule(feature_index=0, operation=operation, value=value)

    await create(service, "low", bound(rule_pb2.OPERATION_CAP, 0.1))
    await create(service, "other", HORROR)
    own = await report(service, draft=draft(bound(rule_pb2.OPERATION_FLOOR, 0.5)))
    assert [(found.preset, found.revision) for found in own.conflicts] == [("low", 1)]
    assert "its FLOOR of" in own.conflicts[0].message


async def test_unlike_sets_are_a_conflict(service: Service) -> None:
    def pin(value: float) -> rule_pb2.Rule:
        return rule_pb2.Rule(feature_index=0, operation=rule_pb2.OPERATION_SET, value=value)

    await create(service, "pinned", pin(0.1))
    own = await report(service, draft=draft(pin(0.2)))
    assert "the preset that applies later wins" in own.conflicts[0].message


async def test_a_stored_draft_is_previewed_at_its_newest(service: Service) -> None:
    await service.presets.CreatePreset(
        preset_pb2.CreatePresetRequest(
            preset=draft(STRONG, name="scary"), author="ann", reason="test", as_draft=True
        )
    )
    own = await report(service, stored=stored("scary"))
    assert (own.preset, own.revision) == ("scary", 1)


async def test_nothing_of_a_preview_is_live(service: Service) -> None:
    await report(service, draft=draft(STRONG))
    error = await refusal(service.recommender.Recommend(request(presets=[preset("draft")])))
    assert reason(error) == "PRESET_NOT_IN_FORCE"


async def test_recorded_histories_are_those_of_the_log(start: Start) -> None:
    async with start(**ALL) as service:
        for _ in range(3):
            await answered(service, request(k=10))
        own = await report(service, draft=draft(STRONG), recorded=preview_pb2.RecordedHistories())
        alone = await report(service, draft=draft(STRONG), supplied=histories([HISTORY]))
    assert (own.history_count, own.overlap.p50) == (3, alone.overlap.p50)


async def test_at_most_so_many_recorded_histories_are_taken(start: Start) -> None:
    async with start(**ALL) as service:
        for _ in range(3):
            await answered(service, request())
        recorded = preview_pb2.RecordedHistories(max_count=2)
        assert (await report(service, draft=draft(STRONG), recorded=recorded)).history_count == 2


async def test_an_empty_log_has_no_histories(start: Start) -> None:
    async with start(**ALL) as service:
        asked = events(service, draft=draft(STRONG), recorded=preview_pb2.RecordedHistories())
        assert reason(await refusal(asked)) == "NO_HISTORIES"


async def test_recorded_histories_need_a_log(service: Service) -> None:
    asked = events(service, draft=draft(STRONG), recorded=preview_pb2.RecordedHistories())
    assert reason(await refusal(asked)) == "DECISION_LOG_OFF"


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, ["subject"]),
        ({"draft": draft(HORROR), "supplied": histories([])}, ["supplied.histories"]),
        ({"draft": draft(HORROR), "k": 1001}, ["k"]),
        ({"draft": draft(HORROR), "k": -1}, ["k"]),
        ({"draft": draft(HORROR, name="No")}, ["draft.name"]),
        ({"draft": draft()}, ["draft.rules"]),
        ({"draft": draft(rule_pb2.Rule(value=1))}, ["draft.rules[0].operation"]),
        ({"draft": draft(add_genre("Nope", 1))}, ["draft.rules[0].attribute"]),
        (
            {"draft": draft(HORROR, targeting=targeting_pb2.Targeting(priority=9999))},
            ["draft.targeting.priority"],
        ),
        ({"stored": stored("scary", -1)}, ["stored.revision"]),
        (
            {"draft": draft(HORROR), "recorded": preview_pb2.RecordedHistories(max_count=-1)},
            ["recorded.max_count"],
        ),
        (
            {"draft": draft(HORROR), "supplied": histories([["x"] * 10_001])},
            ["supplied.histories[0].item_ids"],
        ),
    ],
)
async def test_a_bad_request_is_refused_by_field(
    service: Service, asked: dict[str, Any], field: list[str]
) -> None:
    error = await refusal(events(service, **asked))
    assert (error.code(), fields(error)) == (grpc.StatusCode.INVALID_ARGUMENT, field)


async def test_histories_are_required(service: Service) -> None:
    call = service.previews.PreviewPreset(preview_pb2.PreviewPresetRequest(draft=draft(HORROR)))
    assert fields(await refusal(call.read())) == ["histories"]


async def test_an_unknown_preset_is_not_found(service: Service) -> None:
    error = await refusal(events(service, stored=stored("nope")))
    assert reason(error) == "PRESET_MISSING"


async def test_an_unknown_revision_is_not_found(service: Service) -> None:
    await create(service, "scary", HORROR)
    error = await refusal(events(service, stored=stored("scary", 9)))
    assert reason(error) == "PRESET_MISSING"


async def test_an_unknown_model_is_not_found(service: Service) -> None:
    error = await refusal(events(service, draft=draft(HORROR), model="nope"))
    assert reason(error) == "MODEL_NOT_SERVED"


async def test_a_stream_carries_its_request_id(service: Service) -> None:
    call = service.previews.PreviewPreset(
        preview_pb2.PreviewPresetRequest(draft=draft(HORROR), supplied=histories())
    )
    async for _ in call:
        pass
    trailers: Any = await call.trailing_metadata()
    assert "x-request-id" in dict(trailers)


async def test_a_stream_is_counted(service: Service) -> None:
    await events(service, draft=draft(HORROR))
    labels = {"method": "/steerrec.v1.PreviewService/PreviewPreset", "code": "OK"}
    registry = service.replica.metrics.registry
    assert registry.get_sample_value("steerrec_requests_total", labels) == 1


async def test_bytes_that_are_no_message_are_refused(service: Service) -> None:
    channel: Any = service.channel
    call = channel.unary_stream("/steerrec.v1.PreviewService/PreviewPreset")(b"\xff\xff")
    assert (await refusal(call.read())).code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_caller_who_goes_away_ends_the_preview(start: Start, held: HeldModel) -> None:
    async with start() as service:
        call = service.previews.PreviewPreset(
            preview_pb2.PreviewPresetRequest(draft=draft(HORROR), supplied=histories())
        )
        await call.read()
        await held.is_busy()
        call.cancel()
        labels = {"method": "/steerrec.v1.PreviewService/PreviewPreset", "code": "CANCELLED"}
        registry = service.replica.metrics.registry
        async with asyncio.timeout(5):
            while not registry.get_sample_value("steerrec_requests_total", labels):
                await asyncio.sleep(0.01)
        held.let_go()
        again = await report(service, draft=draft(HORROR))
    assert again.history_count == len(HISTORIES)


async def test_a_drain_ends_a_preview_with_a_pause_to_keep(start: Start) -> None:
    async with start() as service:
        call = service.previews.PreviewPreset(
            preview_pb2.PreviewPresetRequest(
                draft=draft(HORROR), supplied=histories(HISTORIES * 800)
            )
        )
        await call.read()
        draining = asyncio.ensure_future(service.replica.drain())

        async def to_the_end() -> None:
            while await call.read() is not grpc.aio.EOF:
                pass

        error = await refusal(to_the_end())
        await draining
    assert reason(error) == "DRAINING"


async def test_live_requests_are_answered_while_a_preview_runs(service: Service) -> None:
    call = service.previews.PreviewPreset(
        preview_pb2.PreviewPresetRequest(draft=draft(HORROR), supplied=histories(HISTORIES * 100))
    )
    await call.read()
    assert ids(await service.recommender.Recommend(request()))
    assert await call.read() is not grpc.aio.EOF
    call.cancel()


async def test_conditional_contradictions_say_so(service: Service) -> None:
    pin = rule_pb2.Rule(
        feature_index=0,
        operation=rule_pb2.OPERATION_SET,
        value=1,
        condition="context.surface == 'tv'",
    )
    await create(service, "pinned", pin)
    own = await report(
        service,
        draft=draft(
            rule_pb2.Rule(feature_index=0, operation=rule_pb2.OPERATION_SET, value=2), COMEDY
        ),
    )
    assert "where their conditions hold" in own.conflicts[0].message

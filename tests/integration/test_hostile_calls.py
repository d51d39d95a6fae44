"""A hostile caller over gRPC: nothing is INTERNAL, nothing half done, and the others go on."""

import asyncio
import base64
import json
import math
from collections.abc import Awaitable
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from steerrec.v1 import decision_pb2, preset_pb2, preview_pb2, recommender_pb2, targeting_pb2

from tests.integration.asking import (
    add,
    add_genre,
    detail,
    fields,
    ids,
    preset,
    reason,
    refusal,
    request,
)
from tests.integration.conftest import Service, Start
from tests.integration.test_service_presets import COMEDY, HORROR, create

SIGNED: Any = {"author": "ann", "reason": "test"}
POSITIONS = (
    "",
    "0",
    "-1",
    "0-0",
    "00-0",
    "9" * 19 + "-0",
    "0-" + "9" * 19,
    "9" * 40,
    "a",
    "*",
    "\0",
)
"""Where no page starts, or none that was given."""
STRANGE = (None, math.pi, -0.0, 1e308, True, "", "\0", "\U0001f383", "x" * 3000, ["a"], {"a": 1.0})
"""Values that a rollout's key may have."""


def token(scope: str, position: object) -> str:
    """A forged page token."""
    return base64.urlsafe_b64encode(json.dumps([scope, position]).encode()).decode()


async def outcome(call: Awaitable[Any]) -> grpc.StatusCode:
    """How a call ends."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


@pytest.mark.parametrize("position", POSITIONS, ids=repr)
async def test_a_forged_token_gets_a_page_or_is_refused(start: Start, position: str) -> None:
    async with start(decision_log="redis", decision_sample_share=1) as service:
        await create(service, "scary", HORROR)
        await service.recommender.Recommend(request())
        presets, decisions = service.presets, service.decisions
        forged: list[Awaitable[Any]] = [
            presets.ListPresets(
                preset_pb2.ListPresetsRequest(page_token=token("presets False", position))
            ),
            presets.ListPresetRevisions(
                preset_pb2.ListPresetRevisionsRequest(
                    name="scary", page_token=token("revisions scary", position)
                )
            ),
            presets.ListAuditEvents(
                preset_pb2.ListAuditEventsRequest(page_token=token("audit ", position))
            ),
            decisions.ListDecisions(
                decision_pb2.ListDecisionsRequest(page_token=token("decisions", position))
            ),
        ]
        ends = {await outcome(call) for call in forged}
    assert ends <= {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT}


@pytest.mark.parametrize(
    "decision_id",
    ["s" + "f" * 23, "s" + "0" * 23, "x", "*", "\0", "s" * 100_000],
    ids=lambda own: own[:9],
)
async def test_a_forged_decision_is_not_found(start: Start, decision_id: str) -> None:
    async with start(decision_log="redis", decision_sample_share=1) as service:
        await service.recommender.Recommend(request())
        asked = decision_pb2.ReplayDecisionRequest(decision_id=decision_id)
        assert await outcome(service.decisions.ReplayDecision(asked)) is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("etag", ["x", "*", "1-", "\u202e", "x" * 100_000], ids=lambda own: own[:5])
async def test_a_forged_etag_loses(service: Service, etag: str) -> None:
    await create(service, "scary", HORROR)
    changed = preset_pb2.Preset(name="scary", etag=etag, rules=[COMEDY])
    asked = preset_pb2.UpdatePresetRequest(preset=changed, **SIGNED)
    assert await outcome(service.presets.UpdatePreset(asked)) is grpc.StatusCode.ABORTED


async def test_the_etag_of_another_preset_loses(service: Service) -> None:
    await create(service, "scary", HORROR)
    other = await create(service, "funny", COMEDY)
    asked = preset_pb2.DeletePresetRequest(name="scary", etag=other.etag, **SIGNED)
    assert await outcome(service.presets.DeletePreset(asked)) is grpc.StatusCode.ABORTED


async def test_of_racing_publishes_one_wins(service: Service) -> None:
    stored = await create(service, "scary", HORROR)
    for _ in range(4):
        stored.rules[0].value += 0.1
        draft = preset_pb2.UpdatePresetRequest(preset=stored, as_draft=True, **SIGNED)
        stored = (await service.presets.UpdatePreset(draft)).preset
    publishes = [
        service.presets.PublishPreset(
            preset_pb2.PublishPresetRequest(
                name="scary", revision=revision, etag=stored.etag, **SIGNED
            )
        )
        for revision in (2, 3, 4, 5)
    ]
    ends = await asyncio.gather(*map(outcome, publishes))
    assert sorted(end.name for end in ends) == ["ABORTED", "ABORTED", "ABORTED", "OK"]


async def test_no_request_gets_a_draft(service: Service) -> None:
    stored = await create(service, "scary", HORROR)
    draft = preset_pb2.UpdatePresetRequest(preset=stored, as_draft=True, **SIGNED)
    await service.presets.UpdatePreset(draft)
    asked = request(presets=[preset("scary", 2)])
    assert await outcome(service.recommender.Recommend(asked)) is grpc.StatusCode.NOT_FOUND


async def test_what_a_rollback_to_a_draft_leaves_is_as_before(service: Service) -> None:
    stored = await create(service, "scary", HORROR)
    draft = preset_pb2.UpdatePresetRequest(preset=stored, as_draft=True, **SIGNED)
    etag = (await service.presets.UpdatePreset(draft)).preset.etag
    back = preset_pb2.RollbackPresetRequest(name="scary", revision=2, etag=etag, **SIGNED)
    await refusal(service.presets.RollbackPreset(back))
    now = (await service.presets.GetPreset(preset_pb2.GetPresetRequest(name="scary"))).preset
    assert (now.revision, now.etag) == (1, etag)


async def test_hostile_contexts_are_decided(service: Service) -> None:
    targeting = targeting_pb2.Targeting(
        is_default=True, exclusivity_group="mood", condition="context.user != 'x'"
    )
    targeting.rollout.percent, targeting.rollout.context_key = 50, "user"
    for name in ("one", "two"):
        message = preset_pb2.Preset(name=name, rules=[HORROR], targeting=targeting)
        await service.presets.CreatePreset(preset_pb2.CreatePresetRequest(preset=message, **SIGNED))
    for value in STRANGE:
        asked = request(context={"user": value}, presets=[preset("two")])
        told = await service.recommender.Recommend(asked)
        assert len({*(own.name for own in told.applied_presets)} - {"one", "two"}) == 0
        assert len(told.applied_presets) <= 1


async def test_256_wrong_attributes_are_refused_together(service: Service) -> None:
    rules = [add_genre(f"Horor{number}", 1) for number in range(256)]
    error = await refusal(service.recommender.Recommend(request(*rules)))
    assert reason(error) == "RULES_REFUSED"
    bad = detail(error, error_details_pb2.BadRequest)
    assert bad.field_violations[-1].description.endswith("more")


@pytest.mark.parametrize("share", [math.nan, -1, 2, math.inf])
async def test_a_share_that_is_none_is_refused(service: Service, share: float) -> None:
    target = recommender_pb2.Target()
    target.mix.add(share=share).attribute.name = "genre"
    target.mix[0].attribute.value = "Horror"
    error = await refusal(service.recommender.Recommend(request(target=target)))
    assert fields(error) == ["target.mix[0].share"]


@pytest.mark.parametrize("bound", [math.nan, -1, 2, math.inf])
async def test_a_budget_that_is_none_is_refused(service: Service, bound: float) -> None:
    budget = recommender_pb2.Budget(min_overlap=bound, min_score_retained=bound, at_k=10**9)
    error = await refusal(service.recommender.Recommend(request(budget=budget)))
    assert fields(error) == ["budget.min_overlap", "budget.min_score_retained", "budget.at_k"]


async def test_with_every_item_excluded_every_wish_is_still_answered(service: Service) -> None:
    target = recommender_pb2.Target(at_k=200)
    target.mix.add(share=1).attribute.name = "genre"
    target.mix[0].attribute.value = "Horror"
    asked = request(
        add(value=1e6),
        target=target,
        budget=recommender_pb2.Budget(min_overlap=1, min_score_retained=1, at_k=1000),
        exclude_item_ids=[f"i{number}" for number in range(60)],
        with_counterfactual=True,
        with_rule_contributions=True,
        with_feature_contributions=True,
    )
    assert ids(await service.recommender.Recommend(asked)) == []


async def test_cancelled_previews_leave_the_replica_answering(service: Service) -> None:
    histories = preview_pb2.SuppliedHistories()
    for _ in range(2000):
        histories.histories.add(item_ids=["i1", "i3"])
    draft = preset_pb2.Preset(name="scary", rules=[HORROR])
    asked = preview_pb2.PreviewPresetRequest(draft=draft, supplied=histories)
    for _ in range(5):
        stream = service.previews.PreviewPreset(asked)
        await stream.read()
        stream.cancel()
    assert len(ids(await service.recommender.Recommend(request()))) == 10

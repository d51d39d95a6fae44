"""Presets that say when they apply: stored through gRPC, asked at every request."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from steerrec.v1 import preset_pb2, recommender_pb2, rule_pb2

from service.planning import Planned, planned
from service.presets.compiled import StoredPresets, compile_presets
from service.presets.conditions import compile_condition
from service.presets.record import head_of
from service.presets.schedule import Schedule
from service.presets.targeting import Targeting
from service.query import query_of
from steering.plan import Limits
from steering.rules import Attribute, Operation, Rule
from tests.integration.asking import (
    add,
    add_genre,
    fields,
    ids,
    preset,
    reason,
    reasons,
    refusal,
    request,
    scores,
    statuses,
)
from tests.integration.conftest import Service, Start
from tests.presets import NOON, draft

HORROR = add_genre("Horror", 0.5)
COMEDY = add_genre("Comedy", 0.5)
FULL = recommender_pb2.VIEW_FULL
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat().replace("+00:00", "Z")
LATER = {"start_time": TOMORROW}
NOBODY = {"percent": 0, "context_key": "user_id"}


def bound(operation: str, value: float) -> rule_pb2.Rule:
    """A FLOOR or a CAP on the first feature."""
    return rule_pb2.Rule(
        feature_index=0, operation=rule_pb2.Operation.Value(f"OPERATION_{operation}"), value=value
    )


def written(name: str, *rules: rule_pb2.Rule, **targeting: Any) -> preset_pb2.CreatePresetRequest:
    asked = preset_pb2.CreatePresetRequest(
        preset=preset_pb2.Preset(name=name, rules=rules), author="ann", reason="test"
    )
    json_format.ParseDict(targeting, asked.preset.targeting)
    return asked


async def create(
    service: Service, name: str, *rules: rule_pb2.Rule, **targeting: Any
) -> preset_pb2.Preset:
    """The preset, stored and in force."""
    return (await service.presets.CreatePreset(written(name, *rules, **targeting))).preset


async def answer(
    service: Service, *rules: rule_pb2.Rule, context: dict[str, Any] | None = None, **fields: Any
) -> recommender_pb2.RecommendResponse:
    asked = request(*rules, **fields)
    asked.context.update(context or {})
    return await service.recommender.Recommend(asked)


def applied(response: recommender_pb2.RecommendResponse) -> list[tuple[str, bool]]:
    return [(own.name, own.is_default) for own in response.applied_presets]


def skipped(response: recommender_pb2.RecommendResponse) -> list[tuple[str, str]]:
    names = recommender_pb2.SkipReason
    return [
        (own.name, names.Name(own.reason).removeprefix("SKIP_REASON_"))
        for own in response.skipped_presets
    ]


async def test_targeting_is_read_back_as_it_was_written(service: Service) -> None:
    stored = await create(
        service,
        "scary",
        HORROR,
        condition="context.age > 17",
        schedule={"start_time": "2026-10-31T17:00:00Z"},
        rollout={"percent": 12.5, "context_key": "user_id"},
        priority=-3,
        exclusivity_group="seasons",
        is_default=True,
    )
    asked = preset_pb2.GetPresetRequest(name="scary")
    assert (await service.presets.GetPreset(asked)).preset.targeting == stored.targeting


async def test_bad_targeting_is_refused_with_every_field(service: Service) -> None:
    asked = written("scary", HORROR, condition="1 +", priority=2000, rollout={"percent": 101})
    error = await refusal(service.presets.CreatePreset(asked))
    assert (error.code(), fields(error)) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        [
            "preset.targeting.rollout.percent",
            "preset.targeting.rollout.context_key",
            "preset.targeting.priority",
            "preset.targeting.condition",
        ],
    )


async def test_a_named_preset_applies_where_its_targeting_holds(service: Service) -> None:
    await create(service, "scary", HORROR, condition="context.age > 17")
    steered = await answer(service, presets=[preset("scary")], context={"age": 30})
    assert scores(steered) == scores(await answer(service, HORROR))


@pytest.mark.parametrize(
    ("targeting", "why"),
    [
        ({"condition": "context.age > 17"}, "CONDITION_FALSE"),
        ({"condition": "context.missing > 17"}, "CONDITION_FALSE"),
        ({"schedule": LATER}, "OUTSIDE_SCHEDULE"),
        ({"rollout": NOBODY}, "OUTSIDE_ROLLOUT"),
    ],
)
async def test_a_named_preset_is_kept_out_and_told_why(
    service: Service, targeting: dict[str, Any], why: str
) -> None:
    await create(service, "scary", HORROR, **targeting)
    response = await answer(service, presets=[preset("scary")], context={"age": 5, "user_id": "u1"})
    assert (applied(response), skipped(response)) == ([], [("scary", why)])


async def test_a_preset_kept_out_leaves_the_slate_as_it_was(service: Service) -> None:
    await create(service, "scary", HORROR, schedule=LATER)
    kept_out = await answer(service, presets=[preset("scary")])
    assert scores(kept_out) == scores(await answer(service))


async def test_every_rule_of_a_named_preset_kept_out_is_told(service: Service) -> None:
    await create(service, "scary", HORROR, COMEDY, schedule=LATER)
    response = await answer(service, add(8), presets=[preset("scary")])
    assert statuses(response) == ["CONDITION_FALSE", "CONDITION_FALSE", "APPLIED"]


async def test_a_revision_that_is_named_is_targeted_too(service: Service) -> None:
    await create(service, "scary", HORROR, schedule=LATER)
    response = await answer(service, presets=[preset("scary", 1)])
    assert skipped(response) == [("scary", "OUTSIDE_SCHEDULE")]


async def test_a_default_applies_without_being_named(service: Service) -> None:
    await create(service, "scary", HORROR, is_default=True)
    response = await answer(service)
    assert (applied(response), scores(response)) == (
        [("scary", True)],
        scores(await answer(service, HORROR, ignore_defaults=True)),
    )


async def test_a_request_may_leave_defaults_out(service: Service) -> None:
    unsteered = scores(await answer(service))
    await create(service, "scary", HORROR, is_default=True)
    response = await answer(service, ignore_defaults=True)
    assert (applied(response), scores(response)) == ([], unsteered)


async def test_a_default_that_is_named_applies_once_and_as_named(service: Service) -> None:
    await create(service, "scary", HORROR, is_default=True)
    assert applied(await answer(service, presets=[preset("scary")])) == [("scary", False)]


async def test_defaults_come_by_priority_and_name_and_before_the_named(service: Service) -> None:
    await create(service, "late", HORROR, is_default=True, priority=5)
    await create(service, "b", COMEDY, is_default=True)
    await create(service, "a", COMEDY, is_default=True)
    await create(service, "named", HORROR)
    response = await answer(service, presets=[preset("named")])
    assert applied(response) == [("a", True), ("b", True), ("late", True), ("named", False)]


async def test_a_default_kept_out_is_told_in_the_full_view_only(service: Service) -> None:
    await create(service, "scary", HORROR, is_default=True, schedule=LATER)
    basic, full = await answer(service), await answer(service, view=FULL)
    assert (skipped(basic), skipped(full)) == ([], [("scary", "OUTSIDE_SCHEDULE")])


async def test_no_rule_of_a_default_kept_out_is_told(service: Service) -> None:
    await create(service, "scary", HORROR, is_default=True, schedule=LATER)
    assert statuses(await answer(service, view=FULL)) == []


async def test_rules_of_a_default_are_told_before_the_requests_own(service: Service) -> None:
    await create(service, "scary", HORROR, is_default=True)
    reports = (await answer(service, add(8))).rule_reports
    assert [own.origin.preset for own in reports] == ["scary", ""]


async def test_of_a_group_the_highest_priority_applies(service: Service) -> None:
    await create(service, "low", HORROR, exclusivity_group="seasons")
    await create(service, "high", COMEDY, exclusivity_group="seasons", priority=1, is_default=True)
    response = await answer(service, presets=[preset("low")])
    assert (applied(response), skipped(response)) == ([("high", True)], [("low", "EXCLUDED")])


async def test_of_a_group_the_named_one_goes_before_a_default(service: Service) -> None:
    await create(service, "always", HORROR, exclusivity_group="seasons", is_default=True)
    await create(service, "named", COMEDY, exclusivity_group="seasons")
    assert applied(await answer(service, presets=[preset("named")])) == [("named", False)]


async def test_of_a_group_the_one_named_earlier_applies(service: Service) -> None:
    for name in ("a", "b"):
        await create(service, name, HORROR, exclusivity_group="seasons")
    response = await answer(service, presets=[preset("b"), preset("a")])
    assert (applied(response), skipped(response)) == ([("b", False)], [("a", "EXCLUDED")])


async def test_of_defaults_of_a_group_the_first_by_name_applies(service: Service) -> None:
    for name in ("b", "a"):
        await create(service, name, HORROR, exclusivity_group="seasons", is_default=True)
    assert applied(await answer(service)) == [("a", True)]


async def test_one_that_its_targeting_keeps_out_excludes_nobody(service: Service) -> None:
    await create(service, "high", COMEDY, exclusivity_group="seasons", priority=9, schedule=LATER)
    await create(service, "low", HORROR, exclusivity_group="seasons")
    response = await answer(service, presets=[preset("high"), preset("low")])
    assert applied(response) == [("low", False)]


async def test_a_rollout_takes_the_same_callers_again_and_more_when_raised(
    service: Service,
) -> None:
    async def takers(name: str) -> set[int]:
        answers = [
            await answer(service, presets=[preset(name)], context={"user_id": f"u{i}"})
            for i in range(40)
        ]
        return {i for i, response in enumerate(answers) if response.applied_presets}

    for percent in (30, 60):
        rollout = {"percent": percent, "context_key": "user_id", "salt": "autumn"}
        await create(service, f"to-{percent}", HORROR, rollout=rollout)
    few = await takers("to-30")
    assert few == await takers("to-30")
    assert few < await takers("to-60")


async def test_a_default_in_conflict_never_fails_a_request(service: Service) -> None:
    await create(service, "floor", bound("FLOOR", 2), is_default=True)
    response = await answer(service, bound("CAP", 1))
    assert (applied(response), reasons(response)) == ([], ["PRESET_SKIPPED"])


async def test_a_default_in_conflict_is_told_with_the_rules(service: Service) -> None:
    await create(service, "floor", bound("FLOOR", 2), is_default=True)
    (told,) = (await answer(service, bound("CAP", 1))).degraded
    assert told.detail.startswith("default preset 'floor' revision 1 is left out: ")
    assert "a FLOOR of" in told.detail


async def test_of_defaults_in_conflict_the_higher_priority_applies(service: Service) -> None:
    await create(service, "floor", bound("FLOOR", 2), is_default=True, priority=1)
    await create(service, "cap", bound("CAP", 1), is_default=True)
    await create(service, "scary", HORROR, is_default=True, priority=-1)
    assert applied(await answer(service)) == [("scary", True), ("floor", True)]


async def test_a_conflict_of_what_the_request_names_is_still_refused(service: Service) -> None:
    await create(service, "scary", HORROR, is_default=True)
    await create(service, "floor", bound("FLOOR", 2))
    asked = request(bound("CAP", 1), presets=[preset("floor")])
    assert reason(await refusal(service.recommender.Recommend(asked))) == "RULE_CONFLICT"


async def test_steering_left_out_leaves_defaults_out(service: Service) -> None:
    unsteered = scores(await answer(service))
    await create(service, "scary", HORROR, is_default=True)
    response = await answer(service, disable_steering=True)
    assert (scores(response), applied(response), statuses(response)) == (unsteered, [], [])


async def test_a_cold_start_is_not_steered_by_a_default(service: Service) -> None:
    popular = ids(await answer(service, history=[]))
    await create(service, "scary", HORROR, is_default=True)
    response = await answer(service, history=[])
    assert (ids(response), applied(response), statuses(response)) == (popular, [], ["INACTIVE"])


async def test_a_default_that_is_withdrawn_applies_no_more(service: Service) -> None:
    stored = await create(service, "scary", HORROR, is_default=True)
    stored.targeting.is_default = False
    update = preset_pb2.UpdatePresetRequest(preset=stored, author="ann", reason="test")
    update.update_mask.paths.append("targeting")
    await service.presets.UpdatePreset(update)
    assert applied(await answer(service)) == []


async def test_one_default_more_than_a_request_can_bear_is_refused(service: Service) -> None:
    for i in range(64):
        await create(service, f"p{i}", HORROR, is_default=True)
    error = await refusal(service.presets.CreatePreset(written("more", HORROR, is_default=True)))
    assert (error.code(), reason(error)) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "TOO_MANY_DEFAULTS",
    )


async def test_a_declared_context_refuses_a_misspelled_key(start: Start) -> None:
    async with start(context_types="surface=string, age=double") as service:
        asked = written("scary", HORROR, condition="context.agee > 17")
        error = await refusal(service.presets.CreatePreset(asked))
    assert "'agee' is no declared key of the context; did you mean 'age'?" in str(error.details())


async def test_a_declared_context_checks_the_conditions_of_rules(start: Start) -> None:
    async with start(context_types="surface=string, age=double") as service:
        asked = written("scary", add(8, condition="context.age == 'x'"))
        error = await refusal(service.presets.CreatePreset(asked))
    assert fields(error) == ["preset.rules[0].condition"]


async def test_a_declaration_leaves_presets_in_force(start: Start) -> None:
    async with start() as service:
        await create(service, "scary", HORROR, condition="context.country == 'de'")
    async with start(context_types="age=double") as service:
        response = await answer(service, presets=[preset("scary")], context={"country": "de"})
    assert applied(response) == [("scary", False)]


def planned_with(service: Service, targeting: Targeting, rule: Rule, now: datetime) -> Planned:
    """The plan of a plain request at a moment, under one preset that the store need not have."""
    served = service.replica.current.snapshot.model("production")
    record = replace(draft("scary", 1, rule), revision=1, targeting=targeting)
    stored = StoredPresets({"scary": head_of(record)}, {"scary": (record,)})
    presets = compile_presets(stored, served.bench)
    query = query_of(request(), "test")
    return planned(query, replace(served, presets=presets), compile_condition, Limits(), now)


async def test_a_schedule_is_read_at_the_moment_of_the_request(service: Service) -> None:
    until_noon = Targeting(schedule=Schedule(end_time=NOON), is_default=True)
    rule = Rule(Operation.ADD, Attribute("genre", "Horror"), 0.5)
    before = planned_with(service, until_noon, rule, NOON - timedelta(seconds=1))
    after = planned_with(service, until_noon, rule, NOON)
    assert ([len(before.applied), len(after.applied)]) == [1, 0]


async def test_a_default_that_the_bundle_cannot_honour_is_left_out_and_told(
    service: Service,
) -> None:
    unknown = Rule(Operation.ADD, Attribute("genre", "Nowhere"), 0.5)
    plan = planned_with(service, Targeting(is_default=True), unknown, NOON)
    assert plan.plan.is_empty
    assert plan.skipped[0].why.startswith(
        "default preset 'scary' revision 1 is left out: model 'tiny-1' cannot honour it: "
    )


async def test_a_default_that_cannot_be_honoured_and_would_not_apply_is_not_told(
    service: Service,
) -> None:
    unknown = Rule(Operation.ADD, Attribute("genre", "Nowhere"), 0.5)
    ended = Targeting(schedule=Schedule(end_time=NOON), is_default=True)
    assert planned_with(service, ended, unknown, NOON).skipped == []

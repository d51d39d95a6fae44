"""Presets in requests: stored through gRPC, in force at once, honoured or refused."""

from steerrec.v1 import preset_pb2, recommender_pb2, rule_pb2

from tests.integration.asking import (
    add,
    add_genre,
    preset,
    reasons,
    refusal,
    request,
    scores,
    statuses,
)
from tests.integration.conftest import Service, Start

SKIP = recommender_pb2.ON_UNKNOWN_PRESET_SKIP
HORROR = add_genre("Horror", 0.5)
COMEDY = add_genre("Comedy", 0.5)


async def create(service: Service, name: str, *rules: rule_pb2.Rule) -> preset_pb2.Preset:
    """The preset, stored and in force."""
    asked = preset_pb2.CreatePresetRequest(
        preset=preset_pb2.Preset(name=name, rules=rules), author="ann", reason="test"
    )
    return (await service.presets.CreatePreset(asked)).preset


async def update(
    service: Service, before: preset_pb2.Preset, *rules: rule_pb2.Rule
) -> preset_pb2.Preset:
    """The preset's next revision, in force."""
    after = preset_pb2.Preset(name=before.name, etag=before.etag, rules=rules)
    asked = preset_pb2.UpdatePresetRequest(preset=after, author="ann", reason="test")
    asked.update_mask.paths.append("rules")
    return (await service.presets.UpdatePreset(asked)).preset


async def test_a_preset_does_what_its_rules_do_inline(service: Service) -> None:
    await create(service, "scary", HORROR)
    by_name = await service.recommender.Recommend(request(presets=[preset("scary")]))
    inline = await service.recommender.Recommend(request(HORROR))
    assert scores(by_name) == scores(inline)


async def test_applied_presets_are_named_with_their_revision(service: Service) -> None:
    await create(service, "scary", HORROR)
    await create(service, "funny", COMEDY)
    asked = request(presets=[preset("funny"), preset("scary")])
    applied = (await service.recommender.Recommend(asked)).applied_presets
    assert [(own.name, own.revision) for own in applied] == [("funny", 1), ("scary", 1)]


async def test_reports_come_in_the_order_of_the_request(service: Service) -> None:
    await create(service, "scary", HORROR)
    asked = request(add(8), presets=[preset("scary")])
    reports = (await service.recommender.Recommend(asked)).rule_reports
    assert [own.origin.preset for own in reports] == ["scary", ""]


async def test_an_update_is_in_force_at_once(service: Service) -> None:
    await update(service, await create(service, "scary", HORROR), COMEDY)
    by_name = await service.recommender.Recommend(request(presets=[preset("scary")]))
    inline = await service.recommender.Recommend(request(COMEDY))
    assert scores(by_name) == scores(inline)


async def test_an_older_revision_can_be_named(service: Service) -> None:
    await update(service, await create(service, "scary", HORROR), COMEDY)
    by_name = await service.recommender.Recommend(request(presets=[preset("scary", 1)]))
    inline = await service.recommender.Recommend(request(HORROR))
    assert scores(by_name) == scores(inline)


async def test_a_misspelled_preset_gets_a_suggestion(service: Service) -> None:
    await create(service, "scary", HORROR)
    error = await refusal(service.recommender.Recommend(request(presets=[preset("scarry")])))
    assert "did you mean 'scary'?" in str(error.details())


async def test_an_unknown_preset_can_be_skipped(service: Service) -> None:
    asked = request(presets=[preset("nope")], on_unknown_preset=SKIP)
    assert reasons(await service.recommender.Recommend(asked)) == ["PRESET_SKIPPED"]


async def test_a_skipped_preset_leaves_the_others_in_force(service: Service) -> None:
    await create(service, "scary", HORROR)
    asked = request(presets=[preset("nope"), preset("scary")], on_unknown_preset=SKIP)
    inline = await service.recommender.Recommend(request(HORROR))
    assert scores(await service.recommender.Recommend(asked)) == scores(inline)


async def test_the_later_layer_wins_a_set(service: Service) -> None:
    def pin(value: float) -> rule_pb2.Rule:
        return rule_pb2.Rule(feature_index=0, operation=rule_pb2.OPERATION_SET, value=value)

    await create(service, "pinned", pin(0.1))
    response = await service.recommender.Recommend(request(pin(0.2), presets=[preset("pinned")]))
    assert statuses(response) == ["OVERRIDDEN", "APPLIED"]


async def test_presets_that_a_restart_finds_are_in_force(start: Start) -> None:
    async with start() as service:
        await create(service, "scary", HORROR)
    async with start() as service:
        response = await service.recommender.Recommend(request(presets=[preset("scary")]))
    assert statuses(response) == ["APPLIED"]


async def test_presets_in_force_are_counted(service: Service) -> None:
    await create(service, "scary", HORROR)
    registry = service.replica.metrics.registry
    assert registry.get_sample_value("steerrec_presets_in_force") == 1

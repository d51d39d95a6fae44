"""The life of a preset over gRPC: drafted, published, gone back to, deleted; and its audit."""

from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from steerrec.v1 import preset_pb2, rule_pb2, targeting_pb2

from service.presets.audit import Tip, content_break, event_from_proto, verify
from service.presets.record import from_proto
from tests.integration.asking import (
    add_genre,
    detail,
    fields,
    preset,
    reason,
    refusal,
    request,
    scores,
)
from tests.integration.conftest import Service

HORROR = add_genre("Horror", 0.5)
COMEDY = add_genre("Comedy", 0.5)
SIGNED: dict[str, Any] = {"author": "ann", "reason": "test"}
DRAFT = preset_pb2.PRESET_STATE_DRAFT
ACTIVE = preset_pb2.PRESET_STATE_ACTIVE


async def create(service: Service, *rules: rule_pb2.Rule, **options: Any) -> preset_pb2.Preset:
    """Preset "scary", stored."""
    own = preset_pb2.Preset(name="scary", rules=rules or [HORROR])
    asked = preset_pb2.CreatePresetRequest(preset=own, **(SIGNED | options))
    return (await service.presets.CreatePreset(asked)).preset


async def update(
    service: Service, before: preset_pb2.Preset, *rules: rule_pb2.Rule, **options: Any
) -> preset_pb2.Preset:
    """Its next revision."""
    after = preset_pb2.Preset(name="scary", etag=before.etag, rules=rules or [COMEDY])
    asked = preset_pb2.UpdatePresetRequest(preset=after, **(SIGNED | options))
    asked.update_mask.paths.append("rules")
    return (await service.presets.UpdatePreset(asked)).preset


async def publish(
    service: Service, before: preset_pb2.Preset, revision: int, **options: Any
) -> preset_pb2.Preset:
    """The preset with that draft in force."""
    asked = preset_pb2.PublishPresetRequest(
        name="scary", revision=revision, etag=before.etag, **(SIGNED | options)
    )
    return (await service.presets.PublishPreset(asked)).preset


async def roll_back(
    service: Service, before: preset_pb2.Preset, revision: int, **options: Any
) -> preset_pb2.Preset:
    """The preset with that revision in force again."""
    asked = preset_pb2.RollbackPresetRequest(
        name="scary", revision=revision, etag=before.etag, **(SIGNED | options)
    )
    return (await service.presets.RollbackPreset(asked)).preset


async def delete(service: Service, before: preset_pb2.Preset) -> preset_pb2.Preset:
    """The preset as archived."""
    asked = preset_pb2.DeletePresetRequest(name="scary", etag=before.etag, **SIGNED)
    return (await service.presets.DeletePreset(asked)).preset


async def revisions(service: Service, **page: Any) -> preset_pb2.ListPresetRevisionsResponse:
    """A page of its revisions."""
    asked = preset_pb2.ListPresetRevisionsRequest(name="scary", **page)
    return await service.presets.ListPresetRevisions(asked)


async def events(service: Service, **page: Any) -> preset_pb2.ListAuditEventsResponse:
    """A page of the chain."""
    return await service.presets.ListAuditEvents(preset_pb2.ListAuditEventsRequest(**page))


async def steered(service: Service, revision: int | None = None) -> list[float]:
    """Scores of a request that names the preset."""
    named = request(presets=[preset("scary", revision)])
    return scores(await service.recommender.Recommend(named))


async def inline(service: Service, *rules: rule_pb2.Rule) -> list[float]:
    """Scores of a request that brings the rules."""
    return scores(await service.recommender.Recommend(request(*rules)))


def states(presets: Sequence[preset_pb2.Preset]) -> list[tuple[int, str]]:
    """Revision and short state of each."""
    return [
        (own.revision, preset_pb2.PresetState.Name(own.state).removeprefix("PRESET_STATE_"))
        for own in presets
    ]


def actions(page: preset_pb2.ListAuditEventsResponse) -> list[str]:
    """Short names of the actions."""
    names = (preset_pb2.AuditAction.Name(event.action) for event in page.events)
    return [name.removeprefix("AUDIT_ACTION_") for name in names]


async def test_a_draft_leaves_what_is_in_force(service: Service) -> None:
    drafted = await update(service, await create(service), as_draft=True)
    assert drafted.state == DRAFT
    assert await steered(service) == await inline(service, HORROR)


async def test_a_published_draft_is_in_force_at_once(service: Service) -> None:
    drafted = await update(service, await create(service), as_draft=True)
    assert (await publish(service, drafted, 2)).state == ACTIVE
    assert await steered(service) == await inline(service, COMEDY)


async def test_a_request_cannot_name_a_draft(service: Service) -> None:
    await update(service, await create(service), as_draft=True)
    error = await refusal(steered(service, 2))
    assert error.code() == grpc.StatusCode.NOT_FOUND
    assert "preset 'scary' revision 2 is a draft: publish it first" in str(error.details())


async def test_a_request_cannot_name_a_preset_with_drafts_only(service: Service) -> None:
    await create(service, as_draft=True)
    assert "preset 'scary' is a draft" in str((await refusal(steered(service))).details())


async def test_a_preset_with_drafts_only_is_read_at_its_newest(service: Service) -> None:
    await update(service, await create(service, as_draft=True), as_draft=True)
    read = await service.presets.GetPreset(preset_pb2.GetPresetRequest(name="scary"))
    assert states([read.preset]) == [(2, "DRAFT")]


async def test_a_rollback_puts_the_same_revision_in_force_again(service: Service) -> None:
    updated = await update(service, await create(service))
    assert states([await roll_back(service, updated, 1)]) == [(1, "ACTIVE")]
    assert await steered(service) == await inline(service, HORROR)


async def test_a_rollback_revives_a_deleted_preset(service: Service) -> None:
    deleted = await delete(service, await create(service))
    assert states([await roll_back(service, deleted, 1)]) == [(1, "ACTIVE")]
    assert await steered(service) == await inline(service, HORROR)


async def test_a_dry_publish_changes_nothing(service: Service) -> None:
    drafted = await update(service, await create(service), as_draft=True)
    assert (await publish(service, drafted, 2, validate_only=True)).state == ACTIVE
    assert states((await revisions(service)).presets) == [(2, "DRAFT"), (1, "ACTIVE")]


async def test_a_dry_rollback_changes_nothing(service: Service) -> None:
    updated = await update(service, await create(service))
    assert (await roll_back(service, updated, 1, validate_only=True)).state == ACTIVE
    assert states((await revisions(service)).presets) == [(2, "ACTIVE"), (1, "SUPERSEDED")]


async def test_a_draft_changes_the_etag(service: Service) -> None:
    created = await create(service)
    await update(service, created, as_draft=True)
    error = await refusal(update(service, created))
    assert error.code() == grpc.StatusCode.ABORTED
    assert "its newest revision is 2, by ann at " in str(error.details())
    assert "and revision 1 is in force" in str(error.details())


async def test_a_lost_race_tells_programs_where_the_preset_stands(service: Service) -> None:
    created = await create(service)
    await update(service, created, as_draft=True)
    facts = detail(await refusal(update(service, created)), error_details_pb2.ErrorInfo).metadata
    assert (facts["newest_revision"], facts["revision_in_force"]) == ("2", "1")


async def test_what_is_in_force_cannot_be_published(service: Service) -> None:
    error = await refusal(publish(service, await create(service), 1))
    assert (error.code(), reason(error)) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "NOT_A_DRAFT",
    )


async def test_a_draft_cannot_be_gone_back_to(service: Service) -> None:
    drafted = await update(service, await create(service), as_draft=True)
    error = await refusal(roll_back(service, drafted, 2))
    assert "revision 2 is a DRAFT, and never was in force; publish it" in str(error.details())


async def test_a_revision_that_is_none_cannot_be_published(service: Service) -> None:
    error = await refusal(publish(service, await create(service), 7))
    assert error.code() == grpc.StatusCode.NOT_FOUND


async def test_a_publish_without_a_signature_names_what_lacks(service: Service) -> None:
    created = await create(service)
    error = await refusal(publish(service, created, 0, author="", reason=" "))
    assert fields(error) == ["revision", "author", "reason"]


async def test_revisions_come_newest_first_a_page_at_a_time(service: Service) -> None:
    updated = await update(service, await update(service, await create(service)))
    await update(service, updated, as_draft=True)
    first = await revisions(service, page_size=3)
    rest = await revisions(service, page_size=3, page_token=first.next_page_token)
    assert [own.revision for own in first.presets] == [4, 3, 2]
    assert [own.revision for own in rest.presets] == [1]
    assert rest.next_page_token == ""


async def test_a_diff_names_the_path_and_both_values(service: Service) -> None:
    await update(service, await create(service), add_genre("Horror", 0.25))
    diff = await service.presets.DiffPreset(
        preset_pb2.DiffPresetRequest(name="scary", from_revision=1)
    )
    assert [(own.field, own.before, own.after) for own in diff.differences] == [
        ("rules[0].value", "0.5", "0.25")
    ]


async def test_a_diff_is_from_what_is_in_force_to_the_newest(service: Service) -> None:
    await update(service, await create(service), as_draft=True)
    diff = await service.presets.DiffPreset(preset_pb2.DiffPresetRequest(name="scary"))
    assert (getattr(diff, "from").revision, diff.to.revision) == (1, 2)


async def test_targeting_is_stored_and_read_back(service: Service) -> None:
    targeting = targeting_pb2.Targeting(condition="context.age > 18.0", priority=3)
    own = preset_pb2.Preset(name="scary", rules=[HORROR], targeting=targeting)
    await service.presets.CreatePreset(preset_pb2.CreatePresetRequest(preset=own, **SIGNED))
    read = await service.presets.GetPreset(preset_pb2.GetPresetRequest(name="scary"))
    assert read.preset.targeting == targeting


async def test_targeting_that_makes_no_sense_is_refused_by_its_path(service: Service) -> None:
    targeting = targeting_pb2.Targeting(condition="nope(", priority=5000)
    own = preset_pb2.Preset(name="scary", rules=[HORROR], targeting=targeting)
    asked = preset_pb2.CreatePresetRequest(preset=own, **SIGNED)
    error = await refusal(service.presets.CreatePreset(asked))
    assert set(fields(error)) == {"preset.targeting.condition", "preset.targeting.priority"}


async def test_every_step_is_an_event_of_an_unbroken_chain(service: Service) -> None:
    drafted = await update(service, await create(service), as_draft=True)
    published = await publish(service, drafted, 2)
    await delete(service, await roll_back(service, published, 1))
    chain = await events(service)
    told = verify(map(event_from_proto, chain.events), Tip(chain.tip_sequence, chain.tip_hash))
    assert actions(chain) == ["CREATED", "DRAFTED", "PUBLISHED", "ROLLED_BACK", "ARCHIVED"]
    assert (told.n_events, told.broken) == (5, None)


async def test_the_chain_proves_the_revisions_as_the_service_tells_them(service: Service) -> None:
    await update(service, await create(service), as_draft=True)
    told = [from_proto(own) for own in (await revisions(service)).presets]
    contents = {(own.name, own.revision): own.content_hash for own in told}
    chain = [event_from_proto(event) for event in (await events(service)).events]
    assert len(contents) == 2
    assert content_break(chain, contents) is None


async def test_the_chain_comes_a_page_at_a_time(service: Service) -> None:
    await update(service, await update(service, await create(service)))
    first = await events(service, page_size=2)
    rest = await events(service, page_size=2, page_token=first.next_page_token)
    assert [event.sequence for event in (*first.events, *rest.events)] == [1, 2, 3]
    assert rest.next_page_token == ""


async def test_events_of_one_preset_can_be_asked_for(service: Service) -> None:
    await create(service)
    other = preset_pb2.Preset(name="cosy", rules=[COMEDY])
    await service.presets.CreatePreset(preset_pb2.CreatePresetRequest(preset=other, **SIGNED))
    assert [event.name for event in (await events(service, name="cosy")).events] == ["cosy"]


async def test_an_event_names_who_and_why(service: Service) -> None:
    await create(service, author="zoe", reason="halloween")
    event = (await events(service)).events[0]
    assert (event.author, event.reason) == ("zoe", "halloween")


async def test_a_dry_write_is_no_event(service: Service) -> None:
    await create(service, validate_only=True)
    assert (await events(service)).tip_sequence == 0


@pytest.mark.parametrize("token", ["x", "W10=", "WyJhdWRpdCAiLCAiKyJd"])
async def test_a_foreign_page_token_is_refused(service: Service, token: str) -> None:
    error = await refusal(events(service, page_token=token))
    assert fields(error) == ["page_token"]

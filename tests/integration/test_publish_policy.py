"""The publish policy over a real channel: what goes into force only after a preview."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from steerrec.v1 import preset_pb2, rule_pb2

from model_store.store import Store
from service.presets.connections import redis_client
from service.presets.embedded import embedded_redis
from service.preview.policy import PublishGate, PublishPolicy
from service.preview.summary import PREVIEWS_KEPT, PreviewSummary, RedisPreviews
from tests.integration.asking import add, fields, reason, refusal
from tests.integration.conftest import Service, Start
from tests.integration.test_service_decisions import own_store
from tests.integration.test_service_decisions import publish as publish_bundle
from tests.integration.test_service_presets import HORROR
from tests.integration.test_service_preview import HISTORIES, STRONG, histories, report, stored
from tests.presets import draft as record_of
from tests.tiny_model import TinyModel

__all__ = ["own_store"]
POLICY = {"publish_requires_preview": True, "publish_min_histories": 5}


async def drafted(
    service: Service, *rules: rule_pb2.Rule, name: str = "scary"
) -> preset_pb2.Preset:
    """The preset as a draft."""
    return (
        await service.presets.CreatePreset(
            preset_pb2.CreatePresetRequest(
                preset=preset_pb2.Preset(name=name, rules=rules),
                author="ann",
                reason="test",
                as_draft=True,
            )
        )
    ).preset


async def published(service: Service, own: preset_pb2.Preset, **fields: Any) -> preset_pb2.Preset:
    return (
        await service.presets.PublishPreset(
            preset_pb2.PublishPresetRequest(
                name=own.name,
                revision=own.revision,
                etag=own.etag,
                author="ann",
                reason="go",
                **fields,
            )
        )
    ).preset


async def test_without_a_policy_a_draft_is_published_unseen(service: Service) -> None:
    own = await published(service, await drafted(service, STRONG))
    assert own.state == preset_pb2.PRESET_STATE_ACTIVE


async def test_a_draft_that_nobody_previewed_is_refused(start: Start) -> None:
    async with start(**POLICY) as service:
        error = await refusal(published(service, await drafted(service, STRONG)))
    assert (error.code(), reason(error)) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "PUBLISH_REFUSED",
    )


async def test_the_refusal_has_the_command(start: Start) -> None:
    async with start(**POLICY) as service:
        error = await refusal(published(service, await drafted(service, STRONG)))
    assert "steerrec preset preview scary@1" in str(error.details())


async def test_a_previewed_draft_is_published(start: Start) -> None:
    async with start(**POLICY) as service:
        own = await drafted(service, STRONG)
        assert list((await report(service, stored=stored("scary"))).policy_violations) == []
        assert (await published(service, own)).state == preset_pb2.PRESET_STATE_ACTIVE


async def test_a_dry_publish_is_refused_alike(start: Start) -> None:
    async with start(**POLICY) as service:
        own = await drafted(service, STRONG)
        error = await refusal(published(service, own, validate_only=True))
    assert reason(error) == "PUBLISH_REFUSED"


async def test_a_preview_of_a_draft_that_is_not_stored_does_not_count(start: Start) -> None:
    async with start(**POLICY) as service:
        own = await drafted(service, STRONG)
        await report(service, draft=preset_pb2.Preset(name="scary", rules=[STRONG]))
        assert reason(await refusal(published(service, own))) == "PUBLISH_REFUSED"


async def test_every_violation_is_listed(start: Start) -> None:
    limits = {
        "publish_min_overlap": 1,
        "publish_max_clipped_share": 0,
        "publish_min_ndcg_kept": 0.9,
        "publish_min_histories": 100,
    }
    async with start(publish_requires_preview=True, **limits) as service:
        own = await drafted(service, add(value=1000))
        told = await report(service, stored=stored("scary"))
        error = await refusal(published(service, own))
    assert len(told.policy_violations) == 4
    assert fields(error) == ["revision"] * 4


async def test_an_inactive_rule_is_a_violation(start: Start) -> None:
    idle = rule_pb2.Rule(feature_index=31, operation=rule_pb2.OPERATION_SCALE, value=2)
    async with start(**POLICY, publish_max_inactive_share=0.5) as service:
        await drafted(service, idle)
        told = await report(service, stored=stored("scary"))
    assert list(told.policy_violations) == ["inactive share 1 of a rule is above 0.5"]


async def test_a_preset_that_applied_to_nobody_is_not_published(start: Start) -> None:
    async with start(**POLICY) as service:
        own = (
            await service.presets.CreatePreset(
                preset_pb2.CreatePresetRequest(
                    preset=preset_pb2.Preset(
                        name="scary",
                        rules=[STRONG],
                        targeting={"condition": "context.surface == 'tv'"},  # type: ignore[arg-type]
                    ),
                    author="ann",
                    reason="test",
                    as_draft=True,
                )
            )
        ).preset
        await report(service, stored=stored("scary"))
        error = await refusal(published(service, own))
    assert "applied to 0 histories, at least 5 are needed" in str(error.details())


async def test_a_kept_ndcg_is_enough(start: Start) -> None:
    async with start(**POLICY, publish_min_ndcg_kept=0.01) as service:
        own = await drafted(service, add(value=0.01))
        items = [f"i{index}" for index in range(1, 51)]
        nexts = [next(item for item in items if item not in given) for given in HISTORIES]
        told = await report(
            service, stored=stored("scary"), supplied=histories(HISTORIES, nexts), k=50
        )
        assert list(told.policy_violations) == []
        assert (await published(service, own)).revision == 1


async def test_a_write_in_force_at_once_is_refused(start: Start) -> None:
    async with start(**POLICY) as service:
        asked = preset_pb2.CreatePresetRequest(
            preset=preset_pb2.Preset(name="scary", rules=[HORROR]), author="ann", reason="test"
        )
        error = await refusal(service.presets.CreatePreset(asked))
        assert reason(error) == "PUBLISH_REFUSED"
        left = await service.presets.ListPresets(preset_pb2.ListPresetsRequest())
    assert list(left.presets) == []


async def test_an_update_in_force_at_once_is_refused(start: Start) -> None:
    async with start(**POLICY) as service:
        own = await drafted(service, STRONG)
        await report(service, stored=stored("scary"))
        own = await published(service, own)
        after = preset_pb2.Preset(name="scary", etag=own.etag, rules=[HORROR])
        asked = preset_pb2.UpdatePresetRequest(preset=after, author="ann", reason="test")
        error = await refusal(service.presets.UpdatePreset(asked))
    assert reason(error) == "PUBLISH_REFUSED"


async def test_a_rollback_needs_no_preview(start: Start) -> None:
    async with start(**POLICY) as service:
        own = await drafted(service, STRONG)
        await report(service, stored=stored("scary"))
        own = await published(service, own)
        after = preset_pb2.Preset(name="scary", etag=own.etag, rules=[HORROR])
        own = (
            await service.presets.UpdatePreset(
                preset_pb2.UpdatePresetRequest(
                    preset=after, author="ann", reason="test", as_draft=True
                )
            )
        ).preset
        await report(service, stored=stored("scary"))
        own = await published(service, own)
        asked = preset_pb2.RollbackPresetRequest(
            name="scary", revision=1, etag=own.etag, author="ann", reason="back"
        )
        assert (await service.presets.RollbackPreset(asked)).preset.revision == 1


async def test_a_preview_on_an_older_bundle_does_not_count(
    start: Start,
    own_store: Store,
    tmp_path: Path,
) -> None:
    async with start(**POLICY, bundles=own_store.root) as service:
        own = await drafted(service, STRONG)
        await report(service, stored=stored("scary"))
        publish_bundle(own_store, tmp_path, TinyModel(seed=7), "tiny-2")
        await service.replica.models.refresh()
        error = await refusal(published(service, own))
    assert "the preview was on bundle 'tiny-1', production is 'tiny-2'" in str(error.details())


async def test_previews_outlive_a_restart(start: Start) -> None:
    async with start(**POLICY) as service:
        own = await drafted(service, STRONG)
        await report(service, stored=stored("scary"))
    async with start(**POLICY) as service:
        assert (await published(service, own)).state == preset_pb2.PRESET_STATE_ACTIVE


def summary(content_hash: str, **fields: Any) -> PreviewSummary:
    own: dict[str, Any] = {
        "content_hash": content_hash,
        "model_version": "m",
        "previewed_at": 1000.0,
        "targeted_count": 500,
        "overlap": 0.9,
        "inactive_share": 0.0,
        "clipped_share": 0.0,
        "next_known_count": 0,
        "ndcg_before": 0.0,
        "ndcg_after": 0.0,
    }
    return PreviewSummary(**(own | fields))


async def test_an_old_preview_does_not_count(tmp_path: Path) -> None:
    record = record_of()
    with embedded_redis(tmp_path) as url:
        previews = RedisPreviews(redis_client(url))
        await previews.keep(record, summary(record.content_hash))
        policy = PublishPolicy(requires_preview=True, max_preview_age_s=60)
        gate = PublishGate(policy, previews, lambda: "m", clock=lambda: 1061.0)
        with pytest.raises(Exception, match="the preview is 61 s old, at most 60 s count"):
            await gate(record)
        await previews.aclose()


async def test_a_preview_of_other_content_does_not_count(tmp_path: Path) -> None:
    record = record_of()
    with embedded_redis(tmp_path) as url:
        previews = RedisPreviews(redis_client(url))
        await previews.keep(record, summary("other"))
        gate = PublishGate(PublishPolicy(requires_preview=True), previews, lambda: "m")
        with pytest.raises(Exception, match="was not previewed as it is stored"):
            await gate(record)
        await previews.aclose()


async def test_previews_of_a_preset_are_bounded(tmp_path: Path) -> None:
    with embedded_redis(tmp_path) as url:
        previews = RedisPreviews(redis_client(url))
        for revision in range(1, PREVIEWS_KEPT + 3):
            record = replace(record_of(), revision=revision)
            await previews.keep(record, summary(record.content_hash))
        assert await previews.of(replace(record_of(), revision=2)) is None
        assert await previews.of(replace(record_of(), revision=3)) is not None
        await previews.aclose()

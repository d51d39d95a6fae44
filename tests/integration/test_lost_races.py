"""Who comes second is told who was first, when, with what, and what to do."""

import re

import grpc
import pytest
from google.rpc import error_details_pb2
from steerrec.v1 import preset_pb2

from tests.integration.asking import add_genre, detail, refusal
from tests.integration.conftest import Service


async def written(service: Service, author: str, etag: str = "") -> preset_pb2.Preset:
    own = preset_pb2.Preset(name="scary", rules=[add_genre("Horror", 0.5)], etag=etag)
    if not etag:
        created = await service.presets.CreatePreset(
            preset_pb2.CreatePresetRequest(preset=own, author=author, reason="test")
        )
        return created.preset
    updated = await service.presets.UpdatePreset(
        preset_pb2.UpdatePresetRequest(preset=own, author=author, reason="test")
    )
    return updated.preset


@pytest.fixture
async def lost_race(service: Service) -> grpc.aio.AioRpcError:
    """Of ann, who read the preset before bob changed it."""
    read = (await written(service, "ann")).etag
    await written(service, "bob", read)
    return await refusal(written(service, "ann", read))


async def test_the_sentence_says_who_what_and_when(lost_race: grpc.aio.AioRpcError) -> None:
    assert lost_race.code() is grpc.StatusCode.ABORTED
    assert re.search(
        r"its newest revision is 2, by bob at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, and revision 2 is"
        r" in force\. Nothing was written: read it, look at what changed, and make the change",
        str(lost_race.details()),
    )


async def test_a_change_that_wrote_no_revision_is_told_too(service: Service) -> None:
    first = await written(service, "ann")
    second = await written(service, "ann", first.etag)
    await service.presets.RollbackPreset(
        preset_pb2.RollbackPresetRequest(
            name="scary", revision=1, etag=second.etag, author="carol", reason="back"
        )
    )
    error = await refusal(written(service, "ann", second.etag))
    assert "and revision 1 is in force; revision 1 was rolled back by carol at" in str(
        error.details()
    )


async def test_programs_are_told_the_same(lost_race: grpc.aio.AioRpcError) -> None:
    facts = dict(detail(lost_race, error_details_pb2.ErrorInfo).metadata)
    assert facts.pop("changed_at").endswith("+00:00")
    assert facts.pop("written").startswith("by bob at ")
    assert facts.pop("request_id")
    assert facts == {
        "newest_revision": "2",
        "revision_in_force": "2",
        "changed_by": "bob",
        "change": "updated",
        "changed_revision": "2",
    }

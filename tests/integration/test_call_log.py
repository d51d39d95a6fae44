"""A refused call and a write of a preset leave a line under the id that their caller was given."""

import logging
from collections.abc import AsyncIterator, Iterator

import grpc
import pytest
import pytest_asyncio
from steerrec.v1 import preset_pb2, recommender_pb2

from service import batcher
from service.request_id import REQUEST_ID
from tests.integration.asking import add, refusal, request
from tests.integration.conftest import Service, Start
from tests.integration.test_service_errors import broken
from tests.integration.test_service_presets import HORROR, create

METHOD = "/steerrec.v1.RecommenderService"


@pytest_asyncio.fixture(params=["own", "grpcio"])
async def service(request: pytest.FixtureRequest, start: Start) -> AsyncIterator[Service]:
    """On either wire."""
    async with start(wire=request.param) as running:
        yield running


class Lines(logging.Handler):
    """What was logged, with the ids that were in force then."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, str]] = []
        """Id and message of each."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.seen.append((REQUEST_ID.get(), record.getMessage()))


@pytest.fixture
def lines() -> Iterator[list[tuple[str, str]]]:
    """Id and message of every line of the service, from INFO on."""
    handler, room = Lines(), logging.getLogger("service")
    before = room.level
    room.addHandler(handler)
    room.setLevel(logging.INFO)
    yield handler.seen
    room.removeHandler(handler)
    room.setLevel(before)


def told_id(error: grpc.aio.AioRpcError) -> str:
    """The id in the trailing metadata of a refusal."""
    return str(dict(error.trailing_metadata() or ())["x-request-id"])


def refused(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those of refusals."""
    return [own for own in lines if own[1].startswith("refused: ")]


async def test_a_refused_call_leaves_a_line_under_its_id(
    service: Service, lines: list[tuple[str, str]]
) -> None:
    error = await refusal(service.recommender.Recommend(request(k=0)))
    ((request_id, line),) = refused(lines)
    assert request_id == told_id(error)
    assert line.startswith(f"refused: {METHOD}/Recommend INVALID_ARGUMENT INVALID_REQUEST after ")


async def test_the_line_is_under_the_callers_own_id(
    service: Service, lines: list[tuple[str, str]]
) -> None:
    await refusal(service.recommender.Recommend(request(k=0, request_id="mine")))
    assert [request_id for request_id, _ in refused(lines)] == ["mine"]


async def test_an_answered_call_leaves_none(service: Service, lines: list[tuple[str, str]]) -> None:
    await service.recommender.Recommend(request())
    assert refused(lines) == []


async def test_each_refused_request_of_a_batch_leaves_one(
    service: Service, lines: list[tuple[str, str]]
) -> None:
    asked = [request(request_id="good"), request(k=0, request_id="bad"), request(add(99))]
    reply = await service.recommender.BatchRecommend(
        recommender_pb2.BatchRecommendRequest(requests=asked)
    )
    assert sorted(line.replace(":", "").split()[1:4] for _, line in refused(lines)) == [
        [f"{METHOD}/BatchRecommend", "INVALID_ARGUMENT", "INVALID_REQUEST"],
        [f"{METHOD}/BatchRecommend", "INVALID_ARGUMENT", "RULES_REFUSED"],
    ]
    assert "bad" in {request_id for request_id, _ in refused(lines)}
    assert [own.HasField("error") for own in reply.results] == [False, True, True]


async def test_a_refused_request_of_a_stream_leaves_one(
    service: Service, lines: list[tuple[str, str]]
) -> None:
    stream = service.recommender.StreamRecommend(
        iter([recommender_pb2.StreamRecommendRequest(requests=[request(k=0, request_id="bad")])])
    )
    [_ async for _ in stream]
    assert [request_id for request_id, _ in refused(lines)] == ["bad"]


async def test_a_refused_stream_leaves_one_under_its_id(
    service: Service, lines: list[tuple[str, str]]
) -> None:
    stream = service.recommender.StreamRecommend(iter([recommender_pb2.StreamRecommendRequest()]))
    with pytest.raises(grpc.aio.AioRpcError) as told:
        [_ async for _ in stream]
    assert [request_id for request_id, _ in refused(lines)] == [told_id(told.value)]


async def test_a_refused_write_leaves_one_under_its_id(
    service: Service, lines: list[tuple[str, str]]
) -> None:
    asked = preset_pb2.CreatePresetRequest(preset=preset_pb2.Preset(name="x y"))
    error = await refusal(service.presets.CreatePreset(asked))
    assert [request_id for request_id, _ in refused(lines)] == [told_id(error)]


async def test_a_fault_of_ours_is_logged_under_its_id(
    service: Service, lines: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batcher, "forward", broken)
    error = await refusal(service.recommender.Recommend(request()))
    assert lines == [(told_id(error), f"{METHOD}/Recommend failed")]


async def test_a_write_leaves_a_line_under_the_id_of_its_call(
    service: Service, lines: list[tuple[str, str]]
) -> None:
    call = service.presets.CreatePreset(
        preset_pb2.CreatePresetRequest(
            preset=preset_pb2.Preset(name="scary", rules=[HORROR]), author="ada", reason="why"
        )
    )
    await call
    request_id = str(dict(await call.trailing_metadata())["x-request-id"])
    assert (request_id, "preset scary: created, revision 1, by ada") in lines


async def test_a_write_that_is_only_checked_leaves_none(
    service: Service, lines: list[tuple[str, str]]
) -> None:
    await service.presets.CreatePreset(
        preset_pb2.CreatePresetRequest(
            preset=preset_pb2.Preset(name="scary", rules=[HORROR]),
            author="ada",
            reason="why",
            validate_only=True,
        )
    )
    assert [line for _, line in lines if line.startswith("preset ")] == []


async def test_every_change_of_a_preset_leaves_a_line(
    service: Service, lines: list[tuple[str, str]]
) -> None:
    first = await create(service, "scary", HORROR)
    deleted = await service.presets.DeletePreset(
        preset_pb2.DeletePresetRequest(name="scary", etag=first.etag, author="bo", reason="why")
    )
    await service.presets.RollbackPreset(
        preset_pb2.RollbackPresetRequest(
            name="scary", revision=1, etag=deleted.preset.etag, author="cy", reason="why"
        )
    )
    words = [line.split(": ")[1] for _, line in lines if line.startswith("preset scary")]
    assert [own.split(",")[0] for own in words] == ["created", "archived", "rolled back"]


async def test_a_flood_of_refusals_is_counted_and_not_logged(
    service: Service, lines: list[tuple[str, str]]
) -> None:
    for _ in range(120):
        await refusal(service.recommender.Recommend(request(k=0)))
    assert len(refused(lines)) < 120

"""The decision logs on a real disk and a real Redis, and the recorder before them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from steerrec.v1.decision_pb2 import Decision
from steerrec.v1.recommender_pb2 import RecommendRequest, RecommendResponse

from service.decisions.file_log import OLDER_FILES, FileLog
from service.decisions.log import DecisionLog, Page
from service.decisions.recorder import QUEUE, DecisionRecorder
from service.decisions.redis_log import RedisLog
from service.errors import DecisionLogAway, InvalidRequest, SettingsRefused
from service.metrics import Metrics
from service.presets.connections import redis_client
from service.presets.embedded import embedded_redis
from service.recommend import Pinned
from steering.plan import Limits

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
PINNED = Pinned(cast("Any", None), Limits(), NOON)


def decision(number: int) -> Decision:
    own = Decision(decision_id=f"s{number:023x}")
    own.request.history.append("i1" * 50)
    return own


@pytest.fixture(params=["redis", "file"])
async def log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[DecisionLog]:
    """An empty log of each kind."""
    if request.param == "file":
        own = FileLog(tmp_path / "decisions.jsonl", max_bytes=2**20)
        yield own
        await own.aclose()
        return
    with embedded_redis(tmp_path) as url:
        redis = RedisLog(redis_client(url), keep=1000)
        yield redis
        await redis.aclose()


async def test_a_decision_is_found_by_its_id(log: DecisionLog) -> None:
    for number in range(250):
        await log.append(decision(number))
    assert await log.decision(decision(3).decision_id) == decision(3)


async def test_what_is_not_there_is_not_found(log: DecisionLog) -> None:
    await log.append(decision(1))
    assert await log.decision(decision(2).decision_id) is None


async def test_an_empty_log_has_an_empty_page(log: DecisionLog) -> None:
    assert await log.page(10, "") == Page([], "")


async def test_a_page_ends_where_it_would_be_too_large(
    log: DecisionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("file_log", "redis_log"):
        monkeypatch.setattr(f"service.decisions.{kind}.MAX_PAGE_BYTES", 500)
    for number in range(20):
        await log.append(decision(number))
    assert len((await log.page(1000, "")).decisions) < 10


async def test_a_redis_position_of_another_form_is_refused(tmp_path: Path) -> None:
    with embedded_redis(tmp_path) as url:
        own = RedisLog(redis_client(url), keep=1000)
        with pytest.raises(InvalidRequest):
            await own.page(1, "nope")
        await own.aclose()


async def test_a_file_is_rotated_by_size(tmp_path: Path) -> None:
    own = FileLog(tmp_path / "d.jsonl", max_bytes=2000)
    for number in range(20):
        await own.append(decision(number))
    await own.aclose()
    sizes = [path.stat().st_size for path in tmp_path.glob("d.jsonl*") if path.suffix != ".lock"]
    assert len(sizes) > 1
    assert max(sizes) <= 2000


async def test_rotation_forgets_the_oldest(tmp_path: Path) -> None:
    own = FileLog(tmp_path / "d.jsonl", max_bytes=1000)
    for number in range(200):
        await own.append(decision(number))
    assert await own.decision(decision(0).decision_id) is None
    await own.aclose()
    assert not (tmp_path / f"d.jsonl.{OLDER_FILES + 1}").exists()


async def test_pages_go_on_across_rotated_files(tmp_path: Path) -> None:
    own = FileLog(tmp_path / "d.jsonl", max_bytes=4000)
    for number in range(30):
        await own.append(decision(number))
    found, position = [], ""
    while True:
        page = await own.page(7, position)
        found += [one.decision_id for one in page.decisions]
        position = page.position
        if not position:
            break
    await own.aclose()
    assert found == [decision(number).decision_id for number in reversed(range(30))]


async def test_a_damaged_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text("{damaged\n")
    own = FileLog(path, max_bytes=2**20)
    await own.append(decision(1))
    assert list((await own.page(10, "")).decisions) == [decision(1)]
    await own.aclose()


async def test_two_replicas_do_not_share_a_file(tmp_path: Path) -> None:
    own = FileLog(tmp_path / "d.jsonl", max_bytes=2**20)
    with pytest.raises(SettingsRefused, match="is written by another replica"):
        FileLog(tmp_path / "d.jsonl", max_bytes=2**20)
    await own.aclose()


def test_a_folder_in_the_files_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused, match="cannot be written"):
        FileLog(tmp_path, max_bytes=2**20)


async def test_a_redis_that_is_away_is_told(tmp_path: Path) -> None:
    own = RedisLog(redis_client(f"unix://{tmp_path}/none.sock"), keep=10)
    with pytest.raises(DecisionLogAway):
        await own.append(decision(1))
    await own.aclose()


async def test_a_full_redis_is_told(tmp_path: Path) -> None:
    with embedded_redis(tmp_path) as url:
        redis = redis_client(url)
        await redis.config_set("maxmemory", "1")
        own = RedisLog(redis, keep=10)
        with pytest.raises(DecisionLogAway):
            await own.append(decision(1))
        await own.aclose()


def outcome(metrics: Metrics, name: str) -> float:
    value = metrics.registry.get_sample_value("steerrec_decisions_total", {"outcome": name})
    return value or 0.0


async def test_a_full_queue_drops_and_counts(tmp_path: Path) -> None:
    own, metrics = FileLog(tmp_path / "d.jsonl", max_bytes=2**20), Metrics()
    recorder = DecisionRecorder(own, metrics, sample_share=1, replica_id="r")
    for _ in range(QUEUE + 3):
        recorder.record(RecommendRequest(), RecommendResponse(), PINNED)
    await own.aclose()
    assert outcome(metrics, "queue_full") == 3


async def test_what_waits_at_the_end_is_written(tmp_path: Path) -> None:
    own, metrics = FileLog(tmp_path / "d.jsonl", max_bytes=2**20), Metrics()
    recorder = DecisionRecorder(own, metrics, sample_share=1, replica_id="r")
    async with recorder.running():
        for _ in range(20):
            recorder.record(RecommendRequest(), RecommendResponse(), PINNED)
    assert len((await own.page(100, "")).decisions) == 20
    await own.aclose()


async def test_recording_goes_on_when_redis_comes_back(tmp_path: Path) -> None:
    socket, metrics = tmp_path / "redis.sock", Metrics()
    own = RedisLog(redis_client(f"unix://{socket}"), keep=10)
    recorder = DecisionRecorder(own, metrics, sample_share=1, replica_id="r")
    async with recorder.running(), asyncio.timeout(20):
        recorder.record(RecommendRequest(), RecommendResponse(), PINNED)
        while not outcome(metrics, "log_away"):
            await asyncio.sleep(0.01)
        with embedded_redis(tmp_path):
            recorder.record(RecommendRequest(), RecommendResponse(), PINNED)
            while not outcome(metrics, "kept"):
                await asyncio.sleep(0.01)
    await own.aclose()

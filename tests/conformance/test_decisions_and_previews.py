"""One suite for decision logs and one for kept previews: in memory, in a file, on every Redis."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from steerrec.v1.decision_pb2 import Decision

from service.decisions.file_log import FileLog
from service.decisions.log import DecisionLog, Page
from service.decisions.record import to_json
from service.decisions.redis_log import RedisLog
from service.presets.connections import redis_client
from service.presets.keys import Keys
from service.preview.summary import PREVIEWS_KEPT, Previews, PreviewSummary, RedisPreviews
from tests.fakes.decision_log import MemoryLog, MemoryPreviews
from tests.presets import draft

SUMMARY = PreviewSummary("hash", "tiny-1", 1000.0, 500, 0.9, 0.1, 0.2, 50, 0.25, 0.2)
RECORD = replace(draft(), revision=1)
REDISES = ["redis", "sentinel", "cluster"]


def decision(number: int) -> Decision:
    own = Decision(decision_id=f"s{number:023x}")
    own.request.history.extend(["i1", "größe"])
    own.response.items.add(item_id="i2", score=1 / 3)
    return own


@pytest.fixture(params=["memory", "file", *REDISES])
async def log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[DecisionLog]:
    """An empty log of each kind."""
    own: DecisionLog
    if request.param == "memory":
        own = MemoryLog()
    elif request.param == "file":
        own = FileLog(tmp_path / "decisions.jsonl", max_bytes=2**20)
    else:
        url = request.getfixturevalue(f"{request.param}_url")
        own = RedisLog(redis_client(url), keep=1000, keys=Keys(prefix=request.node.name))
    yield own
    await own.aclose()


@pytest.fixture(params=["memory", *REDISES])
async def previews(request: pytest.FixtureRequest) -> AsyncIterator[Previews]:
    """A keeper of each kind, empty."""
    if request.param == "memory":
        yield MemoryPreviews()
        return
    url = request.getfixturevalue(f"{request.param}_url")
    own = RedisPreviews(redis_client(url), Keys(prefix=request.node.name))
    yield own
    await own.aclose()


async def test_a_decision_reads_back_whole(log: DecisionLog) -> None:
    await log.append(decision(1))
    found = await log.decision(decision(1).decision_id)
    assert found is not None
    assert to_json(found) == to_json(decision(1))


async def test_a_decision_that_was_not_kept_is_none(log: DecisionLog) -> None:
    await log.append(decision(1))
    assert await log.decision(decision(2).decision_id) is None


async def test_an_empty_log_has_an_empty_page(log: DecisionLog) -> None:
    assert await log.page(3, "") == Page([], "")


async def test_a_page_has_the_newest_first(log: DecisionLog) -> None:
    for number in range(3):
        await log.append(decision(number))
    page = await log.page(3, "")
    assert [own.decision_id for own in page.decisions] == [
        decision(number).decision_id for number in (2, 1, 0)
    ]


async def test_pages_join_up_and_end(log: DecisionLog) -> None:
    for number in range(5):
        await log.append(decision(number))
    first = await log.page(2, "")
    second = await log.page(2, first.position)
    third = await log.page(2, second.position)
    found = [own for page in (first, second, third) for own in page.decisions]
    assert found == [decision(number) for number in (4, 3, 2, 1, 0)]
    assert third.position == ""


async def test_a_page_is_not_moved_by_newer_decisions(log: DecisionLog) -> None:
    for number in range(3):
        await log.append(decision(number))
    first = await log.page(1, "")
    await log.append(decision(9))
    assert list((await log.page(1, first.position)).decisions) == [decision(1)]


async def test_a_revision_that_was_not_previewed_has_no_summary(previews: Previews) -> None:
    assert await previews.of(RECORD) is None


async def test_a_summary_reads_back(previews: Previews) -> None:
    await previews.keep(RECORD, SUMMARY)
    assert await previews.of(RECORD) == SUMMARY


async def test_a_later_summary_takes_the_place(previews: Previews) -> None:
    await previews.keep(RECORD, SUMMARY)
    await previews.keep(RECORD, replace(SUMMARY, overlap=0.5))
    assert await previews.of(RECORD) == replace(SUMMARY, overlap=0.5)


async def test_summaries_of_revisions_do_not_mix(previews: Previews) -> None:
    await previews.keep(RECORD, SUMMARY)
    assert await previews.of(replace(RECORD, revision=2)) is None


async def test_the_lowest_revisions_make_room(previews: Previews) -> None:
    for revision in range(1, PREVIEWS_KEPT + 2):
        await previews.keep(replace(RECORD, revision=revision), SUMMARY)
    assert await previews.of(RECORD) is None
    assert await previews.of(replace(RECORD, revision=2)) == SUMMARY

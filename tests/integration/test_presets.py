"""Presets on a real Redis that is killed, restarted and emptied under the follower."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from service.presets.compiled import StoredPresets
from service.presets.connections import redis_client
from service.presets.embedded import embedded_redis
from service.presets.errors import (
    EtagMismatch,
    RecordCorrupt,
    RedisNotStarted,
    StoreUnavailable,
)
from service.presets.follower import OnChange, PresetFollower
from service.presets.keys import Keys
from service.presets.lifecycle import Lifecycle
from service.presets.redis_store import RedisStore
from service.presets.snapshot_file import FILE, SnapshotFile
from tests.presets import draft

WAIT_S = 10.0


async def nothing(_: StoredPresets) -> None:
    """For followers whose changes are not looked at."""


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    with embedded_redis(tmp_path / "redis") as url:
        yield url


@asynccontextmanager
async def following(
    url: str, folder: Path, on_change: OnChange = nothing
) -> AsyncIterator[PresetFollower]:
    store = RedisStore(redis_client(url))
    follower = PresetFollower(store, folder, on_change)
    await follower.start()
    task = asyncio.create_task(follower.follow())
    try:
        yield follower
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await store.aclose()


@contextmanager
def paused(url: str) -> Iterator[None]:
    """Redis takes connections and answers nothing."""
    with redis.Redis.from_url(url) as client:
        pid = client.info("server")["process_id"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def stops_answering(url: str) -> bool:
    """Whether no Redis is at the URL, or one goes away within a few seconds."""
    with redis.Redis.from_url(url) as client:
        for _ in range(100):
            try:
                client.ping()
            except (redis.RedisError, OSError):
                return True
            time.sleep(0.05)
    return False


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not holds():
            await asyncio.sleep(0.02)


async def create(url: str, name: str) -> str:
    store = RedisStore(redis_client(url))
    try:
        return (await Lifecycle(store).create(draft(name))).cursor
    finally:
        await store.aclose()


async def test_a_preset_written_elsewhere_arrives(redis_url: str, tmp_path: Path) -> None:
    async with following(redis_url, tmp_path) as follower:
        cursor = await create(redis_url, "scary")
        assert await follower.caught_up(cursor, WAIT_S)
        assert "scary" in follower.stored.records


async def test_a_change_is_told_whole(redis_url: str, tmp_path: Path) -> None:
    await create(redis_url, "scary")
    told: list[StoredPresets] = []

    async def tell(stored: StoredPresets) -> None:
        told.append(stored)

    async with following(redis_url, tmp_path, tell) as follower:
        await follower.caught_up(await create(redis_url, "cosy"), WAIT_S)
    assert set(told[-1].heads) == {"scary", "cosy"}


async def test_a_redis_that_does_not_answer_leaves_the_last_good(
    redis_url: str, tmp_path: Path
) -> None:
    await create(redis_url, "scary")
    async with following(redis_url, tmp_path) as follower:
        with paused(redis_url):
            await until(lambda: not follower.is_connected)
            assert "scary" in follower.stored.records


async def test_age_grows_while_redis_does_not_answer(redis_url: str, tmp_path: Path) -> None:
    async with following(redis_url, tmp_path) as follower:
        with paused(redis_url):
            await until(lambda: not follower.is_connected)
            assert follower.age_s() > 1


async def test_the_follower_is_in_step_again_when_redis_answers(
    redis_url: str, tmp_path: Path
) -> None:
    async with following(redis_url, tmp_path) as follower:
        with paused(redis_url):
            await until(lambda: not follower.is_connected)
        await until(lambda: follower.is_connected)
        assert await follower.caught_up(await create(redis_url, "scary"), WAIT_S)


async def test_an_emptied_redis_is_not_taken_for_no_presets(redis_url: str, tmp_path: Path) -> None:
    await create(redis_url, "scary")
    async with following(redis_url, tmp_path) as follower:
        with redis.Redis.from_url(redis_url) as client:
            client.flushall()
        await until(lambda: not follower.is_connected)
        assert "scary" in follower.stored.records


async def test_a_store_that_lost_data_is_not_followed_however_much_is_written(
    redis_url: str, tmp_path: Path
) -> None:
    await create(redis_url, "scary")
    async with following(redis_url, tmp_path) as follower:
        with redis.Redis.from_url(redis_url) as client:
            client.flushall()
        await create(redis_url, "cosy")
        await until(lambda: not follower.is_connected)
        await asyncio.sleep(0.5)
        assert set(follower.stored.heads) == {"scary"}


async def test_an_odd_event_does_not_stop_the_follower(redis_url: str, tmp_path: Path) -> None:
    async with following(redis_url, tmp_path) as follower:
        with redis.Redis.from_url(redis_url) as client:
            client.xadd(Keys().audit, {"event": "odd"})
        assert await follower.caught_up(await create(redis_url, "scary"), WAIT_S)


async def test_a_damaged_copy_does_not_matter_where_redis_answers(
    redis_url: str, tmp_path: Path
) -> None:
    (tmp_path / FILE).write_bytes(b"\xff")
    await create(redis_url, "scary")
    async with following(redis_url, tmp_path) as follower:
        assert "scary" in follower.stored.records


async def test_a_restart_without_redis_still_has_the_last_good(tmp_path: Path) -> None:
    with embedded_redis(tmp_path / "redis") as url:
        await create(url, "scary")
        async with following(url, tmp_path):
            pass
    async with following(url, tmp_path) as follower:
        assert "scary" in follower.stored.records
        assert not follower.is_connected


async def test_a_first_start_without_redis_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        async with following(f"unix://{tmp_path}/none.sock", tmp_path):
            pass


def test_a_damaged_copy_is_refused_by_name(tmp_path: Path) -> None:
    SnapshotFile(tmp_path).save(StoredPresets(), 0.0)
    file = tmp_path / FILE
    file.write_text(file.read_text().replace("schema", "schemb"))
    with pytest.raises(RecordCorrupt, match=r"presets\.json: its checksum does not fit"):
        SnapshotFile(tmp_path).load()


async def test_presets_outlive_the_embedded_redis(tmp_path: Path) -> None:
    with embedded_redis(tmp_path / "redis") as url:
        await create(url, "scary")
    with embedded_redis(tmp_path / "redis") as url:
        store = RedisStore(redis_client(url))
        assert "scary" in await store.heads()
        await store.aclose()


def test_two_embedded_redises_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        embedded_redis(tmp_path),
        pytest.raises(RedisNotStarted, match="is in use by another replica"),
        embedded_redis(tmp_path),
    ):
        pass


def test_a_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    with embedded_redis(tmp_path / ("x" * 120)) as url, redis.Redis.from_url(url) as client:
        assert client.ping()


def test_the_embedded_redis_is_gone_after_its_block(tmp_path: Path) -> None:
    with embedded_redis(tmp_path) as url, redis.Redis.from_url(url) as client:
        pid = client.info("server")["process_id"]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_embedded_redis_dies_with_a_killed_replica(tmp_path: Path) -> None:
    script = (
        "import sys, time, pathlib; from service.presets.embedded import embedded_redis\n"
        "with embedded_redis(pathlib.Path(sys.argv[1])) as url:\n"
        "    print(url, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as replica:
        url = replica.stdout.readline().strip() if replica.stdout else ""
        replica.kill()
    assert stops_answering(url)


async def test_a_record_that_cannot_be_read_takes_no_other_along(
    redis_url: str, tmp_path: Path
) -> None:
    await create(redis_url, "scary")
    await create(redis_url, "cosy")
    with redis.Redis.from_url(redis_url) as client:
        client.hset(Keys().revisions("scary"), "1", '{"from": "the future"}')
    async with following(redis_url, tmp_path) as follower:
        records = follower.stored.records
    assert (records["scary"], len(records["cosy"])) == ((), 1)


async def test_a_cancelled_write_gives_nobody_elses_answer(redis_url: str) -> None:
    store = RedisStore(redis_client(redis_url))
    life = Lifecycle(store)
    writes = [asyncio.create_task(life.create(draft(f"p{i}"))) for i in range(50)]
    await asyncio.sleep(0.005)
    for write in writes[::2]:
        write.cancel()
    await asyncio.gather(*writes, return_exceptions=True)
    heads = await store.heads()
    records = {name: await store.revision(name, 1) for name in heads}
    await store.aclose()
    assert all(record and record.name == name for name, record in records.items())


async def test_racing_writers_lose_no_write(redis_url: str) -> None:
    one, other = RedisStore(redis_client(redis_url)), RedisStore(redis_client(redis_url))
    await Lifecycle(one).create(draft(value=0))

    async def add_one(store: RedisStore) -> None:
        while True:
            now = await Lifecycle(store).current("scary")
            try:
                await Lifecycle(store).update(
                    "scary",
                    now.head.etag,
                    lambda old: replace(
                        old, rules=(replace(old.rules[0], value=old.rules[0].value + 1),)
                    ),
                )
            except EtagMismatch:
                continue
            return

    await asyncio.gather(*(add_one(store) for store in (one, other) * 10))
    total = (await Lifecycle(one).current("scary")).record.rules[0].value
    await one.aclose()
    await other.aclose()
    assert total == 20

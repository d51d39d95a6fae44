"""What cannot be read in a real Redis is set aside by name, and the rest goes on."""

from dataclasses import replace
from pathlib import Path

import pytest

from service.presets.errors import RecordCorrupt
from service.presets.follower import PresetFollower
from service.presets.lifecycle import Lifecycle
from service.presets.loss import LossResolver, Resolution
from tests.conformance.scenes import NAME, Scene, following, nothing, update
from tests.integration.waiting import until
from tests.presets import draft

GARBAGE = [
    b"\xff\xfe",
    b"",
    b"text",
    b"[1, 2]",
    b"null",
    b"[" * 100_000,
    b'{"etag": "1-x", "revision": "one", "is_archived": false}',
    b'{"etag": "1-x", "revision": -1, "is_archived": false}',
    b'{"etag": "1-x", "revision": 1, "is_archived": false, "since": "a later version"}',
    b'{"etag": 7, "revision": 1, "is_archived": false}',
]


def replace_newest_revision(scene: Scene) -> None:
    """The number of revisions stays what was counted."""
    scene.client.hdel(scene.keys.revisions(NAME), "3")
    scene.client.hset(scene.keys.revisions(NAME), "99", b"{}")


def is_set_aside(follower: PresetFollower) -> bool:
    return follower.is_connected and set(follower.stored.unreadable) == {NAME}


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_an_unreadable_head_is_set_aside_at_a_start(
    scene: Scene, garbage: bytes, tmp_path: Path
) -> None:
    scene.client.hset(scene.keys.heads, NAME, garbage)
    joining = PresetFollower(scene.store, tmp_path / "empty", nothing)
    await joining.start()
    assert (is_set_aside(joining), set(joining.stored.heads)) == (True, {"cosy"})


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_a_running_replica_goes_on_with_the_last_good_one(
    scene: Scene, garbage: bytes
) -> None:
    served = scene.follower.stored
    async with following(scene.follower):
        scene.client.hset(scene.keys.heads, NAME, garbage)
        await until(lambda: is_set_aside(scene.follower))
    now = scene.follower.stored
    assert (now.heads, now.records) == (served.heads, served.records)


@pytest.mark.parametrize("garbage", [b"\xff\xfe", b"{}", b'{"name": "other", "revision": "3"}'])
async def test_an_unreadable_revision_is_set_aside(
    scene: Scene, garbage: bytes, tmp_path: Path
) -> None:
    scene.client.hset(scene.keys.revisions(NAME), "3", garbage)
    joining = PresetFollower(scene.store, tmp_path / "empty", nothing)
    await joining.start()
    kept = [record.revision for record in joining.stored.records[NAME]]
    assert (is_set_aside(joining), kept) == (True, [1, 2])


@pytest.mark.parametrize("kind", ["revisions", "previews"])
async def test_a_key_of_one_preset_that_holds_another_type_is_set_aside(
    scene: Scene, kind: str
) -> None:
    key = scene.key(kind)
    async with following(scene.follower):
        scene.client.delete(key)
        scene.client.lpush(key, "x")
        await until(lambda: is_set_aside(scene.follower))
    assert scene.follower.stored.records[NAME][-1].revision == 3


async def test_a_preset_whose_revision_in_force_is_gone_is_set_aside(
    scene: Scene, tmp_path: Path
) -> None:
    replace_newest_revision(scene)
    joining = PresetFollower(scene.store, tmp_path / "empty", nothing)
    await joining.start()
    assert is_set_aside(joining)


@pytest.mark.parametrize("key", ["heads", "audit", "audit_tip", "census"])
async def test_a_key_of_all_presets_that_holds_another_type_is_lost_data(
    scene: Scene, key: str
) -> None:
    served = scene.follower.stored
    async with following(scene.follower):
        scene.client.delete(scene.key(key))
        scene.client.sadd(scene.key(key), "x")
        await until(lambda: scene.follower.state == "LOST_DATA")
        resolver = LossResolver(scene.store, scene.follower)
        await resolver.resolve(Resolution.RESTORE, "ann", "overwritten")
        await until(lambda: scene.follower.is_connected)
    read = await scene.store.read_all(20)
    assert (read.heads, read.records) == (served.heads, served.records)


@pytest.mark.parametrize("tip", [b"000003:ab", b"3:a\xff", b"3:a:b", b"-1:a", b"9" * 99 + b":a"])
async def test_a_tip_of_any_text_can_be_resolved(scene: Scene, tip: bytes) -> None:
    scene.client.set(scene.keys.audit_tip, tip)
    async with following(scene.follower):
        await until(lambda: scene.follower.state == "LOST_DATA")
        resolver = LossResolver(scene.store, scene.follower)
        await resolver.resolve(Resolution.RESTORE, "ann", "overwritten")
        await until(lambda: scene.follower.is_connected)
    assert await update(scene.store) == 4


@pytest.mark.parametrize("key", ["seen", "replicas"])
async def test_a_key_that_is_written_again_replaces_another_type(scene: Scene, key: str) -> None:
    scene.client.delete(scene.key(key))
    scene.client.sadd(scene.key(key), "x")
    await scene.store.tell("one", "report", 60.0, await scene.store.tip())
    assert (await update(scene.store), set(await scene.store.told(60.0))) == (4, {"one"})


async def test_a_write_to_what_is_set_aside_is_refused_with_the_way_out(scene: Scene) -> None:
    scene.client.hset(scene.keys.heads, NAME, b"\xff")
    with pytest.raises(RecordCorrupt, match="`steerrec preset store restore` writes back"):
        await Lifecycle(scene.store).create(draft(NAME))


async def test_writes_to_other_presets_go_on(scene: Scene) -> None:
    scene.client.hset(scene.keys.heads, NAME, b"\xff")
    life = Lifecycle(scene.store)
    now = await life.current("cosy")
    written = await life.update("cosy", now.head.etag, lambda own: replace(own, reason="on"))
    assert written.record.revision == 2


async def test_a_restore_writes_back_what_was_set_aside(scene: Scene) -> None:
    served = scene.follower.stored
    async with following(scene.follower):
        scene.client.hset(scene.keys.heads, NAME, b"\xff")
        scene.client.hset(scene.keys.revisions(NAME), "2", b"\xff")
        await until(lambda: is_set_aside(scene.follower))
        resolver = LossResolver(scene.store, scene.follower)
        await resolver.resolve(Resolution.RESTORE, "ann", "overwritten")
        await until(lambda: not scene.follower.stored.unreadable)
    read = await scene.store.read_all(20)
    assert (read.heads, read.records) == (served.heads, served.records)


@pytest.mark.parametrize("place", ["heads", "revisions"])
async def test_accepting_archives_what_was_set_aside_and_numbers_go_on(
    scene: Scene, place: str
) -> None:
    async with following(scene.follower):
        field = NAME if place == "heads" else "3"
        scene.client.hset(scene.key(place), field, b"\xff")
        await scene.follower._read_all()  # revisions are not read again by themselves
        resolver = LossResolver(scene.store, scene.follower)
        resolved = await resolver.resolve(Resolution.ACCEPT, "ann", "overwritten")
        await until(lambda: not scene.follower.stored.unreadable)
    assert (resolved.names, await update(scene.store)) == ([NAME], 4)


@pytest.mark.parametrize("resolution", Resolution)
async def test_what_no_replica_has_read_again_yet_can_be_resolved(
    scene: Scene, resolution: Resolution
) -> None:
    scene.client.hset(scene.keys.revisions(NAME), "3", b"\xff")
    async with following(scene.follower):
        resolver = LossResolver(scene.store, scene.follower)
        resolved = await resolver.resolve(resolution, "ann", "overwritten")
    assert (resolved.names, (await scene.store.read_all(20)).unreadable) == ([NAME], {})


async def test_a_restore_writes_back_a_revision_in_force_that_is_gone(scene: Scene) -> None:
    replace_newest_revision(scene)
    resolver = LossResolver(scene.store, scene.follower)
    await resolver.resolve(Resolution.RESTORE, "ann", "deleted")
    assert await scene.store.revision(NAME, 3) == scene.follower.stored.records[NAME][-1]


@pytest.mark.parametrize("number", ["9" * 5000, "9" * 30, "٣"])
async def test_a_field_that_is_no_revision_does_not_count_for_a_restore(
    scene: Scene, number: str
) -> None:
    served = scene.follower.stored
    scene.client.hset(scene.keys.revisions(NAME), number, "{}")
    scene.client.hset(scene.keys.heads, NAME, b"\xff")
    await LossResolver(scene.store, scene.follower).resolve(Resolution.RESTORE, "ann", "odd")
    assert await scene.store.heads() == served.heads


@pytest.mark.parametrize("told", ["9" * 400 + ":report", "٣:report"])
async def test_a_report_of_an_impossible_time_hides_no_other(scene: Scene, told: str) -> None:
    scene.client.hset(scene.keys.replicas, "odd", told)
    assert set(await scene.store.told(60.0)) == {"one"}


async def test_what_an_operator_mends_in_redis_is_taken_again(scene: Scene) -> None:
    good = scene.client.hget(scene.keys.heads, NAME)
    async with following(scene.follower):
        scene.client.hset(scene.keys.heads, NAME, b"\xff")
        await until(lambda: is_set_aside(scene.follower))
        scene.client.hset(scene.keys.heads, NAME, str(good))
        await until(lambda: not scene.follower.stored.unreadable)


async def test_an_unreadable_report_hides_no_other(scene: Scene) -> None:
    scene.client.hset(scene.keys.replicas, "odd", b"\xff")
    assert set(await scene.store.told(60.0)) == {"one"}


async def test_an_unreadable_audit_event_stops_nothing(scene: Scene) -> None:
    scene.client.xadd(scene.keys.audit, {"garbage": "\x00"})
    await scene.follower.check_store(NAME)
    assert await update(scene.store) == 4

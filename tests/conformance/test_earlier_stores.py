"""Stores that an earlier version wrote, or writes at the same time, are taken over."""

from dataclasses import replace

import pytest

from service.presets.audit import AuditAction, AuditEvent, chained
from service.presets.errors import StoreLostData
from service.presets.follower import PresetFollower
from service.presets.lifecycle import Lifecycle
from service.presets.record import Head, head_of, next_revision, to_json
from tests.conformance.scenes import NAME, Scene, following, nothing, update
from tests.integration.waiting import until
from tests.presets import NOON


def as_before(scene: Scene) -> None:
    """Makes the keys those of the version before the census."""
    entries = scene.client.xrange(scene.keys.audit)
    scene.client.delete(scene.keys.audit, scene.keys.census, scene.keys.seen)
    for cursor, fields in entries:
        fields.pop("counted")
        scene.client.xadd(scene.keys.audit, fields, id=cursor)


async def write_as_before(scene: Scene) -> Head:
    """The next revision, written with the commands of the version before."""
    store, keys = scene.store, scene.keys
    now = await Lifecycle(store).current(NAME)
    record = replace(next_revision(now.record, now.head, NOON), description="as before")
    head = head_of(record, now.head)
    event = AuditEvent(
        *(0, AuditAction.UPDATED, NAME, record.revision, head.etag, record.content_hash),
        *("bob", "as before", NOON),
        previous_hash="",
    )
    event = chained(event, await store.tip())
    pipe = scene.client.pipeline()
    pipe.hset(keys.revisions(NAME), str(record.revision), to_json(record))
    pipe.hset(keys.heads, NAME, head.to_json())
    pipe.set(keys.audit_tip, event.tip.to_text())
    pipe.xadd(keys.audit, event.to_fields())
    pipe.execute()
    return head


@pytest.fixture
def before(scene: Scene) -> Scene:
    as_before(scene)
    return scene


async def joined(scene: Scene) -> PresetFollower:
    """A replica of this version that meets the store for the first time."""
    own = PresetFollower(scene.store, scene.folder / "empty", nothing)
    await own.start()
    return own


async def test_an_earlier_store_is_whole(before: Scene) -> None:
    follower = await joined(before)
    assert (follower.state, set(follower.stored.heads)) == ("CONNECTED", {NAME, "cosy"})


async def test_an_earlier_store_is_counted_at_the_first_look(before: Scene) -> None:
    await joined(before)
    assert before.client.hget(before.keys.census, "heads") == "2"


async def test_a_write_counts_an_earlier_store_first(before: Scene) -> None:
    assert (await update(before.store), before.client.hget(before.keys.census, "events")) == (
        4,
        "5",
    )


async def test_a_replica_of_the_earlier_version_may_write_beside_us(scene: Scene) -> None:
    async with following(scene.follower):
        head = await write_as_before(scene)
        await until(lambda: scene.follower.stored.heads[NAME] == head)
        assert scene.follower.is_connected
    assert await update(scene.store) == 5


@pytest.mark.parametrize("key", ["heads", "revisions", "audit", "audit_tip"])
async def test_an_earlier_store_that_lost_a_key_says_so(before: Scene, key: str) -> None:
    before.client.delete(before.key(key))
    assert (await joined(before)).state == "LOST_DATA"


@pytest.mark.parametrize("key", ["heads", "revisions", "audit", "audit_tip"])
async def test_nothing_is_written_to_an_earlier_store_that_lost_a_key(
    before: Scene, key: str
) -> None:
    before.client.delete(before.key(key))
    with pytest.raises(StoreLostData):
        await update(before.store)


async def test_an_earlier_store_with_an_older_head_says_so(scene: Scene) -> None:
    old = scene.client.hget(scene.keys.heads, NAME)
    await update(scene.store)
    as_before(scene)
    scene.client.hset(scene.keys.heads, NAME, str(old))
    assert (await joined(scene)).state == "LOST_DATA"


async def test_a_cut_chain_of_an_earlier_store_is_found(before: Scene) -> None:
    before.client.xtrim(before.keys.audit, maxlen=2, approximate=False)
    assert (await joined(before)).state == "LOST_DATA"

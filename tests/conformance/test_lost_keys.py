"""Every key of presets in a real Redis, lost or cut in every way: told, not written over, mended.

What stands in `keys.Keys` is tried; a key that is added there is tried too.
"""

import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

from service.presets.audit import verify
from service.presets.errors import StoreLostData
from service.presets.follower import PresetFollower
from service.presets.keys import WHEN_GONE, Keys, WhenGone
from service.presets.loss import LossResolver, Resolution
from tests.conformance.scenes import NAME, Client, Scene, following, lost, nothing, update
from tests.integration.waiting import until

KEYS = [name for name, _ in inspect.getmembers(Keys) if name in WHEN_GONE]
LOSABLE = [name for name in KEYS if WHEN_GONE[name] is WhenGone.LOST_DATA]
OTHERS = [name for name in KEYS if WHEN_GONE[name] is not WhenGone.LOST_DATA]


def delete(client: Client, key: str) -> None:
    client.delete(key)


def rename(client: Client, key: str) -> None:
    client.rename(key, f"{key}:renamed")


def expire(client: Client, key: str) -> None:
    client.pexpire(key, 1)
    until_gone(client, key)


def shorten(client: Client, key: str) -> None:
    """Takes one entry away; of a text all."""
    match client.type(key):
        case "hash":
            client.hdel(key, str(client.hkeys(key)[0]))
        case "stream":
            client.xtrim(key, maxlen=1, approximate=False)
        case _:
            client.delete(key)


def cut_end(client: Client, key: str) -> None:
    """Takes the newest entry away; of a text all."""
    match client.type(key):
        case "hash":
            client.hdel(key, str(client.hkeys(key)[-1]))
        case "stream":
            client.xdel(key, client.xrevrange(key, count=1)[0][0])
        case _:
            client.delete(key)


def until_gone(client: Client, key: str) -> None:
    while client.exists(key):
        pass


DAMAGES = [delete, rename, expire, shorten, cut_end]
SOME = [delete, shorten]


Damage = Callable[[Client, str], None]


def test_every_key_says_what_its_loss_means() -> None:
    own = {name for name in dir(Keys) if not name.startswith("_")} - set(dir(tuple))
    assert own - {"prefix", "of_chain", "of_presets"} == set(WHEN_GONE)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda own: own.__name__)
@pytest.mark.parametrize("key", LOSABLE)
async def test_a_running_replica_says_so_and_keeps_its_presets_and_its_copy(
    scene: Scene, key: str, damage: Damage
) -> None:
    before, served = scene.copy, scene.follower.stored
    async with following(scene.follower):
        damage(scene.client, scene.key(key))
        await lost(scene.follower)
    assert (scene.copy, scene.follower.stored) == (before, served)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda own: own.__name__)
@pytest.mark.parametrize("key", LOSABLE)
async def test_a_write_is_refused_by_who_has_not_noticed(
    scene: Scene, key: str, damage: Damage
) -> None:
    damage(scene.client, scene.key(key))
    with pytest.raises(StoreLostData):
        await update(scene.fresh_store)


@pytest.mark.parametrize("key", LOSABLE)
async def test_a_start_with_a_copy_says_so_and_serves_the_copy(scene: Scene, key: str) -> None:
    scene.client.delete(scene.key(key))
    again = PresetFollower(scene.store, scene.folder, nothing)
    await again.start()
    assert (again.state, set(again.stored.heads)) == ("LOST_DATA", {NAME, "cosy"})


@pytest.mark.parametrize("key", LOSABLE)
async def test_a_start_without_a_copy_says_so(scene: Scene, key: str, tmp_path: Path) -> None:
    scene.client.delete(scene.key(key))
    joining = PresetFollower(scene.store, tmp_path / "empty", nothing)
    await joining.start()
    assert joining.state == "LOST_DATA"


@pytest.mark.parametrize("damage", SOME, ids=lambda own: own.__name__)
@pytest.mark.parametrize("resolution", Resolution)
@pytest.mark.parametrize("key", LOSABLE)
async def test_an_operator_ends_it_and_numbers_go_on(
    scene: Scene, key: str, resolution: Resolution, damage: Damage
) -> None:
    async with following(scene.follower):
        damage(scene.client, scene.key(key))
        await lost(scene.follower)
        await LossResolver(scene.store, scene.follower).resolve(resolution, "ann", "evicted")
        await until(lambda: scene.follower.is_connected)
        written = await update(scene.store)
    is_known = resolution is Resolution.RESTORE or key != "revisions"
    assert written == 4 if is_known else written > 0


@pytest.mark.parametrize("damage", SOME, ids=lambda own: own.__name__)
@pytest.mark.parametrize("key", LOSABLE)
async def test_after_a_restore_all_is_in_force_again(
    scene: Scene, key: str, damage: Damage
) -> None:
    served = scene.follower.stored
    async with following(scene.follower):
        damage(scene.client, scene.key(key))
        await lost(scene.follower)
        await LossResolver(scene.store, scene.follower).resolve(
            Resolution.RESTORE, "ann", "evicted"
        )
        await until(lambda: scene.follower.is_connected)
    read = await scene.store.read_all(20)
    assert (read.heads, read.records) == (served.heads, served.records)


@pytest.mark.parametrize("damage", SOME, ids=lambda own: own.__name__)
@pytest.mark.parametrize("key", LOSABLE)
async def test_after_a_restore_the_chain_holds(scene: Scene, key: str, damage: Damage) -> None:
    async with following(scene.follower):
        damage(scene.client, scene.key(key))
        await lost(scene.follower)
        await LossResolver(scene.store, scene.follower).resolve(
            Resolution.RESTORE, "ann", "evicted"
        )
        await update(scene.store)
    page = await scene.store.audit_events("0-0", 1000)
    assert verify(page.events, page.tip).broken is None


@pytest.mark.parametrize("key", OTHERS)
async def test_other_keys_may_go(scene: Scene, key: str) -> None:
    scene.client.delete(scene.key(key))
    await scene.follower.check_store(NAME)
    assert await update(scene.store) == 4


async def test_nothing_is_lost_where_nothing_happened(scene: Scene) -> None:
    assert await scene.store.look("0-0", ["scary", "cosy"]) == (True, "", {})


async def test_a_flushed_store_is_told_by_the_copy(scene: Scene) -> None:
    for key in scene.client.keys(f"{{{scene.keys.prefix}}}*"):
        scene.client.delete(key)
    with pytest.raises(StoreLostData, match="is not in it"):
        await scene.follower.check_store(NAME)


async def test_a_head_of_an_older_backup_is_a_loss(scene: Scene) -> None:
    old = dict(scene.client.hgetall(scene.keys.heads))
    await update(scene.store)
    scene.client.hset(scene.keys.heads, mapping=old)
    with pytest.raises(StoreLostData, match="not the one that was written last"):
        await update(scene.fresh_store)

"""What every preset store does: the fake and the real one alike."""

import asyncio
from dataclasses import replace

import pytest

from service.presets.audit import START, AuditAction, AuditEvent, Tip
from service.presets.errors import EtagMismatch, PresetExists, PresetMissing
from service.presets.lifecycle import Lifecycle, Stored
from service.presets.record import Head, PresetRevision, archived, head_of, next_revision
from service.presets.store import Change, HeadLost, PresetStore, TipLost
from tests.presets import NOON, draft


async def update(store: PresetStore, etag: str, description: str) -> Stored:
    life = Lifecycle(store)
    return await life.update("scary", etag, lambda now: replace(now, description=description))


async def test_a_created_preset_reads_back_as_it_was(store: PresetStore) -> None:
    stored = await Lifecycle(store, lambda: NOON).create(draft())
    assert (await Lifecycle(store).current("scary")).record == replace(draft(), revision=1)
    assert stored.record.revision == 1


async def test_a_name_in_force_cannot_be_created_again(store: PresetStore) -> None:
    await Lifecycle(store).create(draft())
    with pytest.raises(PresetExists, match="exists at revision 1; update it instead"):
        await Lifecycle(store).create(draft())


async def test_an_unknown_name_is_missing(store: PresetStore) -> None:
    with pytest.raises(PresetMissing, match="there is no preset 'scary'"):
        await Lifecycle(store).current("scary")


async def test_an_update_appends_a_revision(store: PresetStore) -> None:
    first = await Lifecycle(store).create(draft())
    second = await update(store, first.head.etag, "even more")
    assert (second.record.revision, second.record.description) == (2, "even more")


async def test_an_old_revision_stays_readable(store: PresetStore) -> None:
    first = await Lifecycle(store).create(draft())
    await update(store, first.head.etag, "even more")
    assert (await Lifecycle(store).at("scary", 1)).record == first.record


async def test_an_old_etag_is_refused_with_the_revision_in_force(store: PresetStore) -> None:
    first = await Lifecycle(store).create(draft())
    await update(store, first.head.etag, "even more")
    with pytest.raises(
        EtagMismatch, match="is at revision 2 with another etag"
    ):
        await update(store, first.head.etag, "mine")


async def test_of_racing_updates_one_wins_and_the_others_are_told(store: PresetStore) -> None:
    first = await Lifecycle(store).create(draft())
    racing = [update(store, first.head.etag, f"racer {i}") for i in range(10)]
    outcomes = await asyncio.gather(*racing, return_exceptions=True)
    won = [outcome for outcome in outcomes if isinstance(outcome, Stored)]
    lost = [outcome for outcome in outcomes if isinstance(outcome, EtagMismatch)]
    assert (len(won), len(lost)) == (1, 9)


def changed(expected: Head | None, head: Head, record: PresetRevision, tip: Tip = START) -> Change:
    """A change as the life cycle would make it."""
    event = AuditEvent(
        sequence=0,
        action=AuditAction.CREATED,
        name=record.name,
        revision=record.revision,
        etag=head.etag,
        content_hash=record.content_hash,
        author="ada",
        reason="halloween",
        event_time=NOON,
        previous_hash="",
    )
    return Change(expected, head, record, START, event).after(tip)


async def test_a_write_on_another_head_changes_nothing(store: PresetStore) -> None:
    record = next_revision(draft(), None, NOON)
    stale = changed(archived(head_of(record)), head_of(record), record)
    assert await store.write(stale) == HeadLost()
    assert await store.head("scary") is None


async def test_a_write_on_another_tip_changes_nothing_and_tells_the_tip(
    store: PresetStore,
) -> None:
    record = next_revision(draft(), None, NOON)
    stale = changed(None, head_of(record), record, Tip(7, "of another chain"))
    assert await store.write(stale) == TipLost(START)
    assert await store.head("scary") is None


async def test_an_archived_preset_is_missing(store: PresetStore) -> None:
    first = await Lifecycle(store).create(draft())
    await Lifecycle(store).archive("scary", first.head.etag, "ada", "over")
    with pytest.raises(PresetMissing):
        await Lifecycle(store).current("scary")


async def test_revisions_go_on_after_an_archived_preset(store: PresetStore) -> None:
    first = await Lifecycle(store).create(draft())
    await Lifecycle(store).archive("scary", first.head.etag, "ada", "over")
    assert (await Lifecycle(store).create(draft())).record.revision == 2


async def test_a_dry_run_stores_nothing(store: PresetStore) -> None:
    await Lifecycle(store).create(draft(), is_dry=True)
    assert await store.heads() == {}


async def test_every_change_is_told_after_its_cursor(store: PresetStore) -> None:
    first = await Lifecycle(store).create(draft())
    second = await Lifecycle(store).create(draft("cosy"))
    changes = await store.changes(first.cursor, 1.0)
    assert (set(changes.names), changes.cursor) == ({"cosy"}, second.cursor)


async def test_nothing_new_keeps_the_cursor(store: PresetStore) -> None:
    first = await Lifecycle(store).create(draft())
    assert (await store.changes(first.cursor, 0.01)).cursor == first.cursor


async def test_only_the_newest_revisions_are_kept(store: PresetStore) -> None:
    stored = await Lifecycle(store).create(draft())
    for i in range(4):
        stored = await update(store, stored.head.etag, f"version {i}")
    kept = (await store.read_all(2)).records["scary"]
    assert [record.revision for record in kept] == [4, 5]


async def test_reading_all_gives_the_newest_cursor(store: PresetStore) -> None:
    stored = await Lifecycle(store).create(draft())
    assert (await store.read_all(5)).cursor == stored.cursor


async def test_reading_some_leaves_the_others_out(store: PresetStore) -> None:
    await Lifecycle(store).create(draft())
    await Lifecycle(store).create(draft("cosy"))
    assert set((await store.read(["cosy", "none"], 5)).heads) == {"cosy"}

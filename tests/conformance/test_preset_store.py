"""What every preset store does: the fake and the real one alike."""

import asyncio
from dataclasses import replace

import pytest

from service.presets.audit import (
    START,
    AuditAction,
    AuditEvent,
    Tip,
    chained,
    verify,
)
from service.presets.errors import (
    AlreadyInForce,
    EtagMismatch,
    NeverInForce,
    NotADraft,
    PresetExists,
    PresetMissing,
    StoreLostData,
    TooManyDrafts,
)
from service.presets.lifecycle import MAX_DRAFTS, Lifecycle, Stored
from service.presets.record import Head, PresetRevision, archived, head_of, next_revision
from service.presets.store import Change, HeadLost, PresetStore, Recovery, TipLost, Written
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
    with pytest.raises(EtagMismatch, match=r"its newest revision is 2, by .* at .*Z, and"):
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


async def drafted(store: PresetStore, etag: str, description: str = "a try") -> Stored:
    """The next revision of "scary", as a draft."""
    return await Lifecycle(store).update(
        "scary", etag, lambda now: replace(now, description=description), as_draft=True
    )


async def published(store: PresetStore, etag: str, revision: int) -> Stored:
    return await Lifecycle(store).publish("scary", etag, revision, "ada", "ready")


async def rolled_back(store: PresetStore, etag: str, revision: int) -> Stored:
    return await Lifecycle(store).rollback("scary", etag, revision, "ada", "oh no")


async def archive(store: PresetStore, etag: str) -> Stored:
    return await Lifecycle(store).archive("scary", etag, "ada", "over")


async def states(store: PresetStore) -> list[str]:
    """Of the revisions of "scary", from the first."""
    page = await Lifecycle(store).revisions("scary", None, 100)
    return [own.head.state_of(own.record.revision).value for own in reversed(page.stored)]


async def chain(store: PresetStore, at_once: int = 1000) -> list[AuditEvent]:
    """Every event, read a page at a time."""
    events: list[AuditEvent] = []
    cursor = "0-0"
    while True:
        page = await store.audit_events(cursor, at_once)
        events += page.events
        cursor = page.cursor
        if page.is_last:
            return events


async def mixed_writes(store: PresetStore) -> Stored:
    """One of each kind: six events."""
    stored = await Lifecycle(store).create(draft())
    stored = await update(store, stored.head.etag, "even more")
    stored = await drafted(store, stored.head.etag)
    stored = await published(store, stored.head.etag, 3)
    stored = await rolled_back(store, stored.head.etag, 1)
    return await archive(store, stored.head.etag)


async def test_a_draft_leaves_the_revision_in_force(store: PresetStore) -> None:
    first = await Lifecycle(store).create(draft())
    await drafted(store, first.head.etag)
    assert await states(store) == ["ACTIVE", "DRAFT"]


async def test_a_new_preset_can_be_a_draft(store: PresetStore) -> None:
    await Lifecycle(store).create(draft(), as_draft=True)
    assert await states(store) == ["DRAFT"]


async def test_the_name_of_a_draft_is_taken(store: PresetStore) -> None:
    await Lifecycle(store).create(draft(), as_draft=True)
    with pytest.raises(PresetExists):
        await Lifecycle(store).create(draft())


async def test_a_published_draft_supersedes_what_was_in_force(store: PresetStore) -> None:
    first = await Lifecycle(store).create(draft())
    await published(store, (await drafted(store, first.head.etag)).head.etag, 2)
    assert await states(store) == ["SUPERSEDED", "ACTIVE"]


async def test_an_update_in_force_leaves_the_drafts(store: PresetStore) -> None:
    first = await Lifecycle(store).create(draft())
    await update(store, (await drafted(store, first.head.etag)).head.etag, "urgent")
    assert await states(store) == ["SUPERSEDED", "DRAFT", "ACTIVE"]


async def test_a_draft_is_made_of_what_is_in_force(store: PresetStore) -> None:
    first = await Lifecycle(store).create(draft())
    second = await drafted(store, first.head.etag, "a try")
    life = Lifecycle(store)
    third = await life.update("scary", second.head.etag, lambda now: now, as_draft=True)
    assert third.record.description == first.record.description


async def test_a_rollback_moves_the_pointer_and_copies_nothing(store: PresetStore) -> None:
    second = await update(store, (await Lifecycle(store).create(draft())).head.etag, "more")
    back = await rolled_back(store, second.head.etag, 1)
    assert (back.record.revision, await states(store)) == (1, ["ACTIVE", "SUPERSEDED"])


async def test_revisions_go_on_after_a_rollback(store: PresetStore) -> None:
    second = await update(store, (await Lifecycle(store).create(draft())).head.etag, "more")
    back = await rolled_back(store, second.head.etag, 1)
    assert (await update(store, back.head.etag, "again")).record.revision == 3


async def test_a_rollback_revives_an_archived_preset(store: PresetStore) -> None:
    gone = await archive(store, (await Lifecycle(store).create(draft())).head.etag)
    await rolled_back(store, gone.head.etag, 1)
    assert (await Lifecycle(store).current("scary")).record.revision == 1


async def test_drafts_outlive_an_archived_preset(store: PresetStore) -> None:
    first = await Lifecycle(store).create(draft())
    gone = await archive(store, (await drafted(store, first.head.etag)).head.etag)
    await rolled_back(store, gone.head.etag, 1)
    assert await states(store) == ["ACTIVE", "DRAFT"]


async def test_a_preset_with_drafts_only_can_be_archived(store: PresetStore) -> None:
    first = await Lifecycle(store).create(draft(), as_draft=True)
    await archive(store, first.head.etag)
    with pytest.raises(PresetMissing):
        await Lifecycle(store).current("scary")


async def test_a_draft_of_an_archived_preset_cannot_be_published(store: PresetStore) -> None:
    first = await Lifecycle(store).create(draft(), as_draft=True)
    gone = await archive(store, first.head.etag)
    with pytest.raises(PresetMissing, match="there is no preset 'scary'"):
        await published(store, gone.head.etag, 1)


async def test_publishing_what_is_in_force_is_refused(store: PresetStore) -> None:
    first = await Lifecycle(store).create(draft())
    with pytest.raises(NotADraft, match=r"revision 1 is ACTIVE, .*; it is in force already"):
        await published(store, first.head.etag, 1)


async def test_publishing_what_was_in_force_is_refused(store: PresetStore) -> None:
    second = await update(store, (await Lifecycle(store).create(draft())).head.etag, "more")
    with pytest.raises(NotADraft, match=r"revision 1 is SUPERSEDED, .*: roll back to it"):
        await published(store, second.head.etag, 1)


async def test_rolling_back_to_a_draft_is_refused(store: PresetStore) -> None:
    first = await Lifecycle(store).create(draft())
    with pytest.raises(NeverInForce, match=r"revision 2 is a DRAFT, .*; publish it"):
        await rolled_back(store, (await drafted(store, first.head.etag)).head.etag, 2)


async def test_rolling_back_to_what_is_in_force_is_refused(store: PresetStore) -> None:
    first = await Lifecycle(store).create(draft())
    with pytest.raises(AlreadyInForce, match="revision 1 is ACTIVE already"):
        await rolled_back(store, first.head.etag, 1)


async def test_an_unknown_revision_cannot_be_published(store: PresetStore) -> None:
    first = await Lifecycle(store).create(draft())
    with pytest.raises(PresetMissing, match="there is no preset 'scary' revision 9"):
        await published(store, first.head.etag, 9)


async def test_only_so_many_drafts_may_be_open(store: PresetStore) -> None:
    stored = await Lifecycle(store).create(draft())
    for _ in range(MAX_DRAFTS):
        stored = await drafted(store, stored.head.etag)
    with pytest.raises(TooManyDrafts, match=r"has 50 drafts, .* from revision 2; publish one"):
        await drafted(store, stored.head.etag)


async def test_a_closed_gate_keeps_a_draft_out_of_force(store: PresetStore) -> None:
    async def closed(record: PresetRevision) -> None:
        raise PermissionError(f"revision {record.revision} was not previewed")

    first = await Lifecycle(store).create(draft(), as_draft=True)
    life = Lifecycle(store, publish_gate=closed)
    with pytest.raises(PermissionError, match="revision 1 was not previewed"):
        await life.publish("scary", first.head.etag, 1, "ada", "ready")
    assert await states(store) == ["DRAFT"]


async def test_dry_steps_change_nothing(store: PresetStore) -> None:
    life, first = Lifecycle(store), await Lifecycle(store).create(draft())
    etag = (await drafted(store, first.head.etag)).head.etag
    before = await store.heads()
    await life.publish("scary", etag, 2, "ada", "ready", is_dry=True)
    await life.archive("scary", etag, "ada", "over", is_dry=True)
    await life.update("scary", etag, lambda now: now, as_draft=True, is_dry=True)
    assert (await store.heads(), (await store.tip()).sequence) == (before, 2)


async def test_replicas_keep_an_old_revision_that_is_in_force(store: PresetStore) -> None:
    stored = await Lifecycle(store).create(draft())
    for i in range(5):
        stored = await update(store, stored.head.etag, f"version {i}")
    await rolled_back(store, stored.head.etag, 2)
    kept = (await store.read_all(2)).records["scary"]
    assert [record.revision for record in kept] == [2, 5, 6]


async def test_replicas_keep_what_is_in_force_under_many_drafts(store: PresetStore) -> None:
    stored = await Lifecycle(store).create(draft())
    for i in range(5):
        stored = await drafted(store, stored.head.etag, f"try {i}")
    kept = (await store.read(["scary"], 2)).records["scary"]
    assert [record.revision for record in kept] == [1, 2, 3, 4, 5, 6]


async def test_drafts_are_not_in_force(store: PresetStore) -> None:
    first = await Lifecycle(store).create(draft())
    await drafted(store, first.head.etag)
    in_force = dict((await store.read_all(5)).in_force())
    assert [record.revision for record in in_force["scary"]] == [1]


async def test_revisions_are_read_a_page_at_a_time(store: PresetStore) -> None:
    await mixed_writes(store)
    life = Lifecycle(store)
    first = await life.revisions("scary", None, 2)
    rest = await life.revisions("scary", first.before, 2)
    pages = [[own.record.revision for own in page.stored] for page in (first, rest)]
    assert (pages, rest.before) == ([[3, 2], [1]], 1)


async def test_every_change_is_one_event_of_an_unbroken_chain(store: PresetStore) -> None:
    await mixed_writes(store)
    events = await chain(store)
    assert [event.action.value for event in events] == [
        *("CREATED", "UPDATED", "DRAFTED"),
        *("PUBLISHED", "ROLLED_BACK", "ARCHIVED"),
    ]
    assert verify(events, await store.tip()).broken is None


async def test_the_chain_can_be_read_a_page_at_a_time(store: PresetStore) -> None:
    await mixed_writes(store)
    assert await chain(store, 2) == await chain(store)


async def test_an_event_holds_the_hash_of_what_was_written(store: PresetStore) -> None:
    await mixed_writes(store)
    events = await chain(store)
    found = [await store.revision("scary", n) for n in (1, 2, 3)]
    assert [event.content_hash for event in events] == [
        *(record.content_hash for record in found if record),
        *("", "", ""),
    ]


async def test_an_event_holds_the_etag_that_came_of_it(store: PresetStore) -> None:
    last = await mixed_writes(store)
    assert (await chain(store))[-1].etag == last.head.etag


async def test_a_page_of_the_chain_comes_with_the_tip(store: PresetStore) -> None:
    await mixed_writes(store)
    page = await store.audit_events("0-0", 1000)
    assert (page.tip, page.is_last) == (page.events[-1].tip, True)


async def test_what_is_read_says_where_the_chain_stands(store: PresetStore) -> None:
    last = await mixed_writes(store)
    read = await store.read_all(5)
    assert (read.cursor, read.tip) == (last.cursor, await store.tip())


async def test_changes_say_where_the_chain_stands(store: PresetStore) -> None:
    first = await Lifecycle(store).create(draft())
    await Lifecycle(store).create(draft("cosy"))
    assert (await store.changes(first.cursor, 1.0)).tip == await store.tip()


async def test_racing_writers_of_different_presets_all_succeed(store: PresetStore) -> None:
    await store.heads()  # a Cluster is looked for once, and not by ten at once
    lives = [Lifecycle(store) for _ in range(10)]
    writes = (life.create(draft(f"p{i}")) for i, life in enumerate(lives))
    assert len({stored.cursor for stored in await asyncio.gather(*writes)}) == 10
    told = verify(await chain(store), await store.tip())
    assert (told.n_events, told.broken) == (10, None)


async def test_a_store_that_went_back_is_not_written_to(store: PresetStore) -> None:
    served = Tip(7, "of what is served")
    with pytest.raises(StoreLostData, match="event 7"):
        await Lifecycle(store, served_tip=lambda: served).create(draft())
    assert await store.heads() == {}


def recovery(store_tip: Tip, served: Tip, *records: PresetRevision) -> Recovery:
    """What a replica that serves these revisions writes back."""
    event = AuditEvent(
        sequence=0,
        action=AuditAction.STORE_RESTORED,
        name="",
        revision=0,
        etag=served.to_text(),
        content_hash="",
        author="ada",
        reason="flushed by mistake",
        event_time=NOON,
        previous_hash="",
    )
    own = chained(event, store_tip)
    heads = {record.name: head_of(record) for record in records}
    return Recovery(heads, {record.name: (record,) for record in records}, store_tip, own)


async def test_a_recovery_writes_everything_as_one_event(store: PresetStore) -> None:
    served = Tip(41, "of what is served")
    records = [next_revision(draft(name), None, NOON) for name in ("scary", "cosy")]
    written = await store.recover(recovery(START, served, *records))
    assert isinstance(written, Written)
    read = await store.read_all(5)
    assert (set(read.heads), set(read.records), read.tip) == (
        {"scary", "cosy"},
        {"scary", "cosy"},
        written.tip,
    )


async def test_the_chain_goes_on_from_what_the_replica_served(store: PresetStore) -> None:
    served = Tip(41, "of what is served")
    await store.recover(recovery(START, served, next_revision(draft(), None, NOON)))
    await update(store, (await Lifecycle(store).current("scary")).head.etag, "again")
    events = await chain(store)
    told = verify(events, await store.tip())
    assert [event.sequence for event in events] == [42, 43]
    assert ([event.speaks_to for event in told.recoveries], told.broken) == ([served], None)


async def test_a_recovery_on_another_tip_changes_nothing(store: PresetStore) -> None:
    first = await Lifecycle(store).create(draft())
    stale = recovery(START, Tip(41, "x"), next_revision(draft("cosy"), None, NOON))
    assert await store.recover(stale) == TipLost(await store.tip())
    assert await store.heads() == {"scary": first.head}


async def test_a_recovery_replaces_revisions_of_the_same_number(store: PresetStore) -> None:
    await Lifecycle(store).create(draft(value=9))
    served = next_revision(draft(value=1), None, NOON)
    await store.recover(recovery(await store.tip(), Tip(41, "x"), served))
    assert (await Lifecycle(store).current("scary")).record == served


async def test_a_recovery_that_lost_the_tip_is_in_nobodys_way(store: PresetStore) -> None:
    stale = recovery(Tip(7, "x"), Tip(41, "x"), next_revision(draft(value=1), None, NOON))
    await store.recover(stale)
    await Lifecycle(store).create(draft(value=9))
    assert (await Lifecycle(store).current("scary")).record.rules[0].value == 9


async def test_a_recovery_is_told_to_those_who_follow(store: PresetStore) -> None:
    first = await Lifecycle(store).create(draft())
    await store.recover(recovery(await store.tip(), Tip(41, "x")))
    changes = await store.changes(first.cursor, 1.0)
    assert [event.action for event in changes.recoveries] == [AuditAction.STORE_RESTORED]
    assert set(changes.names) == set()

"""What ends a loss, for whom, and what it writes."""

from dataclasses import replace
from datetime import UTC, datetime

from service.presets.audit import START, AuditAction, AuditEvent, Tip, chained
from service.presets.compiled import StoredPresets
from service.presets.loss import Resolution, changed_names, recovery_of, speaks_for
from service.presets.record import archived, head_of
from tests.presets import draft

SEEN = Tip(7, "seven")
RECORD = replace(draft(), revision=1)
HEAD = head_of(RECORD)
SERVED = StoredPresets({"scary": HEAD}, {"scary": (RECORD,)}, "7-0", SEEN)


def ending(served: Tip = SEEN) -> AuditEvent:
    event = AuditEvent(
        *(0, AuditAction.STORE_RESTORED, "", 0, served.to_text(), "", "ann", "flushed"),
        datetime(2026, 11, 24, tzinfo=UTC),
        previous_hash="",
    )
    return chained(event, START)


def test_an_end_speaks_for_who_had_seen_the_same() -> None:
    assert speaks_for(ending(), SEEN)


def test_an_end_speaks_for_who_had_seen_less() -> None:
    assert speaks_for(ending(), Tip(6, "six"))


def test_an_end_does_not_speak_for_who_had_seen_more() -> None:
    assert not speaks_for(ending(), Tip(8, "eight"))


def test_an_end_does_not_speak_for_who_had_seen_another_event_in_that_place() -> None:
    assert not speaks_for(ending(), Tip(7, "other"))


def test_a_restore_writes_what_is_served() -> None:
    recovery = recovery_of(Resolution.RESTORE, SERVED, {}, START, ending())
    assert (recovery.heads, recovery.records) == (SERVED.heads, SERVED.records)


def test_accepting_writes_no_preset() -> None:
    recovery = recovery_of(Resolution.ACCEPT, SERVED, {}, START, ending())
    assert (recovery.heads, recovery.records) == ({}, {})


def test_the_event_comes_behind_what_it_speaks_up_to() -> None:
    assert recovery_of(Resolution.RESTORE, SERVED, {}, START, ending()).event.sequence == 8


def test_a_restored_head_goes_on_behind_revisions_that_the_store_got_since() -> None:
    since = {"scary": HEAD._replace(revision=5, active=5)}
    restored = recovery_of(Resolution.RESTORE, SERVED, since, START, ending()).heads["scary"]
    assert (restored.revision, restored.active) == (5, 1)


def test_a_restore_changes_only_heads_that_differ() -> None:
    assert changed_names(Resolution.RESTORE, SERVED, {"scary": HEAD}) == []


def test_accepting_takes_presets_out_of_force_that_the_store_lacks_or_archived() -> None:
    served = StoredPresets({"scary": HEAD, "cosy": HEAD, "kept": HEAD})
    in_store = {"cosy": archived(HEAD), "kept": HEAD}
    assert changed_names(Resolution.ACCEPT, served, in_store) == ["cosy", "scary"]

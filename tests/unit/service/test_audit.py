"""The audit chain, proved and broken."""

import hashlib
import json
from dataclasses import replace
from itertools import accumulate

import pytest

from service.presets.audit import (
    START,
    AuditAction,
    AuditEvent,
    Tip,
    canonical_line,
    chained,
    content_break,
    event_from_fields,
    event_from_proto,
    event_to_proto,
    hash_of,
    tip_from_text,
    verify,
)
from service.presets.errors import RecordCorrupt
from tests.presets import NOON


def event(**fields: object) -> AuditEvent:
    """An event that is not chained yet."""
    blank = AuditEvent(
        0, AuditAction.UPDATED, "scary", 1, "1-abc", "c0ffee", "ada", "héllo\n", NOON, ""
    )
    return replace(blank, **fields)  # type: ignore[arg-type]


def chain(*events: AuditEvent, start: Tip = START) -> list[AuditEvent]:
    """The events, chained."""
    blank = event(sequence=start.sequence, hash=start.hash)
    links = accumulate(events, lambda before, own: chained(own, before.tip), initial=blank)
    return list(links)[1:]


def restored(speaks_to: Tip) -> AuditEvent:
    """An event that ends a loss, not chained yet."""
    return event(action=AuditAction.STORE_RESTORED, name="", revision=0, etag=speaks_to.to_text())


FIVE = chain(*(event(revision=n) for n in range(1, 6)))
TIP = FIVE[-1].tip


def test_an_unbroken_chain_is_proved_to_its_tip() -> None:
    told = verify(FIVE, TIP)
    assert (told.n_events, told.tip, told.broken) == (5, TIP, None)


def test_a_chain_without_events_holds() -> None:
    assert verify([], START).broken is None


@pytest.mark.parametrize("field", ["name", "author", "reason", "etag", "content_hash"])
def test_a_changed_text_is_found(field: str) -> None:
    tampered = [*FIVE[:2], event_from_fields(FIVE[2].to_fields() | {field: "other"}), *FIVE[3:]]
    broken = verify(tampered, TIP).broken
    assert broken is not None
    assert (broken.sequence, "was changed" in broken.why) == (3, True)


def test_a_change_that_was_hashed_again_is_found_by_the_next_event() -> None:
    forged = replace(FIVE[2], author="mallory", hash="")
    tampered = [*FIVE[:2], replace(forged, hash=hash_of(forged)), *FIVE[3:]]
    broken = verify(tampered, TIP).broken
    assert broken is not None
    assert broken == (4, "event 4 names another hash than that of the event before it")


def test_a_removed_event_is_found() -> None:
    broken = verify([*FIVE[:2], *FIVE[3:]], TIP).broken
    assert broken == (4, "event 4 follows event 2: it is not the next one")


def test_a_removed_first_event_is_found() -> None:
    assert verify(FIVE[1:], TIP).broken == (
        2,
        "event 2 follows event 0: it is not the next one",
    )


def test_a_cut_tail_is_found_by_the_tip() -> None:
    broken = verify(FIVE[:3], TIP).broken
    assert broken == (4, "the chain ends at event 3; by the tip there are 5")


def test_events_beyond_the_tip_are_found() -> None:
    assert verify(FIVE, FIVE[3].tip).broken is not None


def test_swapped_events_are_found() -> None:
    assert verify([FIVE[1], FIVE[0], *FIVE[2:]], TIP).broken is not None


def test_what_held_before_the_break_is_told() -> None:
    told = verify(FIVE[:3], TIP)
    assert (told.n_events, told.tip) == (3, FIVE[2].tip)


def test_a_recovery_of_an_emptied_store_goes_on_from_what_was_served() -> None:
    (recovery,) = chain(restored(TIP))
    assert (recovery.sequence, recovery.speaks_to, recovery.previous_hash) == (6, TIP, "")


def test_a_recovery_is_told_and_does_not_break_the_chain() -> None:
    whole = chain(*FIVE[:2], restored(TIP), event(revision=6))
    told = verify(whole, whole[-1].tip)
    assert ([own.sequence for own in told.recoveries], told.broken) == ([6], None)


def test_a_recovery_after_more_than_was_served_is_the_next_event() -> None:
    whole = chain(*FIVE, restored(FIVE[1].tip))
    assert whole[-1].sequence == 6
    assert verify(whole, whole[-1].tip).broken is None


def test_an_event_before_a_recovery_cannot_be_removed_unseen() -> None:
    whole = chain(*FIVE[:2], restored(TIP), event(revision=6))
    assert verify([whole[0], *whole[2:]], whole[-1].tip).broken is not None


def test_a_recovery_cannot_skip_further_than_it_speaks() -> None:
    far = replace(chain(restored(TIP))[0], sequence=9)
    forged = replace(far, hash=hash_of(far))
    assert verify([forged], forged.tip).broken is not None


def test_a_recovery_that_speaks_up_to_nothing_is_a_break() -> None:
    odd = event(sequence=1, action=AuditAction.STORE_ACCEPTED, etag="odd")
    odd = replace(odd, hash=hash_of(odd))
    assert verify([odd], odd.tip).broken is not None


CONTENTS = {("scary", n): "c0ffee" for n in range(1, 7)}


def test_contents_as_they_were_written_hold() -> None:
    assert content_break(FIVE, CONTENTS) is None


def test_a_changed_revision_is_found() -> None:
    broken = content_break(FIVE, CONTENTS | {("scary", 3): "decaf"})
    assert broken == (3, "preset 'scary' revision 3 is not as it was written")


def test_a_lost_revision_is_found() -> None:
    rest = {key: own for key, own in CONTENTS.items() if key != ("scary", 4)}
    assert content_break(FIVE, rest) == (4, "preset 'scary' revision 4 is gone")


def test_contents_from_before_a_recovery_may_be_anothers() -> None:
    whole = chain(*FIVE[:2], restored(TIP), event(revision=6))
    assert content_break(whole, {("scary", 6): "c0ffee"}) is None


def test_the_canonical_line_is_json_with_sorted_keys_and_only_texts() -> None:
    line = canonical_line(FIVE[0])
    values = json.loads(line)
    assert list(values) == sorted(values)
    assert line == json.dumps(values, separators=(",", ":"), sort_keys=True)
    assert all(isinstance(value, str) for value in values.values())


def test_the_hash_is_that_of_the_documented_line() -> None:
    line = (
        '{"action":"UPDATED","author":"ada","content_hash":"c0ffee","etag":"1-abc",'
        '"event_time":"2026-11-23T12:00:00.000000+00:00","name":"scary","previous_hash":"",'
        '"reason":"h\\u00e9llo\\n","revision":"1","sequence":"1"}'
    )
    assert FIVE[0].hash == hashlib.sha256(line.encode()).hexdigest()


def test_an_event_reads_back_from_its_fields() -> None:
    assert event_from_fields(FIVE[2].to_fields()) == FIVE[2]


def test_an_event_reads_back_from_its_message() -> None:
    assert event_from_proto(event_to_proto(FIVE[2])) == FIVE[2]


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": "x"},
        {"sequence": str(2**63)},
        {"revision": "-1"},
        {"action": "ATE"},
        {"event_time": "soon"},
        {"event_time": "9999-12-31T23:59:59-12:00"},
        {"event_time": "0001-01-01T00:00:00+12:00"},
    ],
)
def test_fields_that_are_no_event_are_refused(change: dict[str, str]) -> None:
    with pytest.raises(RecordCorrupt, match=r"^audit event: "):
        event_from_fields(FIVE[0].to_fields() | change)


def test_a_tip_reads_back_from_its_text() -> None:
    assert [tip_from_text(tip.to_text()) for tip in (START, TIP)] == [START, TIP]


@pytest.mark.parametrize("text", ["", "5", ":", "x:y", "-1:abc", "٣:abc"])
def test_a_text_that_is_no_tip_is_refused(text: str) -> None:
    with pytest.raises(RecordCorrupt, match=r"^audit tip: "):
        tip_from_text(text)

"""The stored form of a preset."""

import math
from dataclasses import replace

import pytest
from steerrec.v1 import preset_pb2

from service.presets.errors import RecordCorrupt
from service.presets.record import (
    Head,
    archived,
    drafted,
    from_json,
    head_from_json,
    head_of,
    pointed,
    restored,
    to_json,
    to_proto,
)
from steering.rules import ActivationRange, Attribute, Operation, Rule, Unit
from tests.presets import draft

EVERYTHING = draft(
    "all",
    0,
    Rule(Operation.SCALE, 7, 0.5, Unit.RAW, "mine", "context.a == 1", ActivationRange(max=2)),
    Rule(Operation.SET, Attribute("genre", "Sci-Fi"), -1, when_activation=ActivationRange(0, 9)),
)


def test_a_revision_reads_back_as_it_was() -> None:
    assert from_json(to_json(EVERYTHING)) == EVERYTHING


def test_an_open_end_of_a_range_reads_back_open() -> None:
    bounds = from_json(to_json(EVERYTHING)).rules[0].when_activation
    assert bounds is not None
    assert bounds.min == -math.inf


def test_any_change_changes_the_content_hash() -> None:
    assert EVERYTHING.content_hash != replace(EVERYTHING, reason="another").content_hash


def test_a_head_reads_back_as_it_was() -> None:
    assert head_from_json(head_of(EVERYTHING).to_json()) == head_of(EVERYTHING)


@pytest.mark.parametrize("text", ["", "{}", '{"revision": 1}', "[1]", "null"])
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(RecordCorrupt, match=r"^head: "):
        head_from_json(text)


@pytest.mark.parametrize("text", ["", "{", '{"nmae": "x"}', '{"rules": [{"value": 1}]}'])
def test_what_is_no_revision_is_refused(text: str) -> None:
    with pytest.raises(RecordCorrupt, match=r"^revision: "):
        from_json(text)


def test_a_head_from_before_drafts_has_its_newest_in_force() -> None:
    head = head_from_json('{"etag": "3-abc", "is_archived": false, "revision": 3}')
    assert head == Head(3, "3-abc", is_archived=False, active=3, drafts=())


def test_an_archived_head_from_before_drafts_has_none_in_force() -> None:
    assert head_from_json('{"etag": "3-abc", "is_archived": true, "revision": 3}').active == 0


def test_the_stored_state_is_that_of_the_contract() -> None:
    first = replace(EVERYTHING, revision=1)
    assert to_proto(first, head_of(first)).state == preset_pb2.PRESET_STATE_ACTIVE


FIRST, SECOND, THIRD = (replace(EVERYTHING, revision=n) for n in (1, 2, 3))
ONE = head_of(FIRST)
"""Revision 1 in force."""
WITH_DRAFT = drafted(ONE, SECOND)
"""Revision 1 in force, 2 a draft."""


def states(head: Head) -> list[str]:
    """Of the revisions from the first."""
    return [head.state_of(n).value for n in range(1, head.revision + 1)]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (drafted(None, FIRST), ["DRAFT"]),
        (ONE, ["ACTIVE"]),
        (head_of(SECOND, ONE), ["SUPERSEDED", "ACTIVE"]),
        (WITH_DRAFT, ["ACTIVE", "DRAFT"]),
        (pointed(WITH_DRAFT, 2), ["SUPERSEDED", "ACTIVE"]),
        (head_of(THIRD, WITH_DRAFT), ["SUPERSEDED", "DRAFT", "ACTIVE"]),
        (pointed(head_of(SECOND, ONE), 1), ["ACTIVE", "SUPERSEDED"]),
        (archived(WITH_DRAFT), ["ARCHIVED", "ARCHIVED"]),
        (pointed(archived(WITH_DRAFT), 1), ["ACTIVE", "DRAFT"]),
        (drafted(archived(ONE), SECOND), ["SUPERSEDED", "DRAFT"]),
    ],
)
def test_states_follow_from_the_head(head: Head, expected: list[str]) -> None:
    assert states(head) == expected


def test_every_step_changes_the_etag() -> None:
    back_and_forth = [ONE, WITH_DRAFT, archived(ONE), pointed(archived(ONE), 1)]
    forth = head_of(SECOND, ONE)
    back_and_forth += [forth, pointed(forth, 1), pointed(pointed(forth, 1), 2)]
    assert len({head.etag for head in back_and_forth}) == len(back_and_forth)


def test_the_one_in_force_is_shown_and_else_the_newest() -> None:
    assert (WITH_DRAFT.shown, drafted(drafted(None, FIRST), SECOND).shown) == (1, 2)


def test_an_old_revision_in_force_is_kept_beside_the_newest() -> None:
    head = Head(9, "", is_archived=False, active=2)
    assert head.kept(3) == [2, 7, 8, 9]


def test_drafts_take_no_place_of_what_was_in_force() -> None:
    head = Head(9, "", is_archived=False, active=3, drafts=(4, 5, 6, 7, 8, 9))
    assert head.kept(2) == [2, 3, 4, 5, 6, 7, 8, 9]


def test_nothing_of_an_archived_preset_is_kept() -> None:
    assert archived(WITH_DRAFT).kept(5) == []


def test_a_restored_head_goes_on_behind_what_the_store_got_since() -> None:
    since = drafted(head_of(THIRD, head_of(SECOND, ONE)), replace(EVERYTHING, revision=4))
    assert states(restored(ONE, since)) == ["ACTIVE", "SUPERSEDED", "SUPERSEDED", "DRAFT"]


def test_a_restored_head_is_as_it_was_where_the_store_got_nothing_newer() -> None:
    assert restored(WITH_DRAFT, ONE) == WITH_DRAFT

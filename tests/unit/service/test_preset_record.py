"""The stored form of a preset."""

import math
from dataclasses import replace

import pytest
from steerrec.v1 import preset_pb2

from service.presets.errors import RecordCorrupt
from service.presets.record import (
    archived,
    from_json,
    head_from_json,
    head_of,
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


def test_any_change_changes_the_etag() -> None:
    assert EVERYTHING.etag != replace(EVERYTHING, reason="another").etag


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


def test_the_newest_revision_is_active() -> None:
    first = replace(EVERYTHING, revision=1)
    assert to_proto(first, head_of(first)).state == preset_pb2.PRESET_STATE_ACTIVE


def test_an_older_revision_is_superseded() -> None:
    first, second = (replace(EVERYTHING, revision=n) for n in (1, 2))
    assert to_proto(first, head_of(second)).state == preset_pb2.PRESET_STATE_SUPERSEDED


def test_an_archived_preset_says_so() -> None:
    first = replace(EVERYTHING, revision=1)
    assert to_proto(first, archived(head_of(first))).state == preset_pb2.PRESET_STATE_ARCHIVED

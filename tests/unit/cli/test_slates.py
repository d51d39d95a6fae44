"""What tables say of slates."""

import pytest
from google.protobuf import text_format
from steerrec.v1 import recommender_pb2, rule_pb2

from cli.slates import attribute_names, move, reason, share, values

HORROR = rule_pb2.Attribute(name="genre", value="Horror")


def item(text: str) -> recommender_pb2.RecommendedItem:
    return text_format.Parse(text, recommender_pb2.RecommendedItem())


SCARY = item('item_id: "a" attributes { name: "genre" value: "Horror" }')
FUNNY = item('item_id: "b" attributes { name: "genre" value: "Comedy" }')


@pytest.mark.parametrize(("was", "now", "shown"), [(15, 3, "+12"), (1, 4, "-3"), (2, 2, "=")])
def test_a_move_is_counted_in_ranks(was: int, now: int, shown: str) -> None:
    assert move(now, item(f"unsteered_rank: {was}")) == shown


def test_a_move_is_unknown_without_an_unsteered_rank() -> None:
    assert move(1, SCARY) == ""


def test_the_share_is_that_of_items_with_the_attribute() -> None:
    assert share([SCARY, FUNNY, FUNNY, FUNNY], HORROR) == 0.25


def test_the_share_of_an_empty_slate_is_zero() -> None:
    assert share([], HORROR) == 0


def test_several_values_of_an_attribute_are_joined() -> None:
    both = item(
        'attributes { name: "genre" value: "Horror" } attributes { name: "genre" value: "Comedy" }'
    )
    assert values(both, "genre") == "Horror, Comedy"


def test_the_attribute_with_most_values_comes_first() -> None:
    old = item(
        'attributes { name: "decade" value: "1990s" } attributes { name: "genre" value: "War" }'
    )
    assert attribute_names([old, SCARY]) == ["genre", "decade"]


def test_a_degraded_reason_has_its_count_and_detail() -> None:
    degraded = recommender_pb2.Degraded(
        reason=recommender_pb2.DEGRADED_REASON_UNKNOWN_ITEMS, count=2, detail="skipped"
    )
    assert reason(degraded) == "UNKNOWN_ITEMS (2): skipped"

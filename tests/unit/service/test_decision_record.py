"""Ids of decisions, and their stored form."""

import math
from datetime import UTC, datetime

import pytest
from steerrec.v1 import decision_pb2, recommender_pb2

from service.decisions.compare import TOLERANCE, differences
from service.decisions.record import from_json, new_decision_id, parsed_decision_id, to_json
from service.errors import DecisionUnreadable

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def slate(*items: tuple[str, float]) -> recommender_pb2.RecommendResponse:
    return recommender_pb2.RecommendResponse(
        items=[recommender_pb2.RecommendedItem(item_id=own, score=score) for own, score in items]
    )


def test_an_id_reads_back() -> None:
    own = new_decision_id(NOON, 1.0)
    assert parsed_decision_id(str(own)) == own


def test_an_id_tells_when_it_was_given() -> None:
    assert new_decision_id(NOON, 1.0).milliseconds == NOON.timestamp() * 1000


def test_with_a_share_of_one_all_are_sampled() -> None:
    assert all(new_decision_id(NOON, 1.0).is_sampled for _ in range(100))


def test_with_a_share_of_zero_none_is_sampled() -> None:
    assert not any(new_decision_id(NOON, 0.0).is_sampled for _ in range(100))


def test_about_the_share_is_sampled() -> None:
    sampled = sum(new_decision_id(NOON, 0.25).is_sampled for _ in range(10_000))
    assert math.isclose(sampled, 2500, abs_tol=300)


@pytest.mark.parametrize("text", ["", "s", "x" * 24, "s" + "g" * 23, "S" + "0" * 23, "s+" * 12])
def test_what_is_no_id_is_none(text: str) -> None:
    assert parsed_decision_id(text) is None


def test_a_decision_reads_back_to_the_last_bit() -> None:
    decision = decision_pb2.Decision(
        decision_id="s1", response=slate(("i1", 0.1), ("i2", 1 / 3), ("i3", -1e-30))
    )
    assert from_json(to_json(decision)) == decision


def test_a_decision_is_one_line() -> None:
    decision = decision_pb2.Decision(request=recommender_pb2.RecommendRequest(history=["a\nb"]))
    assert "\n" not in to_json(decision)


def test_a_damaged_line_is_refused() -> None:
    with pytest.raises(DecisionUnreadable):
        from_json('{"decision_id": ')


def test_equal_slates_do_not_differ() -> None:
    assert differences(slate(("i1", 1.0)), slate(("i1", 1.0))) == []


def test_rounding_is_no_difference() -> None:
    assert differences(slate(("i1", 1.0)), slate(("i1", 1.0 + TOLERANCE / 2))) == []


def test_a_score_beyond_rounding_differs() -> None:
    assert differences(slate(("i1", 1.0)), slate(("i1", 1.5))) == ["rank 1: i1 scored 1.0, now 1.5"]


def test_another_order_differs() -> None:
    found = differences(slate(("i1", 2.0), ("i2", 1.0)), slate(("i2", 2.5), ("i1", 1.5)))
    assert found == ["rank 1: i1 was answered, i2 is now", "rank 2: i2 was answered, i1 is now"]


def test_another_order_within_rounding_says_so() -> None:
    found = differences(slate(("i1", 2.0)), slate(("i2", 2.0)))
    assert found == ["rank 1: i1 was answered, i2 is now (scores equal but for rounding)"]


def test_a_shorter_slate_differs() -> None:
    found = differences(slate(("i1", 2.0), ("i2", 1.0)), slate(("i1", 2.0)))
    assert found == ["rank 2: i2 was answered, the slate ends before it now"]


def test_many_differences_are_counted() -> None:
    before = slate(*((f"i{n}", 1.0) for n in range(30)))
    after = slate(*((f"j{n}", 5.0) for n in range(30)))
    assert differences(before, after)[-1] == "and 20 more ranks differ"


def test_other_presets_differ() -> None:
    before, after = slate(), slate()
    before.applied_presets.add(name="scary", revision=2)
    assert differences(before, after) == ["presets: scary@2 applied, none apply now"]


@pytest.mark.parametrize("number", [math.inf, -math.inf])
def test_a_decision_whose_context_json_cannot_hold_reads_back(number: float) -> None:
    decision = decision_pb2.Decision(decision_id="x")
    decision.request.context["n"] = number
    assert from_json(to_json(decision)) == decision


def test_wire_bytes_that_are_none_are_unreadable() -> None:
    with pytest.raises(DecisionUnreadable):
        from_json('{"decision_id": "x", "wire": "////"}')

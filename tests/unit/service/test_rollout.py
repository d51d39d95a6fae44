"""Sticky parts of the callers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.presets.rollout import Rollout, compiled_rollout, rollout_violations, spelled

USERS = [f"u{i}" for i in range(10_000)]


def taken(percent: float, salt: str = "", preset: str = "scary") -> set[str]:
    """Those of USERS who are inside."""
    rollout = compiled_rollout(Rollout(percent, "user_id", salt), preset)
    return {user for user in USERS if not rollout.why_not({"user_id": user})}


def is_inside(value: object, percent: float = 50) -> bool:
    rollout = compiled_rollout(Rollout(percent, "user_id"), "scary")
    return not rollout.why_not({"user_id": value})


@settings(deadline=None)
@given(st.text(min_size=1), st.integers(0, 10_000), st.integers(0, 10_000))
def test_raising_the_percentage_only_adds_callers(user: str, one: int, other: int) -> None:
    few, many = sorted((one / 100, other / 100))
    assert is_inside(user, many) or not is_inside(user, few)


@pytest.mark.parametrize("percent", [1, 10, 50, 90])
def test_a_rollout_takes_close_to_its_percentage(percent: float) -> None:
    assert len(taken(percent)) == pytest.approx(percent * 100, abs=200)  # 4 sigma of 10,000


def test_nobody_is_within_0_percent() -> None:
    assert taken(0) == set()


def test_everybody_is_within_100_percent() -> None:
    assert taken(100) == set(USERS)


def test_a_hundredth_of_a_percent_is_a_place() -> None:
    assert compiled_rollout(Rollout(0.29, "user_id"), "scary").count == 29


def test_the_same_salt_takes_the_same_callers() -> None:
    assert taken(20, "autumn", "scary") == taken(20, "autumn", "funny")


def test_presets_without_a_salt_take_callers_of_their_own() -> None:
    both = taken(50, preset="scary") & taken(50, preset="funny")
    assert len(both) == pytest.approx(2500, abs=200)


def test_a_caller_keeps_its_place_across_versions() -> None:
    # printf 'scary\\0u2841' | b2sum -l 64, modulo 10,000, is 0
    assert sorted(taken(0.05)) == ["u2841", "u4737", "u4938", "u5192", "u8939", "u9659"]


def test_a_number_and_its_text_are_one_caller() -> None:
    assert {spelled(42.0), spelled(42), spelled("42")} == {"42"}


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (-0.0, "0"), (1e21, "1" + "0" * 21), (True, "true"), (False, "false")],
)
def test_a_key_is_spelled_in_one_way(value: object, text: str) -> None:
    assert spelled(value) == text


@pytest.mark.parametrize("value", [None, "", [], {"a": 1.0}, float("nan"), float("inf")])
def test_a_caller_without_a_key_is_outside(value: object) -> None:
    assert not is_inside(value, 100)


def test_a_caller_outside_is_told_the_percentage() -> None:
    rollout = compiled_rollout(Rollout(0, "user_id"), "scary")
    assert rollout.why_not({"user_id": "u1"}) == "this caller is outside the 0 %"


def test_a_caller_without_a_key_is_told_its_name() -> None:
    rollout = compiled_rollout(Rollout(100, "user_id"), "scary")
    assert "no text, number or boolean 'user_id'" in rollout.why_not({})


@pytest.mark.parametrize(
    ("rollout", "fault"),
    [
        (Rollout(101, "u"), "r.percent: 101 is not within 0 to 100"),
        (Rollout(-1, "u"), "r.percent: -1 is not within 0 to 100"),
        (Rollout(float("nan"), "u"), "r.percent: nan is not within 0 to 100"),
        (Rollout(0.125, "u"), "r.percent: 0.125 must go in steps of 0.01"),
        (Rollout(1, ""), 'r.context_key: is required: the key that tells callers apart, e.g. "'),
        (Rollout(1, "k" * 101), "r.context_key: 101 characters; at most 100"),
        (Rollout(1, "u", "s" * 64), "r.salt: 64 characters; at most 63"),
        (Rollout(1, "u", "a\0b"), "r.salt: 'a\\x00b' holds a control character"),
    ],
)
def test_a_bad_rollout_is_told_why(rollout: Rollout, fault: str) -> None:
    field, message = next(rollout_violations(rollout, "r"))
    assert f"{field}: {message}".startswith(fault)


@pytest.mark.parametrize("percent", [0.01, 0.07, 0.29, 1.15, 33.33, 99.99])
def test_hundredths_of_a_percent_are_sound(percent: float) -> None:
    assert not list(rollout_violations(Rollout(percent, "u"), "r"))

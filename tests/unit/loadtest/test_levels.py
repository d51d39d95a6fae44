"""Number and times of sends, for each profile; the stairs are ghz's own."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.levels import Level, Stairs, bounded, constant, send_times, stairs

RATES = st.integers(1, 100)
DURATIONS = st.integers(1, 9)
CLOSE_S = 1e-6


def sent_before(times: list[float], moment_s: float) -> int:
    """Sends before a moment; one at the moment itself, but for rounding, is not."""
    return sum(time < moment_s - CLOSE_S for time in times)


@settings(deadline=None)
@given(RATES, DURATIONS)
def test_a_constant_rate_sends_so_many_a_second(rate: int, duration_s: int) -> None:
    times = list(send_times(bounded(constant(rate), duration_s=duration_s)))
    assert len(times) == rate * duration_s


@settings(deadline=None)
@given(RATES, DURATIONS)
def test_a_constant_rate_sends_evenly_from_the_start(rate: int, duration_s: int) -> None:
    times = list(send_times(bounded(constant(rate), duration_s=duration_s)))
    assert times == pytest.approx([n / rate for n in range(len(times))])


@settings(deadline=None)
@given(st.integers(1, 50), st.integers(1, 20), st.integers(1, 5), st.integers(2, 8))
def test_each_step_sends_at_its_own_rate(start: int, step: int, step_s: int, n: int) -> None:
    levels = bounded(stairs(Stairs(start, step, step_s)), duration_s=n * step_s)
    times = list(send_times(levels))
    sent = [sent_before(times, i * step_s) for i in range(n + 1)]
    assert [b - a for a, b in pairwise(sent)] == [(start + step * i) * step_s for i in range(n)]


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 300), st.floats(0.01, 10)), min_size=1, max_size=8))
def test_any_levels_send_what_they_hold_in_order_and_within_their_time(
    shape: list[tuple[float, float]],
) -> None:
    levels = [Level(*own) for own in shape]
    times = list(send_times(levels))
    assert len(times) == pytest.approx(sum(level.calls for level in levels), abs=1 + CLOSE_S)
    assert times == sorted(times)
    assert all(0 <= time <= sum(level.duration_s for level in levels) for time in times)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 300), st.integers(1, 5)), min_size=1, max_size=8))
def test_no_level_sends_more_often_than_its_rate(shape: list[tuple[int, int]]) -> None:
    times = list(send_times(Level(*own) for own in shape))
    closest = 1 / max(rate for rate, _ in shape)
    assert all(b - a >= closest - CLOSE_S for a, b in pairwise(times))


@settings(deadline=None)
@given(RATES, st.integers(-20, 20).filter(bool), st.integers(1, 2000))
def test_a_number_of_calls_is_sent_exactly(start: int, step: int, total: int) -> None:
    shape = Stairs(start, step, 1.0, end=max(1, start + 5 * step), changes_for_s=5.0)
    assert len(list(send_times(bounded(stairs(shape), total=total)))) == total


@settings(deadline=None)
@given(st.integers(1, 100), st.integers(1, 30))
def test_a_falling_rate_never_falls_below_nothing(start: int, step: int) -> None:
    levels = bounded(stairs(Stairs(start, -step, 1.0)), duration_s=200)
    assert min(level.rate for level in levels) >= 0
    assert sum(level.duration_s for level in levels) == 200


def test_steps_stop_at_the_end_and_stay() -> None:
    shape = Stairs(50, 50, 10.0, end=200)
    assert bounded(stairs(shape), duration_s=60) == (
        Level(50, 10),
        Level(100, 10),
        Level(150, 10),
        Level(200, 30),
    )


def test_an_end_between_two_steps_is_where_they_stop() -> None:
    rates = [level.rate for level in bounded(stairs(Stairs(50, 50, 1.0, end=120)), duration_s=9)]
    assert rates == [50, 100, 120]


def test_steps_go_down_too() -> None:
    levels = bounded(stairs(Stairs(200, -50, 1.0, end=50)), duration_s=6)
    assert levels == (Level(200, 1), Level(150, 1), Level(100, 1), Level(50, 3))


def test_after_the_longest_change_the_rate_jumps_to_the_end() -> None:
    shape = Stairs(10, 10, 1.0, end=100, changes_for_s=2.0)
    assert [level.rate for level in bounded(stairs(shape), duration_s=5)] == [10, 20, 100]


def test_after_the_longest_change_without_an_end_the_next_step_stays() -> None:
    levels = bounded(stairs(Stairs(10, 10, 1.0, changes_for_s=2.0)), duration_s=5)
    assert levels == (Level(10, 1), Level(20, 1), Level(30, 3))


def test_a_step_may_be_cut_short() -> None:
    assert bounded(stairs(Stairs(10, 10, 4.0)), duration_s=6) == (Level(10, 4), Level(20, 2))


def test_a_rate_without_end_is_cut_by_the_number_of_calls() -> None:
    assert bounded(constant(50), total=100) == (Level(50, 2),)


def ghz_hits(shape: Stairs, t: float) -> float:
    """StepPacer.hits of ghz (load/pacer.go), word by word: what it has sent by a moment."""

    def rate(at: float) -> float:
        if at >= shape.constant_from_s:
            return shape.last_rate
        return max(0.0, shape.start + shape.step * int(at / shape.step_s))

    steps = int(t / shape.step_s)
    sent = (shape.step_s if steps else t) * shape.start
    sent += sum(rate(shape.step_s * i) * shape.step_s for i in range(1, steps))
    return sent + ((t - steps * shape.step_s) * rate(t) if steps else 0.0)


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 4), st.floats(0.1, 30))
def test_ghz_has_sent_as_many_at_any_moment(start: int, step: int, step_s: int, t: float) -> None:
    shape = Stairs(start, step, step_s, end=start + 4 * step)
    times = list(send_times(bounded(stairs(shape), duration_s=40)))
    assert sent_before(times, t) == pytest.approx(ghz_hits(shape, t), abs=1.01)


def test_a_load_without_bounds_has_no_end() -> None:
    assert next(iter(constant(5))).duration_s == math.inf

"""Percentiles are never too low, and too high by a fifth of a percent at most."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.latencies import GROWTH, HIGHEST_S, LOWEST_S, UNCOUNTED, Latencies

DURATIONS = st.lists(st.floats(LOWEST_S, HIGHEST_S), min_size=1, max_size=200)


def latencies(durations_s: list[float]) -> Latencies:
    """All of them."""
    own = Latencies()
    for duration_s in durations_s:
        own.record(duration_s)
    return own


@settings(deadline=None)
@given(DURATIONS, st.sampled_from([1, 10, 50, 90, 99, 99.9, 100]))
def test_a_percentile_is_the_nearest_rank_or_a_hair_above(
    durations_s: list[float], percent: float
) -> None:
    exact = float(np.percentile(durations_s, percent, method="inverted_cdf"))
    found = latencies(durations_s).percentile_s(percent)
    assert exact * (1 - 1e-9) <= found <= exact * GROWTH * (1 + 1e-9)


@settings(deadline=None)
@given(DURATIONS)
def test_fastest_slowest_and_mean_are_exact(durations_s: list[float]) -> None:
    own = latencies(durations_s)
    assert (own.fastest_s, own.slowest_s) == (min(durations_s), max(durations_s))
    assert own.mean_s == pytest.approx(float(np.mean(durations_s)))


@settings(deadline=None)
@given(DURATIONS, DURATIONS)
def test_two_added_are_all_recorded_at_once(first: list[float], second: list[float]) -> None:
    added = latencies(first)
    added.add(latencies(second))
    at_once = latencies(first + second)
    assert len(added) == len(at_once)
    for percent in (1, 50, 99, 100):
        assert added.percentile_s(percent) == at_once.percentile_s(percent)


def test_many_are_counted_as_well_as_few() -> None:
    own = latencies([0.001] * UNCOUNTED + [0.002] * UNCOUNTED)
    assert len(own) == 2 * UNCOUNTED
    assert own.percentile_s(50) == pytest.approx(0.001, rel=GROWTH - 1)
    assert own.percentile_s(51) == pytest.approx(0.002, rel=GROWTH - 1)


def test_nothing_has_no_latency() -> None:
    own = Latencies()
    assert (len(own), own.percentile_s(99), own.mean_s, own.fastest_s) == (0, 0.0, 0.0, 0.0)


def test_what_is_beyond_the_buckets_is_still_the_slowest() -> None:
    assert latencies([2 * HIGHEST_S]).percentile_s(100) == pytest.approx(HIGHEST_S, rel=1)

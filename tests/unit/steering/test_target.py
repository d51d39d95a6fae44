"""The search for the strength of one attribute, against trying every strength."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steering.lever import Pull
from steering.rules import Attribute
from steering.target import Aim, Band, Curve, OneShare, crossing_of, reach_of, spread

LARGEST = 16.0
PLACES = 20
NO_CURVE = Curve(np.array([]), np.array([]))
CURVE = Curve(np.array([-4.0, 0.0, 2.0, 8.0]), np.array([0.0, 0.1, 0.3, 0.6]))


class Steps:
    """A step function from strength to a number of items, rising by one at each step."""

    def __init__(self, start: int, steps: list[float]) -> None:
        """`steps` above 0 raise the count from there on; those below 0 lower it before."""
        self._start = start
        self._up = np.array(sorted(s for s in steps if s > 0))
        self._down = np.array(sorted(s for s in steps if s <= 0))

    def __call__(self, strength: float) -> int:
        """Items at this strength, 0 to PLACES."""
        up = int((self._up <= strength).sum())
        down = int((self._down >= strength).sum()) if strength < 0 else 0
        return int(np.clip(self._start + up - down, 0, PLACES))


def aim(wanted: float, curve: Curve = NO_CURVE, n_items: int = 100, n_carriers: int = 20) -> Aim:
    carriers = np.zeros(n_items + 1, dtype=bool)
    carriers[1 : n_carriers + 1] = True
    nothing = np.array([])
    pull = Pull(np.array([], dtype=np.int64), nothing, nothing)
    return Aim(Attribute("genre", "Horror"), wanted, pull, carriers, n_carriers, curve)


def searched(steps: Steps, band: Band, first: list[float]) -> dict[float, int]:
    """Every strength that the search tried, with what came of it."""
    search = OneShare(band, first, LARGEST)
    tried: dict[float, int] = {}
    while not search.is_done:
        own = search.proposals
        counts = np.array([[steps(float(strength))] for strength in own[:, 0]])
        tried |= dict(zip(own[:, 0].tolist(), counts[:, 0].tolist(), strict=True))
        search.read(own, counts)
    return tried


step = st.floats(-LARGEST, LARGEST).filter(lambda s: abs(s) > 0.1)


@settings(deadline=None)
@given(st.integers(0, PLACES), st.lists(step, max_size=30), st.integers(0, PLACES), st.booleans())
def test_what_a_fine_grid_attains_the_search_attains(
    start: int, steps: list[float], wanted: int, has_card: bool
) -> None:
    share, band = Steps(start, steps), Band.of(wanted, 1)
    first = spread(aim(wanted / PLACES, CURVE if has_card else NO_CURVE), LARGEST, 0.2)
    grid = np.linspace(-LARGEST, LARGEST, 401).tolist()
    attained = any(count in band for count in searched(share, band, first).values())
    assert attained or not any(share(strength) in band for strength in grid)


@settings(deadline=None)
@given(st.integers(0, PLACES), st.lists(step, max_size=30), st.integers(0, PLACES))
def test_a_search_ends_after_a_bounded_number_of_strengths(
    start: int, steps: list[float], wanted: int
) -> None:
    tried = searched(Steps(start, steps), Band.of(wanted, 0.0), spread(aim(0.3), LARGEST, 0.2))
    assert len(tried) < 200


@settings(deadline=None)
@given(st.integers(0, PLACES), st.lists(step, max_size=30), st.integers(0, PLACES))
def test_no_strength_beyond_the_largest_is_tried(
    start: int, steps: list[float], wanted: int
) -> None:
    first = spread(aim(wanted / PLACES, CURVE), LARGEST, 0.2)
    tried = searched(Steps(start, steps), Band.of(wanted, 1), first)
    assert max(map(abs, tried)) <= LARGEST


def test_what_is_attained_at_once_takes_one_round() -> None:
    search = OneShare(Band.of(4, 1), [1.0, 2.0], LARGEST)
    search.read(search.proposals, np.array([[4], [6], [9]]))
    assert search.is_done


def test_the_second_round_lies_between_the_two_that_bracket() -> None:
    search = OneShare(Band.of(10, 1), [1.0, 2.0, 4.0], LARGEST)
    search.read(search.proposals, np.array([[2], [5], [15], [18]]))
    assert ((search.proposals > 1) & (search.proposals < 2)).all()


def test_a_peak_between_two_strengths_that_fall_short_is_found() -> None:
    def peak(strength: float) -> int:
        return 10 if 5.9 < strength < 6.4 else 4

    search = OneShare(Band.of(10, 1), [1.0, 4.0, 12.0], LARGEST)
    counts: list[int] = []
    while not search.is_done:
        own = search.proposals
        counts += [peak(float(strength)) for strength in own[:, 0]]
        search.read(own, np.array(counts[-len(own) :])[:, np.newaxis])
    assert 10 in counts


def test_a_card_places_the_first_spread_about_its_crossing() -> None:
    assert crossing_of(CURVE, 0.2) == pytest.approx(1.0)


def test_a_card_places_it_below_zero_to_lower_a_share() -> None:
    assert crossing_of(CURVE, 0.05) == pytest.approx(-2.0)


def test_beyond_its_card_the_mean_slope_goes_on() -> None:
    assert crossing_of(CURVE, 0.85) == pytest.approx(12.0)


def test_no_card_has_no_crossing() -> None:
    assert crossing_of(NO_CURVE, 0.5) is None


def test_few_carriers_bound_what_a_slate_can_hold() -> None:
    assert reach_of(aim(0.5, n_carriers=3), np.array([1]), PLACES) == (0, 2)


def test_few_others_bound_how_little_it_can_hold() -> None:
    own = aim(0.0, n_items=25, n_carriers=15)
    assert reach_of(own, np.array([25, 24]), PLACES) == (12, 15)


@given(st.floats(0, 20), st.floats(0, 3), st.integers(0, 20), st.integers(0, 20))
def test_a_band_is_moved_to_what_can_be_had(
    wanted: float, slack: float, one: int, other: int
) -> None:
    least, most = sorted((one, other))
    moved = Band.of(wanted, slack).within(least, most)
    assert moved.low <= most + 1e-6
    assert moved.high >= least - 1e-6

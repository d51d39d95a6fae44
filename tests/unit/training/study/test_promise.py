"""Strengths read off a card's curve."""

import pytest

from model_store.cards import Band, DosePoint
from training.study.promise import strength_for


def curve(*shares: float) -> list[DosePoint]:
    """Points at -1, 0, 1, ... with these shares, a tenth of the NDCG lost at each strength."""
    zero = Band(0, 0, 0)
    return [
        DosePoint(
            place - 1.0,
            zero,
            Band(share, share, share),
            Band(1.1 - place / 10, 0, 2),
            zero,
            zero,
            zero,
        )
        for place, share in enumerate(shares)
    ]


def test_a_share_between_two_strengths_of_a_straight_curve_is_on_the_line() -> None:
    dose = strength_for(curve(0.0, 0.1, 0.2, 0.3), 0.225)
    assert dose is not None
    assert dose.strength == pytest.approx(1.25)
    assert dose.ndcg_kept_share == pytest.approx(0.875)


def test_where_a_curve_levels_off_less_is_needed_than_a_straight_line_says() -> None:
    dose = strength_for(curve(0.0, 0.1, 0.3, 0.4), 0.25)
    assert dose is not None
    assert 0.5 < dose.strength < 0.75


def test_a_share_at_a_strength_takes_that_strength() -> None:
    dose = strength_for(curve(0.0, 0.1, 0.2, 0.4), 0.4)
    assert dose is not None
    assert dose.strength == pytest.approx(2)


def test_the_first_strength_counts_where_a_curve_turns_back() -> None:
    dose = strength_for(curve(0.0, 0.1, 0.3, 0.1, 0.3), 0.2)
    assert dose is not None
    assert 0 < dose.strength < 1


def test_a_share_beyond_the_curve_is_unattainable() -> None:
    assert strength_for(curve(0.0, 0.1, 0.2), 0.3) is None


def test_a_lowering_strength_raises_nothing() -> None:
    assert strength_for(curve(0.9, 0.1, 0.2), 0.5) is None

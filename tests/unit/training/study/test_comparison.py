"""Differences of sets on the same drawn users, and what is said of them."""

import numpy as np
import pytest

from training.study.comparison import Contender, comparisons, verdict
from training.study.judging import AREA, Figure, Figures
from training.study.question import LAST

RNG = np.random.default_rng(0)
SHARED = RNG.standard_normal(2_000)
KEY = (AREA, LAST)


def _figures(value: float, common: float = 0.1, own: float = 0.0) -> Figures:
    """A value whose error is shared by all sets, and one of its own."""
    drawn = value + common * SHARED + own * RNG.standard_normal(len(SHARED))
    return {KEY: Figure(value, drawn)}


def test_what_drawn_users_do_to_both_sets_does_not_blur_their_difference() -> None:
    (found,) = comparisons(
        [(Contender("a", [_figures(0.8)]), Contender("b", [_figures(0.7, own=0.01)]))]
    )
    assert found.difference == pytest.approx(0.1)
    assert (found.low, found.high) == pytest.approx((0.08, 0.12), abs=0.002)
    assert found.q < 1e-9


def test_a_control_that_was_drawn_several_times_is_as_uncertain_as_its_draws() -> None:
    control = Contender("b", [_figures(value) for value in (0.6, 0.7, 0.8)])
    (found,) = comparisons([(Contender("a", [_figures(0.8)]), control)])
    assert (found.other_value, found.other_lowest, found.other_highest) == pytest.approx(
        (0.7, 0.6, 0.8)
    )
    assert found.high - found.difference == pytest.approx(1.96 * np.sqrt(0.01 / 3), rel=0.01)


def test_equal_sets_have_no_difference() -> None:
    (found,) = comparisons([(Contender("a", [_figures(0.7)]), Contender("b", [_figures(0.7)]))])
    assert (found.difference, found.q) == pytest.approx((0, 1), abs=1e-6)


def test_the_verdict_names_the_controls_on_each_side() -> None:
    ours = Contender("SAE", [_figures(0.7)])
    others = [
        Contender(name, [_figures(value, own=error)])
        for name, value, error in (("ICA", 0.6, 0.01), ("PCA", 0.69, 0.1), ("random", 0.8, 0.01))
    ]
    said = verdict(comparisons([(ours, other) for other in others]))
    assert said == (
        "SAE, beside 3 controls: clearly above all of them by no measure; clearly below all of "
        "them by none.",
        "SAE, mean best AUC (last item): above ICA (+0.100); not told apart from PCA (+0.010); "
        "below random (-0.100).",
    )


def test_what_beats_every_control_is_said_first() -> None:
    pair = (Contender("SAE", [_figures(0.9)]), Contender("ICA", [_figures(0.6, own=0.01)]))
    assert "above all of them by mean best AUC (last item);" in verdict(comparisons([pair]))[0]


def test_the_saes_own_directions_are_no_control() -> None:
    ours = Contender("SAE", [_figures(0.9)])
    values = {"ICA": 0.6, "SAE, not sparse": 0.95}
    pairs = [(ours, Contender(name, [_figures(v, own=0.01)])) for name, v in values.items()]
    first, second = verdict(comparisons(pairs))
    assert "beside 1 controls: clearly above all of them by mean best AUC" in first
    assert "below SAE, not sparse" in second


def test_nothing_compared_says_nothing() -> None:
    assert verdict(comparisons([])) == ()

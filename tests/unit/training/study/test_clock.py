"""How long a study still takes."""

import pytest

from training.study.clock import Clock, in_words


class Hands:
    """A clock's hands, moved by the test."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


WEIGHTS = {"base": 100.0, "sweep": 50.0, "labels": 10.0}


def test_what_was_never_measured_takes_its_weight() -> None:
    assert Clock(WEIGHTS, {}).left_s() == 160


def test_what_was_measured_takes_as_long_again() -> None:
    assert Clock(WEIGHTS, {"base": 30.0, "sweep": 15.0, "labels": 1.0}).left_s() == 46


def test_a_machine_twice_as_quick_halves_the_other_weights() -> None:
    clock = Clock(WEIGHTS, {})
    clock.start("base")
    clock.finish("base", 50.0)
    assert clock.left_s() == 30


def test_a_part_that_found_its_model_trained_says_nothing_of_the_others() -> None:
    clock = Clock(WEIGHTS, {"base": 1.0}, training=("base",))
    clock.finish("base")
    assert clock.left_s() == 60


def test_a_part_that_was_done_before_leaves_the_rest_as_it_is() -> None:
    clock = Clock(WEIGHTS, {})
    clock.finish("base")
    assert clock.left_s() == 60


def test_the_running_parts_time_runs_down() -> None:
    hands = Hands()
    clock = Clock(WEIGHTS, {}, now=hands)
    clock.start("base")
    hands.at = 40.0
    assert clock.left_s() == 120


def test_a_slow_step_of_the_running_part_says_how_long_it_will_be() -> None:
    hands = Hands()
    clock = Clock({"base": 100.0}, {}, now=hands)
    clock.start("base")
    clock.news("epochs", 0, 10)
    hands.at = 90.0
    clock.news("epochs", 1, 10)
    assert clock.left_s() == 810


def test_units_done_before_the_first_news_say_nothing_of_the_speed() -> None:
    hands = Hands()
    clock = Clock({"base": 1.0}, {}, now=hands)
    clock.start("base")
    clock.news("epochs", 8, 10)
    hands.at = 10.0
    clock.news("epochs", 9, 10)
    assert clock.left_s() == 10


def test_a_step_that_comes_again_is_measured_anew() -> None:
    hands = Hands()
    clock = Clock({"base": 1.0}, {}, now=hands)
    clock.start("base")
    for seconds, done in ((0.0, 0), (10.0, 10), (10.0, 0), (15.0, 1)):
        hands.at = seconds
        clock.news("epochs", done, 10)
    assert clock.left_s() == 45


def test_the_longest_of_steps_within_each_other_counts() -> None:
    hands = Hands()
    clock = Clock({"sweep": 1.0}, {}, now=hands)
    clock.start("sweep")
    for seconds, step, done in ((0.0, "cells", 0), (9.0, "sae", 5), (10.0, "cells", 1)):
        hands.at = seconds
        clock.news(step, done, 10)
    assert clock.left_s() == 90


def test_a_part_that_outlasts_its_estimate_leaves_nothing_below_zero() -> None:
    hands = Hands()
    clock = Clock({"base": 1.0}, {}, now=hands)
    clock.start("base")
    hands.at = 5.0
    assert clock.left_s() == 0


@pytest.mark.parametrize(
    ("seconds", "words"), [(40, "40 s"), (420, "7 min"), (7500, "2 h 05 min"), (3599, "1 h 00 min")]
)
def test_time_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words

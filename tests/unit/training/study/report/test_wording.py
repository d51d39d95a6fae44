"""Numbers as the report writes them."""

import pytest

from training.study.report import wording


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (wording.percent(0.1234), "12.3 %"),
        (wording.percent(-0.0004), "0.0 %"),
        (wording.percent(None), wording.DASH),
        (wording.points(0.012), "+1.2"),
        (wording.points(-0.012), "\u22121.2"),
        (wording.figure(0.18574), "0.1857"),
        (wording.percent_between(0.986, 0.981, 0.99), "98.6 % (98.1 to 99.0)"),
        (wording.percent_between(0.986, None, 0.99), "98.6 %"),
        (wording.points_between(0.01, -0.003, 0.025), "+1.0 (\u22120.3 to +2.5)"),
        (wording.figure_between(0.787, 0.77, 0.801), "0.787 (0.770 to 0.801)"),
        (wording.duration(4.2), "4.2 s"),
        (wording.duration(200), "3 min 20 s"),
        (wording.duration(3900), "1 h 05 min"),
        (wording.value_of("genre=Film=Noir"), "Film=Noir"),
        (wording.listed(["a", "b", "c"]), "a, b and c"),
        (wording.listed(["a"]), "a"),
        (wording.listed([]), ""),
    ],
)
def test_a_number_is_written(written: str, expected: str) -> None:
    assert written == expected

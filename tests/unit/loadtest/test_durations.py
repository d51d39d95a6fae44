"""Durations are those of Go."""

import pytest

from loadtest.durations import seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30s", 30), ("500ms", 0.5), ("1h30m", 5400), ("1.5s", 1.5), ("250us", 2.5e-4), ("2m1s", 121)],
)
def test_a_duration_in_seconds(text: str, expected: float) -> None:
    assert seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "5", "s", "5 s", "5s ", "1d", "-5s", "5sec", "s5"])
def test_what_go_would_refuse_is_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(ValueError, match="write it as 500ms"):
        seconds(text)

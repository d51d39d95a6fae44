"""The nearest name."""

import pytest

from steering.nearest import Nearest

KNOWN = Nearest(["genre=Horror", "genre=Comedy", "genre=Children's", "year=1999"])


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("genre=Horor", "genre=Horror"),
        ("GENRE=horror", "genre=Horror"),
        ("genre = Horror", "genre=Horror"),
        ("genre=Children\u2019s", "genre=Children's"),
        ("genre=Comdy", "genre=Comedy"),
    ],
)
def test_a_slip_is_understood(word: str, name: str) -> None:
    assert KNOWN.to(word) == name


@pytest.mark.parametrize("word", ["mood=cosy", "genre=Grusel", "", "x", " ", "\U0001f383" * 200])
def test_what_is_like_none_gets_no_suggestion(word: str) -> None:
    assert KNOWN.to(word) is None


def test_of_equals_the_first_is_suggested() -> None:
    assert Nearest(["abc", "ABC"]).to("abc") == "abc"


def test_of_no_names_none_is_near() -> None:
    assert Nearest([]).to("abc") is None

"""Conditions in CEL."""

import pytest

from service.presets.conditions import compile_condition
from steering.errors import ConditionRefused

HOME = {"surface": "home", "age": 12.0}


@pytest.mark.parametrize(
    "source",
    [
        "context.surface == 'home'",
        "context.age > 3",
        "context.surface in ['home', 'search']",
        "has(context.age)",
        "context.surface.matches('^ho')",
        "true",
        "'.map(' != context.surface",
        "context.surface != 'http://all(x)'",
    ],
)
def test_a_condition_holds(source: str) -> None:
    assert compile_condition(source)(HOME) == ""


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("context.age > 30", "context.age > 30 is false"),
        (
            "context.missing == 1",
            'context.missing == 1: Key not found in map : "missing"',
        ),
        ("context.age", "context.age gives DOUBLE, not true or false"),
        ("context.age > 'x'", "context.age > 'x': No matching overloads found : _>_"),
    ],
)
def test_a_condition_says_why_it_does_not_hold(source: str, why: str) -> None:
    assert compile_condition(source)(HOME).startswith(why)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("context.a ==", "column 13: ends too soon"),
        ("ctx.a == 1", 'column 4: "ctx.a" is unknown'),
        ("1 + 1", "gives INT, not true or false"),
        ("[1, 2].all(x, x > 0)", "comprehensions (all, exists, map, filter) are not allowed"),
        ("context.items . map (x, x) == []", "comprehensions"),
        ("[1, 2].//\nall(x, x > 0)", "comments, backslashes and triple quotes are not allowed"),
        ('true // "\n && [1].all(x, x > 0) // "', "comments, backslashes"),
        ('r"\\" + [1].all(x, true) + "', "comments, backslashes"),
        ("'''a''' == context.a", "comments, backslashes"),
    ],
)
def test_an_expression_that_is_no_condition_is_refused(source: str, message: str) -> None:
    with pytest.raises(ConditionRefused) as refused:
        compile_condition(source)
    assert str(refused.value).startswith(message)

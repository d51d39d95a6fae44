"""What a condition may cost at most."""

import pytest

from service.presets.conditions import compile_condition
from steering.errors import ConditionRefused

MATCHES = "context.a.matches('%s')"


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (MATCHES % "(.{1,100}){1,10}", "could take 65,536,004 steps on the largest context"),
        (" || ".join([MATCHES % ("a" * 90)] * 3), "could take 1,105,9"),
        (MATCHES % ("a" * 101), "a pattern of 101 characters; at most 100"),
        ("context.a.matches(context.b)", "the pattern of matches must be a text in quotes"),
        ("context.a.matches('a' + context.b)", "the pattern of matches must be a text in quotes"),
        (MATCHES % "(", "pattern '(': invalid regular expression: missing )"),
        (" || ".join([" + ".join(["context.a"] * 15) + " == ''"] * 6), "could take"),
        (" + ".join(["context.a"] * 40) + " == ''", "Exceeded max recursion depth of 32"),
        (
            " || ".join(["context.a.contains(context.b)"] * 8),
            "could take",
        ),
    ],
)
def test_an_expression_that_could_cost_too_much_is_refused(source: str, why: str) -> None:
    with pytest.raises(ConditionRefused) as refused:
        compile_condition(source)
    assert str(refused.value).startswith(why)


@pytest.mark.parametrize(
    "source",
    [
        MATCHES % "^[A-Z]{2}-[0-9]{4}$",
        " || ".join(f"context.surface == 'page-{i}'" for i in range(30)),
        "context.surface in [" + ", ".join(f"'p{i}'" for i in range(150)) + "]",
        "{'a': 1, 'b': 2}.a == context.n",
        "context.a.contains(context.b)",
    ],
)
def test_what_operators_write_is_taken(source: str) -> None:
    compile_condition(source)


@pytest.mark.parametrize(
    "source",
    [
        "(" * 40 + "true" + ")" * 40,
        "context" + ".a" * 40 + " == 1",
        "-(" * 40 + "1" + ")" * 40 + " == 1",
    ],
)
def test_deep_nesting_is_refused_and_not_a_crash(source: str) -> None:
    with pytest.raises(ConditionRefused):
        compile_condition(source)

"""Conditions checked by the declared types of the context."""

import re

import pytest

from service.presets.context_types import ContextTypes, context_types
from steering.errors import ConditionRefused

TYPES = context_types("surface=string, age=double, is_kid=bool, tags=list, geo=map")


@pytest.mark.parametrize(
    "source",
    [
        "context.surface == 'home' && context.age >= 18",
        "context.age == 18",
        "context.age in [18, 19]",
        "18 < context.age",
        "context.age > size(context.tags)",
        "has(context.age) && context.is_kid",
        "'a' in context.tags",
        "context.geo.city == 'Berlin'",
        "context.tags[0] == 'a'",
        "context.age > 3 ? context.surface == 'a' : context.is_kid",
    ],
)
def test_a_condition_on_declared_keys_is_taken(source: str) -> None:
    TYPES.compile(source)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (
            "context.agee > 18",
            "column 8: 'agee' is no declared key of the context; did you mean 'age'?",
        ),
        (
            "context.age > 3 && has(context.country)",
            "column 23: 'country' is no declared key of the context; there are age, geo,",
        ),
        (
            "context.surface == 3",
            "column 17: == does not take string, int; declared are context.surface string",
        ),
        (
            "context.is_kid && context.surface",
            "column 16: && does not take bool, string; declared are context.is_kid bool, context.s",
        ),
        (
            "context.age > 3 && context.surface",
            "column 17: && does not take bool, string; declared",
        ),
        ("context.age + 1 > 3", "column 13: + does not take double, int; declared are context.age"),
        ("context.surface < context.age", "column 17: < does not take string, double; declared"),
        ("context['age'] > 3.0", "column 8: write context.key: with declared types a key is not"),
        ("context.surface", "gives STRING, not true or false"),
    ],
)
def test_a_condition_that_does_not_fit_is_refused(source: str, why: str) -> None:
    with pytest.raises(ConditionRefused) as refused:
        TYPES.compile(source)
    assert str(refused.value).startswith(why)


def test_without_declared_types_every_key_may_be_read() -> None:
    ContextTypes().compile("context.anything == 3")


def test_declared_types_change_no_answer() -> None:
    holds = TYPES.compile("context.age == 18")
    assert (holds({"age": 18.0}), holds({"age": "x"})) == ("", "context.age == 18 is false")


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("age", ""),
        ("surfaces", "'surfaces' is no declared key of the context; did you mean 'surface'?"),
        ("tags", "'tags' is declared a list; a text, a number or a boolean tells callers apart"),
    ],
)
def test_a_rollouts_key_is_checked(key: str, fault: str) -> None:
    assert TYPES.fault_of_key(key) == fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("age", "'age' must be key=type, e.g. age=double"),
        ("age=float", "age=float: the type is one of string, double, bool, list, map"),
        ("user-id=string", "'user-id' is no key: a letter or '_', then letters, digits and '_'"),
        ("a=bool, a=bool", "'a' is declared twice"),
    ],
)
def test_a_bad_declaration_is_refused(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(fault)}$"):
        context_types(text)


def test_an_empty_declaration_declares_nothing() -> None:
    assert not context_types(" ")

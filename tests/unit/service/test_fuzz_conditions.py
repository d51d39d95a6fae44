"""Any text is a condition or refused; a condition tells why it does not hold, and never raises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.presets.conditions import compile_condition
from steering.errors import ConditionRefused
from tests.fuzzed_conditions import ATOMS, CONTEXTS, EXPRESSIONS
from tests.fuzzing import bounded

DEEP = st.tuples(
    st.sampled_from(("!", "-", "(", "[", "{'a': ", "context.a[", "true ? ", "true && ", "1 + ")),
    st.integers(1, 400),
    ATOMS,
    st.sampled_from(("", ")", "]", "}", " : false", ".a", "[0]", ".size()")),
    st.integers(0, 400),
).map(lambda own: own[0] * own[1] + own[2] + own[3] * own[4])
"""One thing again and again, within each other or in a row."""


def check(source: str, context: dict[str, object]) -> None:
    """It is refused in one line, or says in words why it does not hold."""
    try:
        condition = compile_condition(source)
    except ConditionRefused as refused:
        reason = str(refused)
    else:
        assert isinstance(condition(context), str)
        return
    assert reason
    assert "\n" not in reason


@bounded(200)
@given(source=EXPRESSIONS, context=CONTEXTS)
def test_an_expression_is_refused_or_decided(source: str, context: dict[str, object]) -> None:
    check(source, context)


@bounded(80)
@given(source=DEEP, context=CONTEXTS)
def test_a_repetitive_expression_is_refused_or_decided(
    source: str, context: dict[str, object]
) -> None:
    check(source[:1024], context)


@bounded(80)
@given(source=st.text(max_size=60), context=CONTEXTS)
def test_any_text_is_refused_or_decided(source: str, context: dict[str, object]) -> None:
    check(source, context)


@pytest.mark.parametrize("depth", [100, 1023])
@pytest.mark.parametrize("sign", ["!", "-"])
def test_many_signs_are_refused_or_decided(sign: str, depth: int) -> None:
    check(sign * depth + "true", {})

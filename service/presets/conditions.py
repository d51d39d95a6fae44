"""Conditions in CEL, over the request's `context`.

The evaluator is Google's own (cel-cpp). Expressions are checked when they are written, and what
they may cost is bounded; at run time one that fails (a key that the context lacks, a comparison of
unlike types) does not hold.
"""

import re
from collections.abc import Iterable
from functools import cached_property, lru_cache
from typing import Any

from cel_expr_python import cel

from service.presets.condition_cost import check_cost, parsed, patterns_of
from service.presets.condition_words import in_words
from steering.errors import ConditionRefused
from steering.resolved import Condition, Context

MAX_COMPILED = 4096
"""Expressions kept compiled; inline rules of unlike requests share them."""
COMPREHENSION = re.compile(r"\.\s*(all|exists|exists_one|map|filter)\s*\(")
"""CEL's only loops: they could make one request cost what a million do."""
STRING = re.compile("\"[^\"]*\"|'[^']*'")
"""Exact where there is no backslash, no comment and no triple quote."""
TRIPLE = re.compile("(\"\"\"|''')")

_ENV = cel.NewEnv(variables={"context": cel.Type.Map(cel.Type.STRING, cel.Type.DYN)})
_TYPES = (cel.Type.BOOL, cel.Type.DYN)
_MATCHES = _ENV.compile("''.matches(context.pattern)")


class Facts(dict[str, object]):
    """One request's context, turned into the evaluator's form once for all conditions."""

    @cached_property
    def activation(self) -> Any:
        """What expressions are evaluated in."""
        return _ENV.Activation({"context": self})


@lru_cache(maxsize=MAX_COMPILED)
def compile_condition(source: str) -> Condition:
    """The condition that a CEL expression means.

    Raises:
        ConditionRefused: no CEL, not true or false, an unknown variable, a comprehension, or it
            could cost too much.
    """
    _refuse_loops(source)
    try:
        expression = _ENV.compile(source)
    except RuntimeError as error:
        raise ConditionRefused(in_words(_sentence(str(error)), source)) from None
    if expression.return_type() not in _TYPES:
        kind = expression.return_type().name()
        raise ConditionRefused(f"gives {kind}, not true or false; compare it with something")
    tree = parsed(expression.serialize())
    check_cost(tree)
    _check_patterns(patterns_of(tree))

    def why_not(context: Context) -> str:
        facts = context if isinstance(context, Facts) else Facts(context)
        try:
            value = expression.eval(facts.activation)
        except RuntimeError as error:
            return f"{source}: {_sentence(str(error))}"
        result = value.value()
        if result is True or result is False:
            return "" if result else f"{source} is false"
        if value.type() == cel.Type.ERROR:
            return f"{source}: {_sentence(str(result))}"
        return f"{source} gives {value.type().name()}, not true or false"

    return why_not


def _refuse_loops(source: str) -> None:
    """Raises ConditionRefused where there is a comprehension, or what could hide one."""
    bare = STRING.sub(" ", source)
    if "\\" in source or "//" in bare or TRIPLE.search(source):
        raise ConditionRefused(
            "comments, backslashes and triple quotes are not allowed; remove them"
        )
    if COMPREHENSION.search(bare):
        raise ConditionRefused(
            "comprehensions (all, exists, map, filter) are not allowed; write out each case"
        )


def _check_patterns(patterns: Iterable[str]) -> None:
    """Raises ConditionRefused where a regular expression is none: at run time it would not hold."""
    for pattern in patterns:
        value = _MATCHES.eval(Facts(pattern=pattern).activation)
        if value.type() == cel.Type.ERROR:
            raise ConditionRefused(f"pattern {pattern!r}: {_sentence(str(value.value()))}")


def _sentence(text: str) -> str:
    """The evaluator's first line, without its codes."""
    first = text.strip().splitlines()[0]
    return (
        re.sub(r"^([A-Z_]+: )?(ERROR: <input>:(-?\d+):(-?\d+): )?", r"column \4: ", first, count=1)
        .replace("column : ", "")
        .replace("column -1: ", "")
    )

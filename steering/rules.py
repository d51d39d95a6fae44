"""A rule: one operation on one feature, or on an attribute's group of features."""

import math
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from steering.errors import InvalidRule, RuleFault

MAX_VALUE = 1e6
"""Largest magnitude of a rule's value: far beyond every limit, near enough to stay finite."""
MAX_RULE_ID = 64
MAX_CONDITION = 1024
LINES = "\n\r\t"
"""Control characters that a text of several lines may hold."""
MAX_ATTRIBUTE = 200
"""Longest name or value of an attribute, in characters."""
MAX_FEATURE_INDEX = 2**31 - 1
"""What the contract can carry."""


class Operation(IntEnum):
    """What a rule does to an activation; the edit's order is written in `steering.edit`."""

    SCALE = 1
    ADD = 2
    SET = 3
    FLOOR = 4
    CAP = 5


class Unit(IntEnum):
    """The unit of a rule's value."""

    REFERENCE = 1
    RAW = 2


@dataclass(frozen=True, slots=True)
class Attribute:
    """One value of one item attribute, e.g. genre / Horror."""

    name: str
    value: str

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


@dataclass(frozen=True, slots=True)
class ActivationRange:
    """A closed range of activations; an infinite end is open."""

    min: float = -math.inf
    max: float = math.inf

    def __contains__(self, activation: float) -> bool:
        return self.min <= activation <= self.max


@dataclass(frozen=True, slots=True)
class Rule:
    """One operation on one target."""

    operation: Operation
    target: int | Attribute
    """A feature index, or an attribute."""
    value: float
    """A factor for SCALE, else an activation in `unit`."""
    unit: Unit = Unit.REFERENCE
    """Unit of `value` and of `when_activation`."""
    rule_id: str = ""
    """The caller's own name, echoed in the report."""
    condition: str = ""
    """Expression over the request's context; empty: always."""
    when_activation: ActivationRange | None = None
    """Range of the target's activation, before any rule, where the rule acts; None: any."""


def faults_of(rule: Rule, field: str) -> Iterator[RuleFault]:
    """Everything wrong with a rule that needs no feature space to see."""
    if is_plain(rule):
        return
    yield from _value_faults(rule, f"{field}.value")
    yield from _target_faults(rule, field)
    yield from _text_faults(rule, field)
    if rule.when_activation is not None:
        yield from _range_faults(rule.when_activation, f"{field}.when_activation")


def is_plain(rule: Rule) -> bool:
    """Whether one look shows that nothing is wrong, as with most rules of most requests."""
    return (
        -MAX_VALUE <= rule.value <= MAX_VALUE
        and (rule.value >= 0 or rule.operation is not Operation.SCALE)
        and is_plain_target(rule.target)
        and not (rule.rule_id or rule.condition)
        and rule.when_activation is None
    )


def is_plain_target(target: int | Attribute) -> bool:
    """Whether one look shows that nothing is wrong with a target, whatever the bundle."""
    if isinstance(target, Attribute):
        return is_plain_attribute(target.name, target.value)
    return 0 <= target <= MAX_FEATURE_INDEX


def is_plain_attribute(name: str, value: str) -> bool:
    """As `is_plain_target`, of an attribute's name and value."""
    # lengths first: only what is short is kept
    return (
        0 < len(name) <= MAX_ATTRIBUTE
        and 0 < len(value) <= MAX_ATTRIBUTE
        and _is_plain_text(name, value)
    )


@lru_cache(maxsize=4096)
def _is_plain_text(name: str, value: str) -> bool:
    return "=" not in name and name.isprintable() and value.isprintable()


def hidden_character(text: str, allowed: str = "") -> str:
    """The first control character in a text, e.g. U+0007; empty: there is none.

    Args:
        text: what a person wrote, and another reads on a screen.
        allowed: control characters that may be there.
    """
    if text.isprintable():
        return ""
    for own in text:
        if unicodedata.category(own) == "Cc" and own not in allowed:
            return f"the control character U+{ord(own):04X}"
    return ""


def _value_faults(rule: Rule, field: str) -> Iterator[RuleFault]:
    if not math.isfinite(rule.value):
        yield InvalidRule(field, f"{rule.value} is not a finite number; give one")
    elif abs(rule.value) > MAX_VALUE:
        limit = f"at most {MAX_VALUE:,.0f} in magnitude"
        yield InvalidRule(field, f"{rule.value:,.10g} is too large; {limit}")
    elif rule.operation is Operation.SCALE and rule.value < 0:
        yield InvalidRule(
            field, f"SCALE by {rule.value:g}: a factor is 0 or more; to suppress, ADD a negative"
        )


def _target_faults(rule: Rule, field: str) -> Iterator[RuleFault]:
    match rule.target:
        case int(index) if index < 0:
            yield InvalidRule(f"{field}.feature_index", f"{index} is negative; indices start at 0")
        case int(index) if index > MAX_FEATURE_INDEX:
            yield InvalidRule(f"{field}.feature_index", "has too many digits; no SAE is so large")
        case Attribute(name, value) if not (name and value):
            yield InvalidRule(
                f"{field}.attribute", f"name {name!r} and value {value!r} are both required"
            )
        case Attribute(name, value) if max(len(name), len(value)) > MAX_ATTRIBUTE:
            yield InvalidRule(
                f"{field}.attribute", f"name and value have at most {MAX_ATTRIBUTE} characters each"
            )
        case Attribute(name, value) if "=" in name:
            message = f"name {name!r} holds '=', which ends a name; only a value may hold it"
            yield InvalidRule(f"{field}.attribute", message)
        case Attribute(name, value) if character := hidden_character(name + value):
            yield InvalidRule(f"{field}.attribute", f"holds {character}; remove it")


def _text_faults(rule: Rule, field: str) -> Iterator[RuleFault]:
    for name, text, limit in (
        ("rule_id", rule.rule_id, MAX_RULE_ID),
        ("condition", rule.condition, MAX_CONDITION),
    ):
        if len(text) > limit:
            yield InvalidRule(f"{field}.{name}", f"{len(text)} characters; at most {limit}")
    if character := hidden_character(rule.rule_id):
        yield InvalidRule(f"{field}.rule_id", f"holds {character}; remove it")
    if character := hidden_character(rule.condition, allowed=LINES):
        yield InvalidRule(f"{field}.condition", f"holds {character}; remove it")


def _range_faults(bounds: ActivationRange, field: str) -> Iterator[RuleFault]:
    if math.isnan(bounds.min) or math.isnan(bounds.max):
        yield InvalidRule(field, "NaN bounds nothing; give a number or leave the end out")
    elif bounds.min == math.inf or bounds.max == -math.inf:
        yield InvalidRule(field, "no activation is infinite; give a number or leave the end out")
    elif bounds.min > bounds.max:
        yield InvalidRule(field, f"min {bounds.min:g} is above max {bounds.max:g}; swap them")


def repeated_ids(rules: Iterable[Rule]) -> Iterator[tuple[int, int]]:
    """Index of each rule whose id an earlier one has, with the index of that one."""
    first: dict[str, int] = {}
    for index, rule in enumerate(rules):
        if rule.rule_id and first.setdefault(rule.rule_id, index) != index:
            yield index, first[rule.rule_id]

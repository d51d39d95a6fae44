"""Rules, presets and context as words of a command line."""

from collections.abc import Sequence

import typer
from google.protobuf import struct_pb2
from steerrec.v1 import recommender_pb2, rule_pb2

from cli.checked_values import MAX_REVISION, MAX_WHOLE, finite_number, whole_number
from cli.contexts import ContextRefused, fact_of, struct_of
from cli.shown import shown
from cli.spelling import hint

OPERATIONS = ("SCALE", "ADD", "SET", "FLOOR", "CAP")
UNITS = ("reference", "raw")
FORM = "TARGET:OPERATION:VALUE[:UNIT], e.g. genre=Horror:ADD:1.5 or 12:SCALE:0"


def rule_of(text: str) -> rule_pb2.Rule:
    """The rule that `text` spells: TARGET:OPERATION:VALUE[:UNIT].

    The target is `name=value`, or a feature's index: `12`, `feature=12`, `feature 12`. It may
    hold colons: the other parts are read from the right.

    Raises:
        BadParameter: saying which part is wrong, and what it could be.
    """
    words = text.split(":")
    unit = words.pop() if words[-1].lower() in UNITS else "reference"
    if len(words) < 3:
        raise typer.BadParameter(f"--rule {shown(text)} is no rule: {FORM}")
    *target, operation, value = words
    given = f"--rule {shown(text)}"
    rule = rule_pb2.Rule(
        operation=rule_pb2.Operation.Value(f"OPERATION_{_operation(operation, given)}"),
        value=finite_number(value, given),
        unit=rule_pb2.Unit.Value(f"UNIT_{unit.upper()}"),
    )
    _aim(rule, ":".join(target), given)
    return rule


def attribute_of(text: str) -> rule_pb2.Attribute:
    """The attribute that `name=value` spells.

    Raises:
        BadParameter: a part is missing.
    """
    name, _, value = text.partition("=")
    if not (name and value):
        raise typer.BadParameter(f"{text!r} is no attribute: NAME=VALUE, e.g. genre=Horror")
    return rule_pb2.Attribute(name=name, value=value)


def attribute_share_of(text: str) -> recommender_pb2.AttributeShare:
    """The share that `NAME=VALUE:SHARE` spells, read from the right; `0.4` or `40%`.

    Raises:
        BadParameter: a part is missing, or the share is no number from 0 to 1.
    """
    attribute, colon, words = text.rpartition(":")
    form = "NAME=VALUE:SHARE, e.g. genre=Documentary:0.4"
    if not colon:
        raise typer.BadParameter(f"--target {text}: is no target: {form}")
    share = share_of(words, f"--target {text}")
    return recommender_pb2.AttributeShare(attribute=attribute_of(attribute), share=share)


def share_of(text: str, given: str) -> float:
    """The part of a whole that `text` spells: `0.4` or `40%`.

    Args:
        text: the share's words.
        given: the option and its value, as errors name them.

    Raises:
        BadParameter: it is no number from 0 to 1.
    """
    number = text.removesuffix("%")
    try:
        share = float(number) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise typer.BadParameter(f"{given}: {text!r} is no share; write 40% or 0.4") from None
    if not 0 <= share <= 1:
        is_percent = 1 < share <= 100 and number == text
        remedy = f"{share:g}% or {share / 100:g}" if is_percent else "40% or 0.4, for example"
        raise typer.BadParameter(f"{given}: {text} is not within 0 to 1; write {remedy}")
    return share


def preset_reference_of(text: str) -> recommender_pb2.PresetReference:
    """The preset that `text` names: NAME, or NAME@REVISION.

    Raises:
        BadParameter: the revision is no number, or one that no preset has.
    """
    name, at, revision = text.partition("@")
    number = whole_number(revision, f"revision of {shown(text)}", most=MAX_REVISION) if at else None
    return recommender_pb2.PresetReference(name=name, revision=number)


def context_of(pairs: Sequence[str]) -> struct_pb2.Struct | None:
    """The context that `key=value` words spell; a value is JSON where it parses as such.

    Raises:
        BadParameter: a word without `=`, a key given twice, or a value that nothing can hold.
    """
    facts: dict[str, object] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise typer.BadParameter(f"--context {shown(pair)} is not KEY=VALUE, e.g. surface=home")
        if key in facts:
            raise typer.BadParameter(f"--context {shown(key)} is given twice; give it once")
        try:
            facts[key] = fact_of(value)
        except ContextRefused as refused:
            raise typer.BadParameter(f"--context {shown(key)}: {refused}") from None
    try:
        return struct_of(facts) if facts else None
    except ContextRefused as refused:
        raise typer.BadParameter(f"--context {refused}") from None


def _operation(text: str, given: str) -> str:
    if text.upper() not in OPERATIONS:
        raise typer.BadParameter(
            f"{given}: {shown(text)} is no operation; {hint(text, OPERATIONS)}"
        )
    return text.upper()


def _aim(rule: rule_pb2.Rule, target: str, given: str) -> None:
    index = target.removeprefix("feature").lstrip(" =")
    if index.removeprefix("-").isdecimal():
        rule.feature_index = whole_number(index, given, least=-MAX_WHOLE - 1)
        return
    name, equals, value = target.partition("=")
    if not (name and equals and value):
        raise typer.BadParameter(
            f"{given}: {shown(target)} is no target: an attribute as name=value, or a feature's "
            "index"
        )
    rule.attribute.name, rule.attribute.value = name, value

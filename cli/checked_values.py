"""What every option and argument must be beside its type: numbers that messages hold, and text.

One check for the whole command line, put on every parameter of the finished command tree.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import typer

from cli.shown import shown

MAX_WHOLE = 2**31 - 1
"""Largest whole number where an option has no smaller one: what the contract's int32 holds."""
MAX_REVISION = 2**63 - 1
"""Largest revision: what the contract's int64 holds."""
Process = Callable[[Any, Any], Any]
"""What reads a parameter: the context and the words give the value."""
PLACES = frozenset({"store", "data"})
"""Options, beside those that are paths, which name where something lies."""
HALF_CHARACTERS = range(0xD800, 0xE000)
"""Surrogates: what bytes that are no UTF-8 become in a command line."""


def check_values(command: Any) -> None:
    """Have each parameter of the command, and of those below it, refuse what nothing can hold."""
    for parameter in _parameters(command):
        parameter.process_value = _checked(parameter, parameter.process_value)


def whole_number(text: str, given: str, *, least: int = 0, most: int = MAX_WHOLE) -> int:
    """The number that `text` spells.

    Args:
        text: digits, perhaps after a minus.
        given: option and value, as the error names them.
        least: smallest number allowed.
        most: largest number allowed.

    Raises:
        BadParameter: it is no whole number, or not within the bounds.
    """
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal()):
        raise typer.BadParameter(f"{given}: {shown(text)} is not a whole number")
    number = int(text) if len(digits) <= len(str(MAX_REVISION)) else None
    if number is None or not least <= number <= most:
        raise typer.BadParameter(f"{given}: {shown(text)} is not within {least} to {most}")
    return number


def finite_number(text: str, given: str) -> float:
    """The number that `text` spells.

    Raises:
        BadParameter: it is no number, or not a finite one.
    """
    try:
        number = float(text)
    except ValueError:
        raise typer.BadParameter(f"{given}: {shown(text)} is not a number") from None
    if not math.isfinite(number):
        raise typer.BadParameter(f"{given}: {shown(text)} is not a finite number")
    return number


def _parameters(command: Any) -> Iterator[Any]:
    yield from command.params
    for inner in getattr(command, "commands", {}).values():
        yield from _parameters(inner)


def _checked(parameter: Any, process: Process) -> Process:
    """Reads the parameter as typer does, then checks what was read; a path may be any bytes."""

    def checked(context: Any, value: Any) -> Any:
        try:
            read = process(context, value)
        except typer.BadParameter as error:
            if type(error) is typer.BadParameter:  # others say that there is no value
                fault = next(_text_faults(_each(value)), None)
                error.message = fault or _with_value(error.message, value, parameter)
            raise
        faults = (_text_faults(_each(read)), _number_faults(_each(read), parameter))
        for fault in (*_blank_faults(value, read, parameter), *chain(*faults)):
            raise typer.BadParameter(fault, ctx=context, param=parameter)
        return read

    return checked


def _each(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else (value,)


def _text_faults(values: Sequence[Any]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str) and any(ord(own) in HALF_CHARACTERS for own in value):
            yield f"{shown(value)} is not UTF-8 text; write it in UTF-8"


def _blank_faults(given: Any, read: Any, parameter: Any) -> Iterator[str]:
    """An empty place would be the working folder, or the default: most often a variable not set."""
    if given == "" and (isinstance(read, Path) or parameter.name in PLACES):
        yield "it is empty; name a place, or leave the option out"


def _number_faults(values: Sequence[Any], parameter: Any) -> Iterator[str]:
    least, most = _bounds(parameter)
    low = -MAX_WHOLE - 1 if least is None else least
    high = MAX_WHOLE if most is None else most
    for value in values:
        match value:
            case bool():
                continue
            case int() if not low <= value <= high:
                yield f"{shown(value)} is not within {low} to {high}"
            case float() if not math.isfinite(value):
                yield f"{value} is not a finite number"


def _with_value(message: str, value: Any, parameter: Any) -> str:
    """What is wrong with a value that typer cannot read: the value, and what it may be."""
    given = ", ".join(map(shown, _each(value)))
    match _bounds(parameter):
        case None, None:
            return message if given in message else f"{given}: {message}"
        case least, None:
            return f"{given} is not a number from {least} on"
        case None, most:
            return f"{given} is not a number up to {most}"
        case least, most:
            return f"{given} is not a number from {least} to {most}"


def _bounds(parameter: Any) -> tuple[Any, Any]:
    """Smallest and largest value that the option declares; None: it declares none."""
    descriptor = getattr(parameter, "type_descriptor", None)  # of the typer that reads by pydantic
    kind = getattr(descriptor, "parameter_info", None) or getattr(parameter, "type", None)
    return getattr(kind, "min", None), getattr(kind, "max", None)

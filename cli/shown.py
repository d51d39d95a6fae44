"""A value of a file as a sentence quotes it: short, and nothing in it that a screen would obey."""

import json
from collections.abc import Mapping
from typing import Any

MAX_SHOWN = 60
"""Characters of a value that a sentence quotes."""


def shown(value: Any) -> str:
    """The value in quotes where it is text, as written where it is not; long ones are cut."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{_cut(printable(value))}"'
        case Mapping():
            return "a section"
        case list() | tuple() | set() | frozenset():
            return "a list"
    return _cut(str(value))


def printable(text: str) -> str:
    """The text with every character that cannot be seen written as its escape."""
    return "".join(own if own.isprintable() else json.dumps(own)[1:-1] for own in text)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."

"""What the CEL compiler says of an expression, in words for people who never read of CEL."""

import re
from collections.abc import Callable

WORDS = {"and": "&&", "or": "||", "not": "!", "=": "==", "&": "&&", "|": "||"}
"""What people write, and what CEL has for it."""
VALUES = {"True": "true", "False": "false", "None": "null", "nil": "null"}
CURLY = "\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"
QUOTES = "\"'"

Say = Callable[[re.Match[str], str], str]


def in_words(message: str, source: str) -> str:
    """The compiler's message as problem and remedy; what is not known stays as it is.

    Args:
        message: its first line, with `column n: ` before it where it names one.
        source: the expression.
    """
    place, _, problem = message.partition(": ") if message.startswith("column ") else ("", "", "")
    for pattern, say in _SENTENCES:
        if found := re.search(pattern, problem or message):
            said = say(found, source)
            return f"{place}: {said}" if place else said
    return message


def _unread(found: re.Match[str], _: str) -> str:
    it = found[1]
    if it[0] in QUOTES:
        return "a quote is never closed"
    if it[0] in CURLY:
        return f'{it[0]} is no quote here; write "'
    if it[0] in WORDS:
        return f"{it[0]} means nothing; write {WORDS[it[0]]}"
    return f'"{it.strip()}" means nothing here; text stands in quotes'


def _unexpected(found: re.Match[str], source: str) -> str:
    it = found[1]
    before = source.split()[:1]
    if it in WORDS:
        return f'"{it}" is written {WORDS[it]}'
    if before == ["not"]:
        return '"not" is written !'
    if it == "<EOF>":
        return "ends too soon; something is missing"
    if it == ")":
        return "a bracket is closed that was not opened, or is empty"
    return f'"{it}" cannot stand here'


def _unknown(found: re.Match[str], source: str) -> str:
    it = found[1]
    if it in VALUES:
        return f'"{it}" is written {VALUES[it]}'
    if re.search(rf"\b{re.escape(it)}\s*\(", source):
        return f'there is no function "{it}" of this form'
    last = it.rpartition(".")[2]
    return f'"{it}" is unknown; a fact is read as context.{last}, and text stands in quotes'


def _overload(found: re.Match[str], _: str) -> str:
    operator = found[1].strip("_@")
    operator = {"?_:": "? :", "[_]": "[ ]"}.get(operator, operator)
    kinds = found[2].replace(", ", " and ")
    remedy = "; write 1.0 for 1" if "double" in kinds and "int" in kinds else "; write one kind"
    return f"{operator} cannot take {kinds}{remedy}"


_SENTENCES: tuple[tuple[str, Say], ...] = (
    (r"token recognition error at: '(.+?)'?$", _unread),
    (r"(?:mismatched|extraneous) input '(.+?)' expecting", _unexpected),
    (r"missing '[)\]}]' at", lambda *_: "a bracket is never closed"),
    (r"undeclared reference to '(.+?)'", _unknown),
    (r"found no matching overload for '(.+?)' applied to '\((.*)\)'", _overload),
    (
        r"reserved identifier: (\w+)",
        lambda found, _: f'"{found[1]}" is a reserved word; a condition is one comparison or more',
    ),
    (
        r"recursion limit exceeded.*?(\d+)",
        lambda found, _: f"brackets within brackets; at most {found[1]}",
    ),
    (r"invalid (int|uint|double) literal", lambda *_: "a number of too many digits; shorten it"),
    (
        r"type '(.+?)' cannot be the operand of a select",
        lambda found, _: f"a {found[1]} has no parts; compare it whole",
    ),
    (r"has\(\) argument", lambda *_: "has() asks for one fact, as has(context.surface)"),
)
"""What the compiler says, and what we say."""

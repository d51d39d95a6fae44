"""The context of a request: facts that conditions read, as the contract's message."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.struct_pb2 import Struct

from cli.shown import shown

MAX_EXACT = 2**53
"""Up to here every whole number is a double; beyond, two ids could become one."""


class ContextRefused(ValueError):
    """A fact that a context cannot hold."""


def struct_of(facts: Mapping[str, object]) -> Struct:
    """The message of the facts.

    Raises:
        ContextRefused: a number that would become another, half a character, or too many
            sections within each other.
    """
    for key, value in facts.items():
        for number in _numbers(value):
            _check_number(key, number)
    try:
        return ParseDict(dict(facts), Struct())
    except UnicodeError:
        raise ContextRefused("holds half of a character; write the whole one") from None
    except (ParseError, ValueError, TypeError, RecursionError) as error:
        raise ContextRefused(f"cannot be sent: {str(error).splitlines()[0][:200]}") from None


def fact_of(text: str) -> object:
    """The value that `text` spells: JSON where it parses as such, else the text itself.

    Raises:
        ContextRefused: it is JSON that nothing can hold.
    """
    try:
        return json.loads(text, parse_constant=str, object_pairs_hook=section_of)
    except json.JSONDecodeError:
        return text
    except ContextRefused:
        raise
    except ValueError:
        raise ContextRefused(f"{shown(text)}; {_remedy(text)}") from None
    except RecursionError:
        raise ContextRefused(f"{shown(text)}: too many sections within each other") from None


def section_of(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """The object of JSON with these pairs.

    Raises:
        ContextRefused: a key is given twice, of which JSON would keep the last.
    """
    section = dict(pairs)
    if len(section) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = next(key for key, count in counts.items() if count > 1)
        raise ContextRefused(f"key {shown(twice)} is given twice; give it once")
    return section


def _numbers(value: object) -> Iterator[int | float]:
    """Every number of a value of JSON, however deep."""
    left = [value]
    while left:
        match left.pop():
            case bool():
                continue
            case int() | float() as number:
                yield number
            case list() as parts:
                left.extend(parts)
            case dict() as section:
                left.extend(section.values())


def _check_number(key: str, number: float) -> None:
    is_exact = abs(number) <= MAX_EXACT if isinstance(number, int) else math.isfinite(number)
    if not is_exact:
        text = str(number)
        raise ContextRefused(f"{shown(key)}: {shown(number)}; {_remedy(text)}")


def _remedy(text: str) -> str:
    quoted = f'"{text}"' if len(text) <= 40 else '"..."'
    return f"a context keeps numbers exactly up to {MAX_EXACT}; write it as text, {quoted}"

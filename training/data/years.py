"""The year in a text: of a date, alone, or in brackets at the end of a title."""

import re
from typing import Final

from training.data.iso_8601 import year_of

ALONE: Final = re.compile(r"(\d{4})(?:\.0*)?", re.ASCII)
"""`1995`, and `1995.0` as programs write whole numbers with gaps."""

AT_THE_END: Final = re.compile(r"\((\d{4})\)$", re.ASCII)
"""`Toy Story (1995)`."""

DAY_FIRST: Final = re.compile(
    r"\d{1,2}([-/. ])(?:\d{1,2}|[A-Za-z]{3,9}\.?)\1(\d{4})(?:[T ].*)?", re.ASCII
)
"""`01-Jan-1995`, `1/3/1995`; which is the day does not matter."""

SLASHED: Final = re.compile(r"(\d{4})(?:/\d{1,2}|([/.])\d{1,2}\2\d{1,2})(?:[T ].*)?", re.ASCII)
"""`1995/03`, `1995/03/01`, `1995.03.01`; `1995.5` is a number."""


def year(text: str) -> str:
    """The four digits of the year; empty where the text names none."""
    text = text.strip()
    if found := ALONE.fullmatch(text) or SLASHED.fullmatch(text) or AT_THE_END.search(text):
        return found[1]
    if found := DAY_FIRST.fullmatch(text):
        return found[2]
    dated = year_of(text)
    return "" if dated is None else f"{dated:04}"

"""Names of time zones, and what was meant by a name that is none."""

import re
from functools import cache
from zoneinfo import available_timezones

from rapidfuzz import fuzz, process, utils

NEAR_ENOUGH = 75
"""Likeness, of 100, from which another name is suggested."""
EXAMPLE = 'an IANA name such as "Europe/Berlin"'
A_CITY = "name a city there as Region/City, whose zone knows summer time"
OFFSET = re.compile(r"(?:UTC|GMT|Z|Etc/UTC)?\s*([+-])\s*(\d{1,2})(?::?([0-5]\d))?", re.IGNORECASE)
POSIX_OFFSET = re.compile(r"Etc/GMT([+-])0*(\d{1,2})", re.IGNORECASE)
UTC_NAMES = frozenset({"z", "utc", "gmt", "zulu", "utc+0", "utc-0", "utc0", "gmt0"})
EAST_MOST, WEST_MOST = 14, 12
"""Hours of the zones called Etc/GMT-14 and Etc/GMT+12, whose signs are the other way round."""


@cache
def zone_names() -> frozenset[str]:
    """Those that mean the same on every machine."""
    return frozenset(available_timezones() - {"localtime"})


def zone_remedy(name: str) -> str:
    """What to write instead of a name that is no time zone; never a zone of another offset."""
    text = name.strip()
    if text.lower() in UTC_NAMES:
        return 'write "UTC"'
    if posix := POSIX_OFFSET.fullmatch(text):
        return _named(f"Etc/GMT{posix[1]}{posix[2]}")
    if offset := OFFSET.fullmatch(text):
        return _of_offset(offset[1], int(offset[2]), int(offset[3] or 0))
    near = _near(text)
    return f'did you mean "{near}"?' if near else EXAMPLE


def _of_offset(sign: str, hours: int, minutes: int) -> str:
    if not hours and not minutes:
        return 'write "UTC"'
    if minutes or hours > (EAST_MOST if sign == "+" else WEST_MOST):
        return f"it is an offset; {A_CITY}"
    turned = "-" if sign == "+" else "+"
    zone = f"Etc/GMT{turned}{hours}"
    return f'it is an offset; write "{zone}", with the sign the other way round, or {A_CITY}'


def _named(name: str) -> str:
    return f'did you mean "{name}"?' if name in zone_names() else EXAMPLE


def _near(text: str) -> str | None:
    """The zone of a region and a city that is nearly spelled like it.

    Abbreviations and numbers are left alone: the nearest name is that of another offset.
    """
    for name in zone_names():
        if name.lower() == text.lower():
            return name
    cities = [name for name in zone_names() if "/" in name and not re.search(r"\d", name)]
    if len(text) < 5 or re.search(r"\d", text):
        return None
    by_city = {name.rpartition("/")[2]: name for name in sorted(cities)}
    choices = cities if "/" in text else list(by_city)
    found = process.extractOne(
        text, choices, scorer=fuzz.ratio, score_cutoff=NEAR_ENOUGH, processor=utils.default_process
    )
    return None if found is None else by_city.get(found[0], found[0])

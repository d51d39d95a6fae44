"""Times written as ISO 8601, with all their digits.

`datetime` would cut a fraction after the sixth digit, and in Python 3.11 refuses 24:00 and days of
the year.
"""

import re
from datetime import date
from typing import Final, NamedTuple

FORMS: Final = "2024-01-31, 2024-01-31T10:00:00.5+02:00, 20240131T100000Z, 2024-W05-3 or 2024-031"
"""Examples of what is read, for messages; docs/data.md lists the forms."""

TIME: Final = re.compile(
    r"""
    (?P<year>\d{4})
    (?: -?W(?P<week>\d\d)(?:-?(?P<weekday>[1-7]))?
      | -(?P<month>\d{1,2})(?:-(?P<day>\d{1,2}))?
      | (?P<month_>\d\d)(?P<day_>\d\d)
      | -?(?P<day_of_year>\d{3})
    )
    (?: (?:T|\ +)
        (?P<hour>\d\d|\d(?=:))
        (?: :?(?P<minute>\d\d)(?: :?(?P<second>\d\d)(?:[.,](?P<fraction>\d+))? )? )?
        (?: \ ?(?: Z | UTC | (?P<sign>[+-])
            (?P<zone_h>\d\d)(?: :?(?P<zone_m>\d\d)(?: :?(?P<zone_s>\d\d))? )? ) )?
    )?
    """,
    re.VERBOSE | re.ASCII | re.IGNORECASE,
)

DAY_S: Final = 86_400


class Moment(NamedTuple):
    """A point in time; moments compare as they follow each other."""

    seconds: int
    """Since the year 1, UTC."""
    fraction: str
    """Digits of the fraction of a second, without zeros at the end: they compare as text."""


def moment(text: str) -> Moment | None:
    """The moment that the text names, None where it is no time. No zone: UTC; no clock: 0:00."""
    found = TIME.fullmatch(text)
    day = None if found is None else _day(found)
    if found is None or day is None:
        return None
    clock = _seconds(found["hour"], found["minute"], found["second"])
    zone = _seconds(found["zone_h"], found["zone_m"], found["zone_s"])
    fraction = (found["fraction"] or "").rstrip("0")
    if clock is None or zone is None or zone >= DAY_S or (clock == DAY_S and fraction):
        return None
    return Moment(day * DAY_S + clock - (-zone if found["sign"] == "-" else zone), fraction)


def year_of(text: str) -> int | None:
    """The calendar year of the date or time, as written; None where it is none."""
    found = TIME.fullmatch(text)
    day = None if found is None else _day(found)
    return None if day is None else date.fromordinal(day).year


def _day(found: re.Match[str]) -> int | None:
    """The day's number, from 1 for the first day of the year 1."""
    year = int(found["year"])
    try:
        if found["week"]:
            return date.fromisocalendar(
                year, int(found["week"]), int(found["weekday"] or 1)
            ).toordinal()
        if found["day_of_year"]:
            return _nth_day(year, int(found["day_of_year"]))
        month = found["month"] or found["month_"]
        return date(year, int(month), int(found["day"] or found["day_"] or 1)).toordinal()
    except ValueError:
        return None


def _nth_day(year: int, number: int) -> int | None:
    first = date(year, 1, 1).toordinal()
    last = date(year, 12, 31).toordinal()
    return first + number - 1 if 1 <= number <= last - first + 1 else None


def _seconds(hours: str | None, minutes: str | None, seconds: str | None) -> int | None:
    """Seconds since midnight; None beyond 24:00:00, or beyond 59 minutes or seconds."""
    minute, second = int(minutes or 0), int(seconds or 0)
    total = int(hours or 0) * 3600 + minute * 60 + second
    return total if minute < 60 and second < 60 and total <= DAY_S else None

"""Dates and times of Parquet files: those for which polars panics, and Python has no object."""

import os
import re
from typing import Any, Final

import polars as pl

os.environ.setdefault("POLARS_IGNORE_TIMEZONE_PARSE_ERROR", "1")
"""Polars panics at a file with a zone such as `+05:30` in any column, unless told otherwise."""

OFFSET: Final = re.compile(r"([+-])(\d\d):?(\d\d)", re.ASCII)
"""A zone that is no more than its distance from UTC, as `datetime.timezone` has it."""

FIRST_DAY: Final = -719_162
"""1 January of the year 1, in days since 1970."""
LAST_DAY: Final = 2_932_896
"""31 December of the year 9999."""
DAY_S: Final = 86_400
A_SECOND: Final = {"ms": 10**3, "us": 10**6, "ns": 10**9}
"""Units of time in one."""

NO_OBJECT: Final = (ArithmeticError, LookupError, RuntimeError, ValueError)
"""What a time at the edge of the years, or in an unknown zone, raises when it becomes an object."""


def in_local_time(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame, with times of fixed distance from UTC as the local ones, without a zone.

    Within a column all have the same distance: their order stays.
    """
    return frame.with_columns(map(_local, frame.iter_columns()))


def _local(values: pl.Series) -> pl.Series:
    zone = values.dtype.time_zone if isinstance(values.dtype, pl.Datetime) else None
    found = OFFSET.fullmatch(zone or "")
    if found is None or not isinstance(values.dtype, pl.Datetime):
        return values
    minutes = (60 * int(found[2]) + int(found[3])) * (-1 if found[1] == "-" else 1)
    unit = values.dtype.time_unit
    shifted = values.to_physical() + 60 * minutes * A_SECOND[unit]
    return shifted.cast(pl.Datetime(unit))


def is_beyond_years(values: pl.Series) -> pl.Series:
    """Which dates, or dates and times, are not in the years 1 to 9999: polars panics at some."""
    unit = values.dtype.time_unit if isinstance(values.dtype, pl.Datetime) else None
    days = (
        values.to_physical() if unit is None else values.to_physical() // (DAY_S * A_SECOND[unit])
    )
    return ~days.is_between(FIRST_DAY, LAST_DAY)


def python_value(values: pl.Series, place: int) -> Any:
    """One value of a column; the number behind it where it is a time that Python cannot hold."""
    number = values.to_physical()
    if isinstance(values.dtype, pl.Date | pl.Datetime) and is_beyond_years(values)[place]:
        return number[place]
    try:
        return values[place]
    except NO_OBJECT:
        return number[place]

"""A column of any type as an order: a number for each row that grows along a history.

Exact whatever the type: two times that differ in their last digit have different numbers, two ways
to write one time have the same.
"""

import re
from decimal import Decimal
from typing import Final

import polars as pl

from training.data.file_kinds import file_fault
from training.data.iso_8601 import moment
from training.data.tables import Table
from training.data.texts import text_column
from training.errors import InvalidData

NUMBER: Final = re.compile(r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?$")
PLAIN_NUMBER: Final = re.compile(r"^[+-]?[0-9]*\.?[0-9]*$")

EXACT_DIGITS: Final = 15
"""Decimal numbers of so many digits stay different, and in order, as 64-bit floats."""


def order_keys(table: Table, column: str) -> pl.Series:
    """A number for each row, null where its time cannot be read.

    Raises:
        InvalidData: the column's type has no order in time.
    """
    values = table.frame[column]
    dtype = values.dtype
    if isinstance(dtype, pl.Date | pl.Datetime | pl.Duration):
        return values.to_physical()
    if dtype.is_float():
        return _finite(values)
    if dtype.is_numeric():
        return values.rank("dense")
    if not isinstance(dtype, pl.String | pl.Categorical | pl.Enum | pl.Binary | pl.Null):
        raise _no_time(table, column, dtype)
    return _parsed(text_column(table, column).str.strip_chars())


def _no_time(table: Table, column: str, dtype: pl.DataType) -> InvalidData:
    problem = f"column {column!r} is of type {dtype}, which does not order a history"
    remedy = "write it as timestamp, number or text, or name another column"
    return file_fault(table.path, problem, remedy)


def _parsed(texts: pl.Series) -> pl.Series:
    """The reading, as numbers or as ISO 8601 times, that understands more rows.

    One reading for the whole column: `2020` must not be a year in one row and seconds in another.
    """
    numbers = _numbers(texts)
    if not numbers.null_count():
        return numbers
    return min(numbers, _moment_ranks(texts), key=pl.Series.null_count)


def _numbers(texts: pl.Series) -> pl.Series:
    """The texts as numbers, or as the ranks of numbers that no 64-bit number holds."""
    whole = texts.cast(pl.Int64, strict=False)
    if not whole.null_count():
        return whole
    is_short = (texts.str.len_chars() <= EXACT_DIGITS) & texts.str.contains(PLAIN_NUMBER.pattern)
    if (is_short | ~texts.str.contains(NUMBER.pattern)).all():
        return _finite(texts.cast(pl.Float64, strict=False))
    return _decimal_ranks(texts)


def _finite(numbers: pl.Series) -> pl.Series:
    """The numbers, null in place of NaN and infinity: neither has a place in an order."""
    return numbers.set(~numbers.is_finite().fill_null(False), None)


def _decimal_ranks(texts: pl.Series) -> pl.Series:
    """For each text the place of its number among all numbers; null for what is none."""
    distinct = texts.unique()
    numbers = [Decimal(text) if NUMBER.fullmatch(text) else None for text in distinct]
    known = sorted({number for number in numbers if number is not None})
    place = {number: rank for rank, number in enumerate(known)}
    ranks = [None if number is None else place[number] for number in numbers]
    return texts.replace_strict(distinct, pl.Series(ranks, dtype=pl.Int64))


def _moment_ranks(texts: pl.Series) -> pl.Series:
    """For each text the place of its moment among all moments; null for what is none."""
    distinct = texts.unique()
    moments = [moment(text) or (None, None) for text in distinct]
    schema = {"seconds": pl.Int64, "fraction": pl.String}
    read = pl.DataFrame(moments, schema=schema, orient="row").with_columns(text=distinct)
    known = read.drop_nulls().sort("seconds", "fraction")
    rank = pl.struct("seconds", "fraction").rle_id()
    ranked = read.join(
        known.select("text", rank=rank), on="text", how="left", maintain_order="left"
    )
    return texts.replace_strict(ranked["text"], ranked["rank"])

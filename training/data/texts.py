"""A column of any type as text: ids, titles, values of attributes.

Text stands as it is written. Whole numbers of every type are their digits (`7`, also where a
column of floats says 7.0, as pandas writes integers with gaps), other numbers their shortest
decimal, dates and times ISO 8601, booleans `true` and `false`, bytes their UTF-8. NaN is a missing
value. What has no text of its own (lists, structs, maps, times of day, durations) is refused.
"""

from typing import Final

import polars as pl

from training.data.file_kinds import file_fault
from training.data.moments import is_beyond_years
from training.data.tables import Table
from training.errors import DataFault, InvalidData

EXACT_WHOLE: Final[dict[str, int]] = {"Float64": 2**53, "Float32": 2**24, "Float16": 2**11}
"""By type: beyond it, a float stands for several whole numbers."""

AS_TEXT: Final = "write it as text"
AS_TEXTS: Final = "write it as text or as a list of texts"

PLACEHOLDERS: Final = ("NaN", "nan", "None", "null", "NULL", "NA", "N/A", "<NA>", "NaT", "\\N")
"""What other programs write for a missing value."""


def text_column(table: Table, column: str) -> pl.Series:
    """The column as text, a missing value as the empty text.

    Raises:
        InvalidData: its type has no text, or its bytes are not UTF-8.
    """
    values = table.frame[column]
    _refuse_type(table, column, values.dtype)
    return _cast(table, values).fill_null("")


def id_column(table: Table, column: str, name: str) -> pl.Series:
    """The column as ids: text that means the same in every file.

    Args:
        table: the file.
        column: its column.
        name: what the ids are of, e.g. `user`.

    Raises:
        InvalidData: as of `text_column`; or a float is no whole number, or too large to be told
            from its neighbours; or an id holds a line break, as if a quote were missing.
    """
    texts = text_column(table, column)
    values = table.frame[column]
    faults = [] if not values.dtype.is_float() else _float_faults(table, values, name)
    faults += table.faults(
        texts.str.contains(r"[\r\n]"),
        lambda row: f"the {name} id {str(row[column])[:80]!r} holds a line break",
        "check the quotes around it, or remove the line break",
    )
    if faults:
        raise InvalidData(faults)
    return texts


def placeholder_notes(table: Table, ids: pl.Series, name: str) -> list[str]:
    """A sentence for each id that other programs write for a missing value."""
    found = ids.filter(ids.is_in(PLACEHOLDERS)).value_counts(sort=True)
    return [
        f"rows of {table.path.name} with the {name} id {word!r}: {n}; if that stands for a "
        "missing value, remove them"
        for word, n in found.iter_rows()
    ]


def list_column(table: Table, column: str) -> list[list[str]]:
    """The column's lists as lists of text, a missing list as an empty one.

    Raises:
        InvalidData: the type of the lists' values has no text, or their bytes are not UTF-8.
    """
    values = table.frame[column]
    if isinstance(values.dtype, pl.Array):
        values = values.arr.to_list()
    inner = values.dtype.inner if isinstance(values.dtype, pl.List) else None
    if not isinstance(inner, pl.DataType) or not _has_text(inner):
        raise _no_text(table, column, table.frame[column].dtype, AS_TEXTS)
    made = _select(table, values, pl.col(values.name).list.eval(_text(pl.element(), inner)))
    return [[value or "" for value in row] for row in made.fill_null([]).to_list()]


def is_list(dtype: pl.DataType) -> bool:
    """Whether a column of this type holds several values a row."""
    return isinstance(dtype, pl.List | pl.Array)


def _has_text(dtype: pl.DataType) -> bool:
    is_name = isinstance(dtype, pl.String | pl.Categorical | pl.Enum | pl.Binary | pl.Null)
    is_time = isinstance(dtype, pl.Date | pl.Datetime)
    return is_name or is_time or isinstance(dtype, pl.Boolean) or dtype.is_numeric()


def _refuse_type(table: Table, column: str, dtype: pl.DataType) -> None:
    if not _has_text(dtype):
        raise _no_text(table, column, dtype)


def _no_text(table: Table, column: str, dtype: pl.DataType, remedy: str = AS_TEXT) -> InvalidData:
    problem = f"column {column!r} is of type {dtype}, which cannot be read here"
    return file_fault(table.path, problem, remedy)


def _text(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """The expression that makes text of values of this type."""
    if isinstance(dtype, pl.Datetime):
        return column.dt.to_string("iso:strict")
    if dtype.is_float():
        digits = column.cast(pl.Int128, strict=False).cast(pl.String)
        is_whole = (column == column.round(0)) & (column.abs() < 1e18)
        return pl.when(is_whole).then(digits).when(~column.is_nan()).then(column.cast(pl.String))
    return column.cast(pl.String)


def _cast(table: Table, values: pl.Series) -> pl.Series:
    if isinstance(values.dtype, pl.Date | pl.Datetime):
        _refuse_far(table, values)
    if isinstance(values.dtype, pl.Binary):
        _refuse_bytes(table, values)
    return _select(table, values, _text(pl.col(values.name), values.dtype))


def _select(table: Table, values: pl.Series, made: pl.Expr) -> pl.Series:
    try:
        return values.to_frame().select(made.alias(values.name)).to_series()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise _no_text(table, values.name, values.dtype) from error


def _refuse_far(table: Table, values: pl.Series) -> None:
    """Raise InvalidData for dates that ISO 8601 has no four digits of a year for."""
    faults = table.faults(
        is_beyond_years(values).fill_null(False),
        lambda row: (
            f"column {values.name!r} holds {row[values.name]} as {values.dtype}, which is not in "
            "the years 1 to 9999"
        ),
        "check its unit of time, or write it as text",
    )
    if faults:
        raise InvalidData(faults)


def _refuse_bytes(table: Table, values: pl.Series) -> None:
    """Raise InvalidData for the first bytes that are not UTF-8."""
    for place, value in enumerate(values):
        if not _is_text(value):
            problem = f"column {values.name!r} is of type Binary, and {value[:16]!r} is not UTF-8"
            remedy = f"{AS_TEXT}, e.g. a UUID as its 36 characters"
            raise InvalidData([DataFault(table.path, table.rows[place], problem, remedy)])


def _is_text(value: bytes | None) -> bool:
    try:
        (value or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


def _float_faults(table: Table, values: pl.Series, name: str) -> list[DataFault]:
    largest = EXACT_WHOLE[str(values.dtype)]
    numbers = values.fill_nan(None)
    is_broken = numbers.is_infinite() | (numbers != numbers.round(0))
    is_large = ~is_broken & (numbers.abs() > largest)
    return [
        *table.faults(
            is_broken.fill_null(False),
            lambda row: f"the {name} id {row[values.name]} is no whole number",
            "write ids as text or as integers",
        ),
        *table.faults(
            is_large.fill_null(False),
            lambda row: (
                f"the {name} id {row[values.name]:.20g} is a {values.dtype} that stands for "
                "several whole numbers"
            ),
            "write ids as text or as integers",
        ),
    ]

"""Text to fields: CSV and its kin.

Read strictly, by the standard library, as RFC 4180 has it: a fast reader that guesses what broken
quotes may mean loses or merges rows without a word. Before anything is read, one regular
expression goes over the whole text, since `csv` lets a quote within an unquoted field pass. Its
price (`python -m bench.csv_reading`) is small beside the training on as many rows, and one reader
is less than two whose results are held against each other.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Final

import polars as pl

from training.data.config import FileConfig, Quotes
from training.data.decoded import decoded, line_number
from training.data.file_kinds import Role
from training.data.shown import shortened, shown
from training.errors import DataFault, InvalidData

SEPARATORS: Final = (",", ";", "\t", "|")
"""What a header may be separated by, where it is not by what was expected."""

HEADER_CHARACTERS: Final = 10_000
"""Of the header, looked at for a separator."""

ROWS_AT_ONCE: Final = 50_000
"""Held as Python lists before they become a frame: bounds the memory."""

QUOTED: Final = {"doubled": r'"(?:[^"]|"")*+"', "backslash": r'"(?:[^"\\]|\\["\\])*+"'}
"""A quoted field, by the way in which a quote within it is written."""

UNQUOTED: Final = {"doubled": r'[^{0}"\r\n]*+', "backslash": r'(?:[^{0}"\\\r\n]|\\["\\])*+'}
"""Any other field, with {0} for the separator. A backslash before anything else than a quote or a
backslash is refused: `csv` would drop it, and turn a missing value, `\\N`, into N."""

READ: Final[dict[Quotes, dict[str, Any]]] = {
    "doubled": {},
    "backslash": {"doublequote": False, "escapechar": "\\"},
    "none": {"quoting": csv.QUOTE_NONE},
}
"""Settings of `csv.reader`."""

LARGEST_FIELD: Final = 2**31 - 1
"""`csv` refuses fields above 128 KiB unless told otherwise; a description may be longer."""


@dataclass(frozen=True)
class Rows:
    """The rows below the header, with their places in the file."""

    frame: pl.DataFrame
    """All columns as text."""
    header: int
    """Row of the header, counted from 1; blank lines are rows."""
    rows: list[int]
    """The same for each row of the frame."""
    lines: list[int]
    """Line on which each row begins, counted from 1: a quoted line break begins a line."""


def read_delimited(config: FileConfig, role: Role, separator: str, quotes: Quotes) -> Rows:
    """All rows of a text file with a header.

    Args:
        config: the file, its encoding, and what else than the format's it is written with.
        role: section of the data config that remedies name.
        separator: of the format, where the config names none.
        quotes: of the format, where the config names none.

    Raises:
        InvalidData: quotes that cannot be read, a row with more or fewer fields than the header,
            a column twice, or another separator than expected.
    """
    text = decoded(config, role)
    layout = _Layout(config, role, config.separator or separator, config.quotes or quotes)
    _refuse_other_separator(layout, text)
    if layout.quotes != "none":
        _refuse_bad_quotes(layout, text)
    return _rows(layout, text)


@dataclass(frozen=True)
class _Layout:
    config: FileConfig
    role: Role
    separator: str
    quotes: Quotes

    @property
    def path(self) -> Path:
        return self.config.path

    def records(self, text: str) -> Iterator[tuple[int, int, list[str]]]:
        """Row, line and fields of each record, blank lines included."""
        csv.field_size_limit(LARGEST_FIELD)
        lines = io.StringIO(text, newline="")
        reader = csv.reader(lines, delimiter=self.separator, strict=True, **READ[self.quotes])
        line = 1
        for row, fields in zip(count(1), reader):
            yield row, line, fields
            line = reader.line_num + 1


def _rows(layout: _Layout, text: str) -> Rows:
    records = _not_blank(layout.records(text))
    header_row, _, header = next(records)
    _refuse_hint(layout, header_row, header)
    refuse_repeated(layout.path, header_row, header)
    rows, lines, waiting, frames = [], [], [], []
    for row, line, fields in records:
        if len(fields) != len(header):
            raise InvalidData([_ragged(layout, row, line, fields, len(header))])
        rows.append(row)
        lines.append(line)
        waiting.append(fields)
        if len(waiting) == ROWS_AT_ONCE:
            frames.append(_frame(header, waiting))
            waiting = []
    return Rows(pl.concat([*frames, _frame(header, waiting)]), header_row, rows, lines)


def _not_blank(
    records: Iterator[tuple[int, int, list[str]]],
) -> Iterator[tuple[int, int, list[str]]]:
    return (record for record in records if len(record[2]) > 1 or "".join(record[2]).strip())


def _frame(header: list[str], rows: list[list[str]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(header, pl.String), orient="row")


def _refuse_other_separator(layout: _Layout, text: str) -> None:
    """Raise InvalidData if the header has another separator than expected, and none was set."""
    if layout.config.separator is not None:
        return
    before = len(text) - len(text.lstrip("\r\n"))
    header = re.split(r"[\r\n]", text[before : before + HEADER_CHARACTERS], maxsplit=1)[0]
    for other in SEPARATORS:
        if layout.separator not in header and other in header:
            problem = f"the header holds no {layout.separator!r}, but {other!r}"
            remedy = f"set `{layout.role}.separator` to {_written(other)}"
            row = line_number(text[:before])
            raise InvalidData([DataFault(layout.path, row, problem, remedy)])


def _refuse_hint(layout: _Layout, row: int, header: list[str]) -> None:
    """Raise InvalidData for Excel's line above the header that tells it the separator."""
    if header[0].lower().startswith("sep=") and not any(header[1:]):
        problem = f"{shown(layout.separator.join(header))} is a hint for Excel, not the header"
        raise InvalidData([DataFault(layout.path, row, problem, "remove the line")])


def refuse_repeated(path: Path, row: int, header: list[str]) -> None:
    """Raise InvalidData for a column that occurs twice."""
    for place, name in enumerate(header):
        if name in header[:place]:
            problem = f"column {shortened(name)!r} occurs twice"
            raise InvalidData([DataFault(path, row, problem, "rename or remove one")])


def _written(separator: str) -> str:
    """The separator as YAML has it."""
    return r'"\t"' if separator == "\t" else f'"{separator}"'


def _ragged(layout: _Layout, row: int, line: int, fields: list[str], width: int) -> DataFault:
    problem = f"fields: {len(fields)} under a header of {width}"
    if len(fields) < width:
        remedy = "write every column, also those without a value"
    elif width == 1:
        remedy = "remove what stands above the header"
    elif not any(fields[width:]):
        remedy = "remove the separators at the ends of rows, or end the header with as many"
    else:
        remedy = "quote fields that hold the separator"
    return DataFault(layout.path, row, problem, remedy, line=line)


@cache
def _grammar(separator: str, quotes: Quotes) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Patterns of as many records as there are from here on, and of the fields of one.

    Possessive throughout: each character is looked at once.
    """
    between = re.escape(separator)
    field = f"(?:{QUOTED[quotes]}|{UNQUOTED[quotes].format(between)})"
    fields = f"{field}(?:{between}{field})*+"
    end = r"(?:\r\n|\n|\r|\Z)"
    return re.compile(f"(?:{fields}{end})*+"), re.compile(fields)


def _refuse_bad_quotes(layout: _Layout, text: str) -> None:
    """Raise InvalidData for the first row whose quotes are not as RFC 4180 has them."""
    records, fields = _grammar(layout.separator, layout.quotes)
    found = records.match(text)
    start = 0 if found is None else found.end()
    if start == len(text):
        return
    row = sum(1 for _ in layout.records(text[:start])) + 1
    well = fields.match(text, start)
    reason = _reason(layout, text, start, start if well is None else well.end())
    remedy = (
        "write a quote inside a quoted field twice, and close each, or say how quotes are "
        f"written: set `{layout.role}.quotes` to backslash or none"
    )
    line = line_number(text[:start])
    problem = f"its quotes cannot be read ({reason})"
    raise InvalidData([DataFault(layout.path, row, problem, remedy, line=line)])


def _reason(layout: _Layout, text: str, start: int, end: int) -> str:
    """What is wrong with the record from `start` that is well only up to `end`."""
    before = text[end - 1] if end > start else layout.separator
    shown = _excerpt(text, end)
    if text[end] == "\\":
        return f"a backslash before what needs none: {shown}"
    if text[end] == '"' and before == layout.separator:
        is_escaped = layout.quotes == "backslash"
        return "a quote is never closed" + (", or holds a stray backslash" if is_escaped else "")
    if before == '"':
        return f"a field goes on after its closing quote: {shown}"
    return f"a quote inside a field that is not quoted: {shown}"


def _excerpt(text: str, place: int) -> str:
    """A few characters around a place, of its line only."""
    before = text[max(0, place - 15) : place].splitlines()[-1:] or [""]
    after = text[place : place + 15].splitlines()[:1] or [""]
    return repr(before[0] + after[0])

"""Whatever a file of interactions is, every row of it is read unchanged, or it is refused."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzzing import bounded
from tests.unit.training.strict_csv import strictly_read, strictly_written
from training.data import data_config
from training.data.config import InteractionsConfig
from training.data.interactions import read_interactions
from training.errors import InvalidData

Row = tuple[str, str]
"""User and item, as text."""

WORDS = st.text(
    st.sampled_from("ab\u00e9\u4e2d\U0001f3b50 '\"\\,;|\t\n\r\x1c\u2028\ufeff"), max_size=6
)
"""Ids and titles that hold whatever a format gives a meaning to."""
SEPARATORS = (",", ";", "\t", "|", " ")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "gb18030")
BREAKS = ("\n", "\r\n", "\r")
SOUP = st.text(st.sampled_from('ab01,,\n\n""\\;\r\t '), max_size=60)
"""What follows a header."""


def read(path: Path, **settings: Any) -> list[Row] | InvalidData:
    """Users and items in the order of the file, or why it is refused."""
    config = data_config({"interactions": {"path": path, "order": "file", **settings}})
    try:
        frame = read_interactions(config.interactions, None, "").frame
    except InvalidData as refused:
        return refused
    return list(frame.select("user", "item").iter_rows())


def names_a_place(error: InvalidData) -> bool:
    """Whether every fault names a row, or says that the file as a whole is none of ours."""
    whole = ("no rows", "the file is empty", "is of type", "is UTF-", "not readable as Parquet")
    return all(
        fault.row is not None or any(words in fault.problem for words in whole)
        for fault in error.faults
    )


def has_break(row: Row) -> bool:
    return any(character in text for text in row for character in "\r\n")


def is_blank(row: Row) -> bool:
    return any(not text.strip() for text in row)


@bounded(150)
@given(
    rows=st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=8),
    separator=st.sampled_from(SEPARATORS),
    encoding=st.sampled_from(ENCODINGS),
    line_end=st.sampled_from(BREAKS),
    is_quoted=st.booleans(),
)
def test_what_a_strict_writer_writes_is_read_unchanged(
    rows: list[tuple[str, str, str]],
    separator: str,
    encoding: str,
    line_end: str,
    is_quoted: bool,
    tmp_path: Path,
) -> None:
    named = [("user_id", "item_id", "title"), *rows]
    text = strictly_written(named, separator, line_end, is_quoted=is_quoted)
    path = tmp_path / "r.csv"
    path.write_bytes(text.encode(encoding))
    written = [(user, item) for user, item, _ in rows]
    found = read(path, separator=separator, encoding=encoding)
    if isinstance(found, InvalidData):
        assert names_a_place(found)
        assert any(has_break(row) or is_blank(row) for row in written)
    else:
        assert found == written


@bounded(300)
@given(soup=SOUP, quotes=st.sampled_from(("doubled", "backslash", "none")))
def test_no_row_of_odd_quotes_is_lost_or_merged(soup: str, quotes: str, tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes(f"user_id,item_id\n{soup}".encode())
    found = read(path, quotes=quotes)
    if isinstance(found, InvalidData):
        assert names_a_place(found)
    else:
        assert found == list(strictly_read(soup, quotes))


@bounded(200)
@given(
    content=st.binary(max_size=80) | SOUP.map(str.encode),
    suffix=st.sampled_from((".csv", ".tsv", ".inter", ".dat", ".parquet")),
    encoding=st.sampled_from((*ENCODINGS, "utf-7", "latin-1", "shift_jis", "cp500")),
)
def test_no_content_ends_in_a_traceback(
    content: bytes, suffix: str, encoding: str, tmp_path: Path
) -> None:
    path = tmp_path / f"r{suffix}"
    path.write_bytes(b"user_id,item_id\n" * (suffix != ".parquet") + content)
    found = read(path, encoding=encoding)
    assert isinstance(found, list) or str(found).startswith(path.name)


INTEGERS = st.integers(-(2**63), 2**63 - 1)
DAYS = st.dates(date(1700, 1, 1), date(2200, 1, 1))
MOMENTS = st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1))
COLUMNS: list[tuple[pl.DataType, st.SearchStrategy[Any]]] = [
    (pl.String(), WORDS),
    (pl.Categorical(), WORDS),
    (pl.Int64(), INTEGERS),
    (pl.UInt64(), st.integers(0, 2**64 - 1)),
    (pl.Int8(), st.integers(-128, 127)),
    (pl.Float64(), st.floats() | st.integers(-(2**54), 2**54).map(float)),
    (pl.Float32(), st.floats(width=32)),
    (pl.Decimal(30, 9), st.decimals(-(10**15), 10**15, places=9)),
    (pl.Boolean(), st.booleans()),
    (pl.Date(), DAYS),
    (pl.Datetime("us"), MOMENTS),
    (pl.Datetime("us", "UTC"), MOMENTS.map(lambda moment: moment.replace(tzinfo=UTC))),
    (pl.Time(), st.times()),
    (pl.Duration("us"), st.timedeltas(timedelta(-9), timedelta(9))),
    (pl.Binary(), st.binary(max_size=4) | WORDS.map(str.encode)),
    (pl.List(pl.Int64), st.lists(INTEGERS, max_size=3)),
    (pl.Array(pl.String, 2), st.lists(WORDS, min_size=2, max_size=2)),
    (pl.Struct({"id": pl.Int64}), st.fixed_dictionaries({"id": INTEGERS})),
    (pl.Null(), st.none()),
]
"""Types, and values of each."""


@st.composite
def columns(draw: st.DrawFn) -> pl.Series:
    dtype, values = draw(st.sampled_from(COLUMNS))
    cells = draw(st.lists(values | st.none(), min_size=3, max_size=3))
    return pl.Series(cells, dtype=dtype, strict=False)


TEXTS: dict[type, Callable[[Any], str | None]] = {
    bytes: lambda cell: cell.decode() if is_utf_8(cell) else None,
    bool: lambda cell: str(cell).lower(),
    float: lambda cell: str(int(cell)) if cell.is_integer() else None,
    Decimal: lambda cell: f"{cell:f}",
    datetime: lambda cell: cell.isoformat(timespec="microseconds"),
}
"""The documented text of a value; None: it has none. Others: as Python writes them."""


def is_utf_8(content: bytes) -> bool:
    return content.decode(errors="replace").encode() == content


def as_text(cell: Any) -> str | None:
    return None if cell is None else TEXTS.get(type(cell), str)(cell)


@bounded(200)
@given(users=columns(), items=columns())
def test_ids_of_every_type_are_their_documented_text_or_refused(
    users: pl.Series, items: pl.Series, tmp_path: Path
) -> None:
    path = tmp_path / "r.parquet"
    pl.DataFrame({"user_id": users, "item_id": items}).write_parquet(path)
    cells = [(as_text(user), as_text(item)) for user, item in zip(users, items, strict=True)]
    found = read(path)
    if isinstance(found, InvalidData):
        assert names_a_place(found)
        assert str(found).startswith("r.parquet")
    else:
        assert found == cells


DIGITS = st.text("0123456789", min_size=1, max_size=22)
NUMBERS = st.tuples(st.sampled_from(("", "-", "+")), DIGITS, DIGITS).map(
    lambda parts: f"{parts[0]}{parts[1]}.{parts[2]}"
)
FRACTIONS = st.tuples(MOMENTS, st.text("0123456789", min_size=1, max_size=12)).map(
    lambda parts: f"{parts[0].replace(microsecond=0).isoformat()}.{parts[1]}"
)


def exact(text: str) -> Any:
    """A time as something that Python compares exactly."""
    if "T" not in text:
        return Decimal(text)
    whole, _, fraction = text.partition(".")
    return datetime.fromisoformat(whole), Decimal(f"0.{fraction}")


@bounded(150)
@given(
    times=st.lists(NUMBERS, min_size=2, max_size=6)
    | st.lists(FRACTIONS, min_size=2, max_size=6)
    | st.lists(st.integers(-(2**70), 2**70).map(str), min_size=2, max_size=6)
)
def test_times_are_ordered_as_exact_arithmetic_orders_them(
    times: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "r.csv"
    rows = "".join(f"u,{number},{text}\n" for number, text in enumerate(times))
    path.write_text(f"user_id,item_id,timestamp\n{rows}", encoding="utf-8")
    config = InteractionsConfig(path=path)
    keys = read_interactions(config, None, "").frame["key"].to_list()
    values = [exact(text) for text in times]
    for key, value in zip(keys, values, strict=True):
        assert [key < other for other in keys] == [value < other for other in values]
        assert [key == other for other in keys] == [value == other for other in values]


@pytest.mark.parametrize("name", ["r.csv", "r.tsv", "r.inter", "r.dat", "r.parquet"])
def test_an_empty_file_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    assert str(read(tmp_path / name)) == (
        f"{name}: the file is empty; fill it, or correct its path"
    )

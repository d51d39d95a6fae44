"""Times of every kind put a history in its exact order, or are refused with their row."""

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.unit.training.files import HEADER, history, read, write
from training.data.iso_8601 import moment
from training.errors import InvalidData


def from_parquet(folder: Path, times: pl.Series) -> list[str]:
    """The history of three items, whose file has the newest first."""
    path = folder / "r.parquet"
    items = ["third", "second", "first"]
    frame = pl.DataFrame({"user_id": ["u"] * 3, "item_id": items, "timestamp": times})
    frame.write_parquet(path)
    return history(read(path), "u")


@pytest.mark.parametrize(
    "times",
    [
        ("2024-01-01T00:00:00.000000003Z", "2024-01-01T00:00:00.000000002Z"),
        ("2024-01-01T00:00:00.000000000002", "2024-01-01T00:00:00.000000000001"),
        ("2024-01-01T00:00:00.5", "2024-01-01T00:00:00.45"),
        ("1700000000000000003", "1700000000000000002"),
        ("99999999999999999999", "99999999999999999998"),
        ("1700000000.000000002", "1700000000.000000001"),
        ("9007199254740993.0", "9007199254740992.0"),
        ("0.1000000000000000001", "0.1"),
        ("1e3", "999.9"),
        ("2e-400", "1e-400"),
        ("-1.5", "-1.6"),
    ],
)
def test_the_last_digit_of_a_time_counts(times: tuple[str, str], tmp_path: Path) -> None:
    later, earlier = times
    path = write(tmp_path / "r.csv", HEADER + f"u,new,{later}\nu,old,{earlier}\n")
    assert history(read(path), "u") == ["old", "new"]


@pytest.mark.parametrize(
    ("time", "same"),
    [
        ("1.50", "1.5"),
        ("1700000000.0000000010", "1700000000.000000001"),
        ("2024-01-01T00:00:00.5Z", "2024-01-01T01:00:00.500+01:00"),
        ("2024-01-01T24:00", "2024-01-02"),
    ],
)
def test_two_ways_to_write_a_time_are_one_time(time: str, same: str, tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", HEADER + f"u,a,{time}\nu,a,{same}\n")
    with pytest.raises(InvalidData, match=r"row 3: user 'u', item 'a' .* occur again"):
        read(path)


def test_visits_a_nanosecond_apart_are_two(tmp_path: Path) -> None:
    day = "2024-01-01T00:00:00.00000000"
    path = write(tmp_path / "r.csv", HEADER + f"u,i,{day}3Z\nu,i,{day}2Z\n")
    assert history(read(path), "u") == ["i", "i"]


UTC_2024 = 1704067200


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2024-01-01", 0),
        ("2024-01", 0),
        ("2024-1-1", 0),
        ("20240101", 0),
        ("2024-W01-1", 0),
        ("2024W011", 0),
        ("2024-W01", 0),
        ("2024-001", 0),
        ("2024-366", 365 * 86400),
        ("2024-01-01T10", 36000),
        ("2024-01-01T10:00", 36000),
        ("2024-01-01 10:00:00", 36000),
        ("2024-01-01t10:00:00z", 36000),
        ("2024-01-01 9:00:00", 32400),
        ("20240101T100000Z", 36000),
        ("2024-01-01T24:00:00", 86400),
        ("2024-01-01 00:00:00+00", 0),
        ("2024-01-01 00:00:00 UTC", 0),
        ("2024-01-01 00:00:00 +0200", -7200),
        ("2024-01-01T00:00:00-02:30", 9000),
        ("2024-01-01T00:00:00+00:53:28", -3208),
        ("2024-W01-1T10:00:00Z", 36000),
        ("2024001T100000Z", 36000),
        ("1969-12-31T23:59:59Z", -UTC_2024 - 1),
    ],
)
def test_the_forms_of_iso_8601_are_read(text: str, seconds: int) -> None:
    start = moment("2024-01-01")
    found = moment(text)
    assert start is not None
    assert found is not None
    assert found.seconds - start.seconds == seconds


@pytest.mark.parametrize("fraction", [".5", ",5", ".500"])
def test_a_fraction_is_written_with_point_or_comma(fraction: str) -> None:
    found = moment(f"2024-01-01T00:00:00{fraction}")
    assert found is not None
    assert found.fraction == "5"


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-30",
        "2023-366",
        "2024-000",
        "2024-W54-1",
        "2024-W00-1",
        "2024-13-01",
        "0000-01-01",
        "2024-01-01T24:00:01",
        "2024-01-01T24:00:00.5",
        "2024-01-01T25:00",
        "2024-01-01T10:60",
        "2024-01-01T10:00:60",
        "2024-01-01T10:00:00+24:00",
        "2024-01-01T10:00:00+10:60",
        "2024-01-01x10:00:00",
        "2024-01-01T",
        "\N{FULLWIDTH DIGIT TWO}024-01-01",
        "2024",
        "",
    ],
)
def test_what_is_no_time_is_not_read(text: str) -> None:
    assert moment(text) is None


def test_a_refused_time_is_told_what_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", HEADER + "u,a,2024-01-01\nu,b,01/02/2024\n")
    with pytest.raises(InvalidData, match=r"row 3: timestamp '01/02/2024' .* 20240131T100000Z"):
        read(path)


NS = pl.Datetime("ns")


@pytest.mark.parametrize(
    "times",
    [
        pl.Series([3, 2, 1]).cast(NS),
        pl.Series([3, 2, 1]).cast(pl.Datetime("ms", "Europe/Paris")),
        pl.Series([3, 2, 1]).cast(pl.Duration("ns")),
        pl.Series([dt.date(2020, 1, 3), dt.date(2020, 1, 2), dt.date(2020, 1, 1)]),
        pl.Series([Decimal(1700000000000000000 + k) for k in (3, 2, 1)], dtype=pl.Decimal(20, 0)),
        pl.Series([Decimal(f"1.{k:018}") for k in (3, 2, 1)], dtype=pl.Decimal(30, 18)),
        pl.Series([2**64 - 1, 2**64 - 2, 2**64 - 3], dtype=pl.UInt64),
        pl.Series([3, 2, 1], dtype=pl.Int8),
        pl.Series([0.3, 0.2, 0.1], dtype=pl.Float32),
        pl.Series(["2020-01-03", "2020-01-02", "2020-01-01"], dtype=pl.Categorical),
        pl.Series([b"10", b"9", b"8"]),
    ],
    ids=lambda times: str(times.dtype),
)
def test_a_column_of_any_ordered_type_is_an_order(times: pl.Series, tmp_path: Path) -> None:
    assert from_parquet(tmp_path, times) == ["first", "second", "third"]


@pytest.mark.parametrize(
    ("times", "dtype"),
    [
        (pl.Series([dt.time(3), dt.time(2), dt.time(1)]), "Time"),
        (pl.Series([[3], [2], [1]]), r"List\(Int64\)"),
        (pl.Series([{"t": 3}, {"t": 2}, {"t": 1}]), r"Struct\("),
        (pl.Series([True, False, None]), "Boolean"),
    ],
)
def test_a_type_without_order_is_refused(times: pl.Series, dtype: str, tmp_path: Path) -> None:
    with pytest.raises(
        InvalidData, match=rf"^r\.parquet: column 'timestamp' is of type {dtype}.* does not order"
    ):
        from_parquet(tmp_path, times)


@pytest.mark.parametrize("missing", [None, float("nan"), float("inf")])
def test_a_missing_number_is_no_time(missing: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"^r\.parquet, row 2: timestamp .* cannot be read"):
        from_parquet(tmp_path, pl.Series([3.0, missing, 1.0]))

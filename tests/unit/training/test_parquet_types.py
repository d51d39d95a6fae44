"""Parquet columns of every type are read as documented, or refused by file, column and type."""

import base64
import datetime as dt
import re
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.unit.training.files import HEADER, read, write
from training.errors import InvalidData

UUID = uuid.UUID(int=2**127 + 5)


def item_ids(folder: Path, ids: pl.Series) -> list[str]:
    path = folder / "r.parquet"
    times = range(len(ids))
    pl.DataFrame({"user_id": ["u"] * len(ids), "item_id": ids, "timestamp": times}).write_parquet(
        path
    )
    return [item.item_id for item in read(path).items]


def attribute(folder: Path, values: pl.Series, **source: Any) -> list[tuple[str, ...]]:
    ids = [str(number) for number in range(len(values))]
    rows = "".join(f"u,{item},{item}\n" for item in ids)
    path = folder / "i.parquet"
    pl.DataFrame({"item_id": ids, "title": ids, "v": values}).write_parquet(path)
    attributes = {"a": {"column": "v", **source}}
    interactions = write(folder / "r.csv", HEADER + rows)
    dataset = read(interactions, path, item_settings={"attributes": attributes})
    return [item.attributes.get("a", ()) for item in dataset.items]


@pytest.mark.parametrize(
    ("ids", "texts"),
    [
        (pl.Series([7, 2**62]), ["7", str(2**62)]),
        (pl.Series([2**64 - 1], dtype=pl.UInt64), [str(2**64 - 1)]),
        (pl.Series([1.0, -0.0, 2.0**53]), ["1", "0", str(2**53)]),
        (pl.Series([1.0, 2.0**24], dtype=pl.Float32), ["1", str(2**24)]),
        (pl.Series([Decimal("10000000000000000000001"), Decimal(2)]), [f"{10**22 + 1}", "2"]),
        (pl.Series([Decimal("1.50")]), ["1.50"]),
        (pl.Series([dt.date(2020, 1, 31)]), ["2020-01-31"]),
        (pl.Series([dt.datetime(2020, 1, 31, 10)]), ["2020-01-31T10:00:00.000000"]),
        (pl.Series([True, False]), ["true", "false"]),
        (pl.Series(["a", "b"], dtype=pl.Categorical), ["a", "b"]),
        (pl.Series(["a", "b"], dtype=pl.Enum(["b", "a"])), ["a", "b"]),
        (pl.Series([b"a", "é".encode()]), ["a", "é"]),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, pl.Series) else "",
)
def test_ids_of_a_type_have_one_text(ids: pl.Series, texts: list[str], tmp_path: Path) -> None:
    assert item_ids(tmp_path, ids) == texts


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (pl.Series([1.0, 1.5]), r"row 2: the item id 1\.5 is no whole number"),
        (pl.Series([1.0, float("inf")]), "row 2: the item id inf is no whole number"),
        (pl.Series([1.0, 1e16]), "row 2: the item id 10000000000000000 is a Float64"),
        (pl.Series([1.0, 2.0**24 + 2], dtype=pl.Float32), "row 2: the item id 16777218 is a F"),
        (pl.Series([1.0, float("nan")]), "row 2: the item id is blank"),
        (pl.Series([None, "a"]), "row 1: the item id is blank"),
        (pl.Series([None], dtype=pl.Null), "row 1: the item id is blank"),
        (pl.Series([b"a", b"\xff"]), "row 2: column 'item_id' is of type Binary, and b'.xff'"),
        (pl.Series([UUID.bytes]), "row 1: column 'item_id' is of type Binary.* a UUID as its 36"),
        (pl.Series(["a\nb"]), "row 1: the item id .* holds a line break"),
        (
            pl.Series([1, 2**31 - 1], dtype=pl.Int32).cast(pl.Date),
            "row 2: column 'item_id' holds 2147483647 as Date, which is not in the years 1 to 9999",
        ),
        (
            pl.Series([1, 2**62]).cast(pl.Datetime("ms")),
            "row 2: column 'item_id' holds 4611686018427387904 as Datetime.*years 1 to 9999",
        ),
        (pl.Series([1.0, 1e300]), "row 2: the item id 1.0000000000000000525e.300 is a Float64"),
    ],
)
def test_an_id_that_has_no_text_is_refused_by_row(
    ids: pl.Series, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidData, match=rf"^r\.parquet, {message}"):
        item_ids(tmp_path, ids)


NO_IDS = [
    pl.Series([[1], [2]]),
    pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int64, 2)),
    pl.Series([{"id": 1}, {"id": 2}]),
    pl.Series([dt.time(1), dt.time(2)]),
    pl.Series([dt.timedelta(1), dt.timedelta(2)]),
]


@pytest.mark.parametrize("ids", NO_IDS, ids=lambda ids: str(ids.dtype))
def test_a_type_that_has_no_text_is_refused_by_column(ids: pl.Series, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"^r\.parquet: column 'item_id' is of type"):
        item_ids(tmp_path, ids)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pl.Series([1.0, float("nan"), 2.5]), [("1",), (), ("2.5",)]),
        (pl.Series([4, None]), [("4",), ()]),
        (pl.Series([[1.0, 2.5], None, []]), [("1", "2.5"), (), ()]),
        (pl.Series([[1.0, float("nan"), None]]), [("1",)]),
        (pl.Series([["x", "y"], ["z", "y"]], dtype=pl.Array(pl.String, 2)),
         [("x", "y"), ("z", "y")]),
        (pl.Series([[b"x"], [b"y", None]]), [("x",), ("y",)]),
        (pl.Series([[dt.date(2020, 1, 31)]]), [("2020-01-31",)]),
        (pl.Series([[True], [False]]), [("true",), ("false",)]),
        (pl.Series([None, None]), [(), ()]),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, pl.Series) else "",
)  # fmt: skip
def test_attributes_of_a_type_have_their_texts(
    values: pl.Series, expected: list[tuple[str, ...]], tmp_path: Path
) -> None:
    assert attribute(tmp_path, values) == expected


@pytest.mark.parametrize(
    "values",
    [
        pl.Series([[["x"]], [["y"]]]),
        pl.Series([[{"k": "x"}], []]),
        pl.Series([{"k": "x"}]),
        pl.Series([dt.time(1)]),
        pl.Series([[dt.timedelta(1)]]),
        pl.Series([[b"\xff"], [b"a"]]),
        pl.Series([b"\xff", b"a"]),
    ],
    ids=lambda values: str(values.dtype),
)
def test_attributes_without_text_are_refused(values: pl.Series, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"^i\.parquet.*: column 'v' is of type"):
        attribute(tmp_path, values)


@pytest.mark.parametrize(
    "values",
    [
        pl.Series([dt.date(1995, 3, 1)]),
        pl.Series([dt.datetime(1995, 3, 1, 10)]),
        pl.Series([dt.datetime(1995, 3, 1, 10)], dtype=pl.Datetime("ns", "Europe/Paris")),
        pl.Series([1995.0]),
        pl.Series([1995], dtype=pl.Int16),
        pl.Series([["1995-03-01", "1996"]]),
    ],
    ids=lambda values: str(values.dtype),
)
def test_a_year_is_taken_from_dates_and_numbers(values: pl.Series, tmp_path: Path) -> None:
    assert attribute(tmp_path, values, take="year")[0][0] == "1995"


def test_a_title_that_is_no_number_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "i.parquet"
    pl.DataFrame({"item_id": ["a", "b"], "title": [1.0, float("nan")]}).write_parquet(path)
    interactions = write(tmp_path / "r.csv", HEADER + "u,a,1\nu,b,2\n")
    assert [item.title for item in read(interactions, path).items] == ["1", "b"]


@pytest.mark.parametrize(
    ("time", "shown"),
    [
        (pl.Series([2**31 - 1], dtype=pl.Int32).cast(pl.Date), "2147483647"),
        (pl.Series([2**62]).cast(pl.Datetime("ms")), "4611686018427387904"),
        (pl.Series([2**62]).cast(pl.Datetime("us")), "4611686018427387904"),
        (
            pl.Series([253402300740000000]).cast(pl.Datetime("us", "Europe/Berlin")),
            "253402300740000000",
        ),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, pl.Series) else "",
)
def test_a_message_names_a_time_that_python_cannot_hold(
    time: pl.Series, shown: str, tmp_path: Path
) -> None:
    path = visits(tmp_path, pl.concat([time, time]))
    with pytest.raises(InvalidData, match=f"row 2: .* and timestamp '{shown}' occur again"):
        read(path)


def visits(folder: Path, times: pl.Series, zone: str | None = None) -> Path:
    """Interactions of one user with one item, at times in a zone of six letters if one is given."""
    n, path = len(times), folder / "r.parquet"
    pl.DataFrame({"user_id": ["u"] * n, "item_id": ["a"] * n, "timestamp": times}).write_parquet(
        path
    )
    if zone is not None:
        path.write_bytes(in_zone(path.read_bytes(), zone))
    return path


def in_zone(parquet: bytes, zone: str) -> bytes:
    """The file with another zone in its Arrow schema: polars writes none that it does not know."""
    found = next(
        found
        for found in re.finditer(rb"[A-Za-z0-9+/]{100,}={0,2}", parquet)
        if b"Turkey" in base64.b64decode(found[0])
    )
    schema = base64.b64decode(found[0]).replace(b"Turkey", zone.encode())
    return parquet.replace(found[0], base64.b64encode(schema))


def test_a_zone_of_fixed_distance_from_utc_is_read_as_local_time(tmp_path: Path) -> None:
    late = pl.Series([dt.datetime(2023, 12, 31, 20)] * 2).dt.replace_time_zone("UTC")
    path = visits(tmp_path, late.dt.convert_time_zone("Turkey"), "+05:30")
    with pytest.raises(InvalidData, match="timestamp '2024-01-01 01:30:00' occur again"):
        read(path)


def test_times_in_an_unknown_zone_order_a_history(tmp_path: Path) -> None:
    times = pl.Series([2, 1]).cast(pl.Datetime("us", "Turkey"))
    assert read(visits(tmp_path, times, "Mars/B")).notes == (
        "rows of r.parquet out of order, sorted by timestamp: 1",
    )


def test_a_message_names_a_time_in_an_unknown_zone(tmp_path: Path) -> None:
    times = pl.Series([7, 7]).cast(pl.Datetime("us", "Turkey"))
    with pytest.raises(InvalidData, match="timestamp '7' occur again"):
        read(visits(tmp_path, times, "Mars/B"))

"""Attributes of the items file: years, and what no rule could name."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.training.files import HEADER, read, write
from training.data.years import year
from training.dataset import Dataset
from training.errors import InvalidDataConfig


def carried(folder: Path, values: list[str], **source: Any) -> Dataset:
    rows = "".join(f"u,{number},{number}\n" for number in range(len(values)))
    items = "".join(f"{number},T,{value}\n" for number, value in enumerate(values))
    return read(
        write(folder / "r.csv", HEADER + rows),
        write(folder / "i.csv", "item_id,title,v\n" + items),
        item_settings={"attributes": {"a": {"column": "v", **source}}},
    )


@pytest.mark.parametrize(
    "text",
    [
        "1995",
        " 1995 ",
        "1995.0",
        "1995.",
        "(1995)",
        "Toy Story (1995)",
        "1995-03-01",
        "1995-03",
        "1995/03/01",
        "1995.03.01",
        "19950301",
        "1995-03-01 10:00:00",
        "1995-03-01T10:00:00.123456789+02:00",
        "1995-W09-3",
        "01-Jan-1995",
        "1 January 1995",
        "3/1/1995",
        "01.03.1995 10:00",
    ],
)
def test_a_year_is_read(text: str) -> None:
    assert year(text) == "1995"


@pytest.mark.parametrize(
    "text", ["", "soon", "2010: V", "Blade Runner 2049", "199", "19950", "1995-13-01", "1995.5"]
)
def test_what_names_no_year_has_none(text: str) -> None:
    assert year(text) == ""


def test_a_year_is_the_calendar_s(tmp_path: Path) -> None:
    assert year("2020-W01-1") == "2019"


def test_values_without_a_year_are_noted(tmp_path: Path) -> None:
    dataset = carried(tmp_path, ["1995", "soon", "later", ""], take="decade")
    assert dataset.notes == (
        "items of i.csv with no year in 'v', left out of the attribute 'a': 2, e.g. 'soon'",
    )


def test_an_attribute_that_no_item_carries_is_noted(tmp_path: Path) -> None:
    dataset = carried(tmp_path, ["", ""])
    assert dataset.notes == ("no item carries the attribute 'a', read from 'v'",)


def test_a_value_that_no_rule_can_name_is_left_out_and_noted(tmp_path: Path) -> None:
    dataset = carried(tmp_path, ["x", "y" * 201, "z\a"])
    assert [item.attributes for item in dataset.items] == [{"a": ("x",)}, {}, {}]
    assert dataset.notes == (
        "items of i.csv with a value longer than 200 characters or with control characters, left "
        f"out of the attribute 'a': 2, e.g. {'y' * 60!r}",
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "an attribute needs a name"),
        (" ", "an attribute needs a name"),
        ("g=x", "cannot hold '='"),
        (" g", "blanks around"),
        ("a\nb", "cannot hold the control character U\\+000A"),
        ("g" * 201, "at most 200 characters"),
        ("feature", "rules write `feature=12`"),
    ],
)
def test_a_name_that_no_rule_can_say_is_refused(name: str, message: str, tmp_path: Path) -> None:
    write(tmp_path / "r.csv", HEADER + "u,a,1\n")
    with pytest.raises(InvalidDataConfig, match=message):
        read(tmp_path / "r.csv", tmp_path / "i.csv", item_settings={"attributes": {name: "v"}})

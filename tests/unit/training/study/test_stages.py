"""Results of parts on disk."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import pytest

from training.errors import UnusableOutput
from training.study.stages import Record, Shelf, fingerprint, strict_json, write_whole


@dataclass(frozen=True)
class Inner:
    name: str
    low: float | None


@dataclass(frozen=True)
class Result:
    value: float
    rows: tuple[Inner, ...]


@dataclass(frozen=True)
class Other:
    something: int


RESULT = Result(math.nan, (Inner("a", 0.5), Inner("b", None)))
RECORD = Record("sweep", 12.5, "abc", "a machine", RESULT)


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    Shelf(tmp_path).write("key", RECORD)
    back = Shelf(tmp_path).read("sweep", "key", Result)
    assert back is not None
    assert (back.result.rows, back.seconds) == (RESULT.rows, 12.5)


def test_a_number_that_is_none_comes_back_as_such(tmp_path: Path) -> None:
    Shelf(tmp_path).write("key", RECORD)
    back = Shelf(tmp_path).read("sweep", "key", Result)
    assert back is not None
    assert math.isnan(back.result.value)


def test_another_key_has_no_record(tmp_path: Path) -> None:
    Shelf(tmp_path).write("key", RECORD)
    assert Shelf(tmp_path).read("sweep", "other", Result) is None


def test_a_record_of_another_form_counts_as_none(tmp_path: Path) -> None:
    Shelf(tmp_path).write("key", RECORD)
    assert Shelf(tmp_path).read("sweep", "key", Other) is None


def test_half_a_file_counts_as_none(tmp_path: Path) -> None:
    Shelf(tmp_path).write("key", RECORD)
    path = tmp_path / "parts" / "sweep-key.json"
    path.write_text(path.read_text()[:40])
    assert Shelf(tmp_path).read("sweep", "key", Result) is None


def test_seconds_of_broken_attempts_are_kept_until_the_part_is_done(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.write_spent("sweep", "key", 7)
    before = shelf.spent_s("sweep", "key")
    shelf.write("key", RECORD)
    assert (before, shelf.spent_s("sweep", "key")) == (7.0, 0.0)


def test_the_newest_record_says_how_long_a_part_takes(tmp_path: Path) -> None:
    Shelf(tmp_path).write("key", RECORD)
    assert Shelf(tmp_path).newest_s("sweep") == 12.5


def test_a_part_without_record_was_never_measured(tmp_path: Path) -> None:
    assert Shelf(tmp_path).newest_s("sweep") is None


def test_a_fingerprint_changes_with_any_part() -> None:
    assert len({fingerprint(1, {"a": 2}), fingerprint(1, {"a": 3}), fingerprint(2, {"a": 2})}) == 3


def test_strict_json_has_null_for_what_is_no_finite_number() -> None:
    assert json.loads(strict_json({"a": (1.0, math.inf)})) == {"a": [1.0, None]}


def test_a_folder_that_cannot_be_made_is_told_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnusableOutput, match=r"file: a file, where a folder .*, or name another"):
        Shelf(tmp_path / "file")


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnusableOutput, match=r"No such file.*--out"):
        write_whole(tmp_path / "nowhere" / "file", "")


def test_damaged_seconds_of_broken_attempts_count_as_none(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.write_spent("sweep", "key", 7)
    (tmp_path / "parts" / "sweep-key.spent").write_text("")
    assert shelf.spent_s("sweep", "key") == 0.0


def test_a_damaged_record_does_not_say_how_long_a_part_takes(tmp_path: Path) -> None:
    Shelf(tmp_path).write("key", RECORD)
    (tmp_path / "parts" / "sweep-key.json").write_text("{")
    assert Shelf(tmp_path).newest_s("sweep") is None

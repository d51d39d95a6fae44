"""Configs that no load can be made of are sentences, whatever their values are."""

import json
from pathlib import Path

import pytest

from loadtest.durations import seconds
from loadtest.errors import LoadRefused
from loadtest.ghz_config import load_of, read_config

SOUND = {
    "host": "127.0.0.1:1",
    "insecure": True,
    "call": "steerrec.v1.RecommenderService.Recommend",
    "data": {"k": 1},
    "disable-template-functions": True,
    "disable-template-data": True,
}


def load_from(folder: Path, content: bytes) -> None:
    """Reads the content as a config file."""
    path = folder / "load.json"
    path.write_bytes(content)
    load_of(read_config(path))


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"total": 10**30}, "total: "),
        ({"connections": 10**9}, "connections: "),
        ({"duration": 1e300}, "duration: "),
        ({"duration": "1" + "0" * 400 + "h"}, "longer than a year"),
        ({"data": {"k": 10**30}}, "data[0]: "),
        ({"data": {"k": "\ud800"}}, "data[0]: "),
        ({"duration": "\ud800"}, "half of a character"),
        (
            {
                "load-schedule": "step",
                "load-start": 1,
                "load-step": 1,
                "load-step-duration": "1ns",
                "duration": "1h",
            },
            "more than 100,000 steps",
        ),
    ],
)
def test_a_value_that_no_load_can_have_is_refused(
    more: dict[str, object], fault: str, tmp_path: Path
) -> None:
    with pytest.raises(LoadRefused) as refused:
        load_from(tmp_path, json.dumps(SOUND | more).encode())
    assert fault in str(refused.value)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_config_may_begin_with_a_byte_order_mark(encoding: str, tmp_path: Path) -> None:
    load_from(tmp_path, json.dumps(SOUND).encode(encoding))


def test_bytes_that_are_not_text_are_told_with_their_line(tmp_path: Path) -> None:
    with pytest.raises(LoadRefused, match="line 2 is not UTF-8; save it as UTF-8"):
        load_from(tmp_path, b'{"name":\n"\xff"}')


@pytest.mark.parametrize("content", [b"[" * 100_000, b"1" * 5000])
def test_json_that_no_reader_takes_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(LoadRefused, match=r"load\.json: "):
        load_from(tmp_path, content)


def test_a_year_is_a_duration() -> None:
    assert seconds("8760h") == 8760 * 3600

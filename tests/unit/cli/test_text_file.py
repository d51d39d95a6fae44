"""Text as people save it: with and without a byte order mark, and with bytes that are no text."""

import codecs
from pathlib import Path

import pytest

from cli.errors import Refused
from cli.histories import read_histories
from cli.preset_file import read_preset
from cli.text_file import text_of

PRESET = "name: a\ndescription: Amélie … 東京\nrules:\n  - {feature: 1, operation: ADD, value: 1}\n"
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-32")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_preset_file_may_begin_with_a_byte_order_mark(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(PRESET.encode(encoding))
    assert read_preset(path).preset.description == "Amélie … 東京"


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_histories_may_begin_with_a_byte_order_mark_and_end_lines_as_any_system_does(
    encoding: str, end: str, tmp_path: Path
) -> None:
    path = tmp_path / "h.jsonl"
    lines = ('{"history": ["é\u2028東"]}', '{"history": []}', "")
    path.write_bytes(end.join(lines).encode(encoding))
    assert [list(one.item_ids) for one in read_histories(path)] == [["é\u2028東"], []]


@pytest.mark.parametrize(
    "mark", [codecs.BOM_UTF16_BE + "x".encode("utf-16-be"), codecs.BOM_UTF32_BE + b"\0\0\0x"]
)
def test_the_other_order_of_bytes_is_read_too(mark: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(mark)
    assert text_of(path) == "x"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"a\nb\nc\xe9\n", "x.yaml, line 3: byte 0xe9 is not UTF-8; save the file as UTF-8"),
        (b"\xef\xbb\xbfa\n\xff", "x.yaml, line 2: byte 0xff is not UTF-8; save the file as UTF-8"),
        ("a\nb".encode("utf-16") + b"\0", "x.yaml, line 2: byte 0x00 is not UTF-16; save"),
        ("é".encode("utf-16-le") + b"\0\xff", "x.yaml, line 1: is not text, or UTF-16 without its"),
    ],
)
def test_a_byte_that_is_not_text_is_told_with_its_line(
    content: bytes, fault: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(Refused) as refused:
        text_of(path)
    assert str(refused.value).startswith(fault)


def test_a_folder_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read: Is a directory"):
        text_of(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_its_mark_is_told_as_that(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_bytes('{"history": ["50"]}'.encode(encoding))
    with pytest.raises(Refused, match="UTF-16 without its mark; save it as UTF-8"):
        text_of(path)


def test_a_file_that_cannot_be_read_is_named_by_its_whole_path(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=f"{tmp_path}/gone: cannot be read: No such file"):
        text_of(tmp_path / "gone")

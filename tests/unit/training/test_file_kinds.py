"""A file that is something else than expected is told what it is, with what leads on."""

import bz2
import gzip
import io
import lzma
import os
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.unit.training.files import HEADER, history, read, write
from training.errors import InvalidData

TABLE = HEADER + "u,b,2\nu,a,1\n"


def refusal(path: Path, **settings: Any) -> str:
    with pytest.raises(InvalidData) as refused:
        read(path, interaction_settings=settings)
    return str(refused.value)


def zipped(*names: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in names:
            archive.writestr(name, TABLE)
    return made.getvalue()


def parquet() -> bytes:
    made = io.BytesIO()
    pl.DataFrame({"user_id": ["u"], "item_id": ["a"], "timestamp": [1]}).write_parquet(made)
    return made.getvalue()


MADE = "set `interactions.path` to the file made"

WORKBOOK = zipped("[Content_Types].xml", "xl/workbook.xml")
CSV = TABLE.encode()
LFS = b"version https://git-lfs.github.com/spec/v1\n"


def separated(separator: str) -> bytes:
    return TABLE.replace(",", separator).encode()


KINDS: dict[str, tuple[str, bytes, str]] = {
    "gzip": ("r.csv", gzip.compress(CSV), f"a gzip file; unpack it with `gunzip`, and {MADE}"),
    "gzip by its name": ("r.csv.gz", gzip.compress(CSV), "is a gzip file; unpack it"),
    "bzip2": ("r.csv", bz2.compress(CSV), "is a bzip2 file; unpack it with `bunzip2`"),
    "xz": ("r.csv", lzma.compress(CSV), "is an xz file; unpack it with `unxz`"),
    "zstd": ("r.csv", b"\x28\xb5\x2f\xfd\x04\x00", "is a Zstandard file; unpack it with `unzstd`"),
    "zip": ("r.csv", zipped("r.csv"), f"is a zip archive; unpack it with `unzip`, and {MADE}"),
    "Excel": ("r.csv", WORKBOOK, "is an Excel workbook; save the sheet as CSV"),
    "Excel by its name": ("r.xlsx", WORKBOOK, "is an Excel workbook"),
    "SQLite": ("r.csv", b"SQLite format 3\0", "is an SQLite database; export the table as CSV"),
    "Parquet under .csv": ("r.csv", parquet(), "set `interactions.format` to parquet"),
    "gzip under .parquet": ("r.parquet", gzip.compress(parquet()), "is a gzip file"),
    "text under .parquet": ("r.parquet", CSV, "set `interactions.format` to csv if it is text"),
    "JSON lines": ("r.csv", b'{"u": 1}\n', f"is JSON; export it as CSV or Parquet, and {MADE}"),
    "a web page": ("r.csv", b"<!DOCTYPE html><p>gone</p>", "is a web page or XML, not a table"),
    "a Git LFS pointer": ("r.csv", LFS, "`git lfs pull`"),
    "UTF-16": ("r.csv", TABLE.encode("utf-16"), "is UTF-16, not utf-8; set `interactions.enc"),
    "UTF-32": ("r.csv", TABLE.encode("utf-32"), "set `interactions.encoding` to utf-32"),
    "UTF-16 without a mark": ("r.csv", TABLE.encode("utf-16-le"), "encoding` to utf-16-le"),
    "big-endian UTF-16": ("r.csv", TABLE.encode("utf-16-be"), "encoding` to utf-16-be"),
    "a NUL": ("r.csv", (TABLE + "u,c\0,3\n").encode(), "r.csv, row 4: holds a NUL character"),
    "semicolons": ("r.csv", separated(";"), "row 1: the header holds no ',', but ';'; set `int"),
    "tabs": ("r.csv", separated("\t"), 'set `interactions.separator` to "\\t"'),
    "pipes": ("r.csv", separated("|"), 'set `interactions.separator` to "|"'),
    "commas under .inter": ("r.inter", CSV, 'set `interactions.separator` to ","'),
    "commas under .tsv": ("r.tsv", CSV, 'set `interactions.separator` to ","'),
    "quoted semicolons": ("r.csv", b'"user_id";"item_id"\n"u";"a"\n', "no ',', but ';'; set `in"),
    "blank": ("r.csv", b"\n\n  \n", "r.csv: the file is empty"),
    "a mark alone": ("r.csv", b"\xef\xbb\xbf", "r.csv: the file is empty"),
}


@pytest.mark.parametrize("case", KINDS)
def test_a_file_is_told_for_what_it_is(case: str, tmp_path: Path) -> None:
    name, content, message = KINDS[case]
    assert message in refusal(write(tmp_path / name, content))


def test_a_folder_of_parts_is_told_to_be_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "parts.parquet"
    folder.mkdir()
    write(folder / "0.parquet", parquet())
    assert refusal(folder) == (
        "parts.parquet: is a folder, not a file; join its files into one, and set "
        "`interactions.path` to that"
    )


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "r.csv")
    assert "r.csv: is a device or a pipe, not a file" in refusal(tmp_path / "r.csv")


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "r.csv/r.csv"])
def test_a_name_that_no_file_can_have_is_refused(name: str, tmp_path: Path) -> None:
    write(tmp_path / "r.csv", TABLE)
    message = refusal(tmp_path / name)
    assert message.endswith("correct `interactions.path`")
    assert len(message) < 250


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-32", "utf-8", "utf-8-sig", "cp500"]
)
def test_a_set_encoding_is_read(encoding: str, tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", TABLE.encode(encoding))
    assert history(read(path, interaction_settings={"encoding": encoding}), "u") == ["a", "b"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-8"])
def test_a_byte_order_mark_is_no_part_of_the_header(encoding: str, tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", ("\ufeff" + TABLE).encode(encoding))
    assert history(read(path, interaction_settings={"encoding": encoding}), "u") == ["a", "b"]


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ("latin-1", "r.csv: is UTF-8, not iso8859-1; set `interactions.encoding` to utf-8"),
        ("utf-16", "r.csv: is UTF-8, not utf-16; set `interactions.encoding` to utf-8"),
        ("cp1252", "r.csv: is UTF-8, not cp1252; set `interactions.encoding` to utf-8"),
    ],
)
def test_an_encoding_that_the_mark_contradicts_is_refused(
    encoding: str, message: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "r.csv", TABLE.encode("utf-8-sig"))
    assert refusal(path, encoding=encoding) == message


def test_text_that_is_no_utf_16_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", TABLE)
    assert refusal(path, encoding="utf-16") == (
        "r.csv: is not utf-16; set `interactions.encoding` to utf-8"
    )


def test_half_a_character_is_refused_with_its_row(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", HEADER + "u,a,1\nu,+2D0-,1\n")
    assert refusal(path, encoding="utf-7").startswith(
        "r.csv, row 3: utf-7 gives U+D83D here, half a character"
    )


def test_a_byte_that_cannot_be_is_named_with_its_line_in_utf_16(tmp_path: Path) -> None:
    content = TABLE.encode("utf-16-le") + b"\x00\xdc\n\x00"
    path = write(tmp_path / "r.csv", content)
    assert refusal(path, encoding="utf-16-le").startswith(
        "r.csv, row 4: byte 0x00 is not utf-16-le"
    )


def test_a_separator_is_refused_where_the_format_has_its_own(tmp_path: Path) -> None:
    path = write(tmp_path / "r.dat", "u::a::5::1\n")
    assert refusal(path, separator=",") == (
        "r.dat: the format movielens has its own separator and quotes; remove "
        "`interactions.separator` and `interactions.quotes`, or set `interactions.format` to csv"
    )


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "r.parquet", parquet()[:-20])
    assert refusal(path).startswith("r.parquet: not readable as Parquet (")


def test_a_star_in_a_name_means_the_star(tmp_path: Path) -> None:
    write(tmp_path / "ab.parquet", parquet())
    assert refusal(tmp_path / "a*.parquet") == (
        "a*.parquet: no such file; correct `interactions.path`"
    )

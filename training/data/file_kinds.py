"""Files that are something else than what the config takes them for, told by their first bytes."""

import stat
from pathlib import Path
from typing import Final, Literal, NamedTuple

from training.errors import DataFault, InvalidData

Role = Literal["interactions", "items"]

HEAD_BYTES: Final = 4096
"""Read of a file to tell what it is."""

PARQUET: Final = b"PAR1"
"""First bytes of a Parquet file."""

UTF_8_MARK: Final = b"\xef\xbb\xbf"
"""Byte order mark of UTF-8."""


class Kind(NamedTuple):
    """Something that we do not read as it is."""

    start: bytes
    """Its first bytes."""
    name: str
    """What it is called."""
    remedy: str
    """How its content can be read."""


AS_TABLE: Final = "export it as CSV or Parquet"

KINDS: Final = (
    Kind(b"\x1f\x8b", "a gzip file", "unpack it with `gunzip`"),
    *(
        Kind(b"BZh%d1AY&SY" % level, "a bzip2 file", "unpack it with `bunzip2`")
        for level in range(1, 10)
    ),
    Kind(b"\xfd7zXZ\0", "an xz file", "unpack it with `unxz`"),
    Kind(b"\x28\xb5\x2f\xfd", "a Zstandard file", "unpack it with `unzstd`"),
    Kind(b"\x04\x22\x4d\x18", "an LZ4 file", "unpack it with `unlz4`"),
    Kind(b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it with `7z x`"),
    Kind(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook", "save the sheet as CSV"),
    Kind(b"ARROW1\0\0", "an Arrow (Feather) file", AS_TABLE),
    Kind(b"Obj\x01", "an Avro file", AS_TABLE),
    Kind(b"\x89HDF\r\n\x1a\n", "an HDF5 file", AS_TABLE),
    Kind(b"SQLite format 3\0", "an SQLite database", "export the table as CSV"),
    Kind(b"\x80\x04\x95", "a Python pickle", AS_TABLE),
    Kind(b"\x80\x05\x95", "a Python pickle", AS_TABLE),
    Kind(b"%PDF-", "a PDF document", AS_TABLE),
    Kind(
        b"version https://git-lfs",
        "a Git LFS pointer, not the file itself",
        "fetch the file with `git lfs pull`",
    ),
)

ZIP: Final = b"PK\x03\x04"
"""First bytes of a zip archive, and of every Excel workbook since 2007."""

ENCODING_BY_MARK: Final = (
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
    (UTF_8_MARK, "utf-8"),
)
"""Byte order marks, the longer first."""


def file_fault(path: Path, problem: str, remedy: str) -> InvalidData:
    """The error for a fault that no single row carries."""
    return InvalidData([DataFault(path, None, problem, remedy)])


def head_of(path: Path, role: Role) -> bytes:
    """The first bytes of a file.

    Raises:
        InvalidData: there is no such file, it is a folder or a device, or it cannot be read.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            remedy = f"join its files into one, and set `{role}.path` to that"
            raise file_fault(path, "is a folder, not a file", remedy)
        if not stat.S_ISREG(mode):
            remedy = f"write its content to a file, and set `{role}.path` to that"
            raise file_fault(path, "is a device or a pipe, not a file", remedy)
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise file_fault(path, "no such file", f"correct `{role}.path`") from error
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise file_fault(_shortened(path), problem, f"correct `{role}.path`") from error
    except ValueError as error:
        raise file_fault(
            Path(ascii(path.name)), "no name of a file", f"correct `{role}.path`"
        ) from (error)


def refuse_other_kinds(path: Path, head: bytes, role: Role) -> None:
    """Raise InvalidData for a file of which no format of ours is made."""
    if not head:
        raise file_fault(path, "the file is empty", "fill it, or correct its path")
    if head.startswith(ZIP):
        is_workbook = b"xl/" in head or b"[Content_Types].xml" in head
        name = "an Excel workbook" if is_workbook else "a zip archive"
        remedy = "save the sheet as CSV" if is_workbook else "unpack it with `unzip`"
        raise file_fault(path, f"is {name}", f"{remedy}, and set `{role}.path` to the file made")
    for kind in KINDS:
        if head.startswith(kind.start):
            remedy = f"{kind.remedy}, and set `{role}.path` to the file made"
            raise file_fault(path, f"is {kind.name}", remedy)


def refuse_other_text(path: Path, head: bytes, encoding: str, role: Role) -> None:
    """Raise InvalidData for a file that is no text in this encoding, or no table."""
    if head.startswith(PARQUET):
        raise file_fault(path, "is a Parquet file", f"set `{role}.format` to parquet")
    is_wide = encoding.startswith(("utf-16", "utf-32"))
    told = told_encoding(head)
    if told is not None and not encoding.startswith(told):
        raise file_fault(path, f"is {told.upper()}, not {encoding}", _encoding_remedy(told, role))
    if is_wide and told is None and b"\0" not in head:
        raise file_fault(path, f"is not {encoding}", _encoding_remedy("utf-8", role))
    start = head.removeprefix(UTF_8_MARK).lstrip().lower()
    if start.startswith((b'{"', b"[{", b"[\n")):
        raise file_fault(path, "is JSON", f"{AS_TABLE}, and set `{role}.path` to the file made")
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise file_fault(path, "is a web page or XML, not a table", f"correct `{role}.path`")


def told_encoding(head: bytes) -> str | None:
    """The encoding that a byte order mark, or the places of the NUL bytes, tell; else None."""
    for mark, encoding in ENCODING_BY_MARK:
        if head.startswith(mark):
            return encoding
    pairs = len(head) // 2
    if pairs and head[1::2].count(0) > pairs // 2 and not head[::2].count(0):
        return "utf-16-le"
    if pairs and head[::2].count(0) > pairs // 2 and not head[1::2].count(0):
        return "utf-16-be"
    return None


def _encoding_remedy(encoding: str, role: Role) -> str:
    return f"set `{role}.encoding` to {encoding}"


def _shortened(path: Path) -> Path:
    """The path with a name that fits into a message."""
    return path if len(path.name) <= 100 else path.with_name(f"{path.name[:100]}...")

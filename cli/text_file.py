"""Text files that a person wrote: UTF-8, or what its byte order mark says."""

import codecs
from pathlib import Path

from cli.errors import Refused

MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks, and what they say; without one it is UTF-8."""


MARKLESS_BYTES = 4
"""At the start, of which UTF-16 has two characters: a zero byte tells it from UTF-8."""
NO_TEXT = "line 1: is not text, or UTF-16 without its mark; save it as UTF-8"


def text_of(path: Path) -> str:
    """The text of the file, without its byte order mark.

    Raises:
        Refused: it cannot be read, or is not text; with the line of the first wrong byte.
    """
    try:
        content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise Refused(f"{path}: cannot be read: {error.strerror}") from None
    encoding = next((name for mark, name in MARKS if content.startswith(mark)), "utf-8")
    try:
        if encoding == "utf-8" and b"\0" in content[:MARKLESS_BYTES]:
            raise Refused(f"{path.name}, {NO_TEXT}")
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise Refused(f"{path.name}, {_where(content, encoding, error)}") from None


def _where(content: bytes, encoding: str, error: UnicodeDecodeError) -> str:
    before = content[: error.start].decode(encoding, errors="ignore")
    line = before.count("\n") + 1
    wrong = content[error.start : error.start + 1].hex()
    return f"line {line}: byte 0x{wrong} is not {encoding.upper()}; save the file as UTF-8"

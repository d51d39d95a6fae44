"""The text of a file."""

import io
from pathlib import Path
from typing import Final

from training.data.config import FileConfig
from training.data.file_kinds import HEAD_BYTES, Role, file_fault, told_encoding
from training.errors import DataFault, InvalidData

BYTE_ORDER_MARK: Final = "\ufeff"


def decoded(config: FileConfig, role: Role) -> str:
    """The file's text, without a byte order mark.

    Raises:
        InvalidData: the bytes are not in the encoding, or hold what no text holds.
    """
    content = config.path.read_bytes()
    try:
        text = content.decode(config.encoding).removeprefix(BYTE_ORDER_MARK)
    except UnicodeDecodeError as error:
        raise InvalidData([_undecodable(config, role, content, error)]) from error
    except UnicodeError as error:
        remedy = f"set `{role}.encoding`, e.g. to utf-8"
        raise file_fault(config.path, f"is not {config.encoding} ({error})", remedy) from error
    _refuse_no_text(config, role, content, text)
    if not text.strip():
        raise file_fault(config.path, "the file is empty", "fill it, or correct its path")
    return text


def _undecodable(
    config: FileConfig, role: Role, content: bytes, error: UnicodeDecodeError
) -> DataFault:
    before = content[: error.start].decode(config.encoding, errors="replace")
    problem = f"byte 0x{content[error.start]:02x} is not {config.encoding}"
    remedy = f"set `{role}.encoding`, e.g. to latin-1"
    return DataFault(config.path, line_number(before), problem, remedy)


def _refuse_no_text(config: FileConfig, role: Role, content: bytes, text: str) -> None:
    """Raise InvalidData for NUL characters and for halves of characters."""
    place = text.find("\0")
    if place >= 0:
        told = told_encoding(content[:HEAD_BYTES]) or "utf-16"
        remedy = f"remove it, or set `{role}.encoding`, e.g. to {told}"
        raise _at(config.path, text[:place], "holds a NUL character, which no text has", remedy)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"U+{ord(text[error.start]):04X}"
        problem = f"{config.encoding} gives {half} here, half a character"
        remedy = f"write the file as UTF-8, or set `{role}.encoding` to what it is"
        raise _at(config.path, text[: error.start], problem, remedy) from error


def _at(path: Path, before: str, problem: str, remedy: str) -> InvalidData:
    return InvalidData([DataFault(path, line_number(before), problem, remedy)])


def line_number(before: str) -> int:
    """The line that comes after this text, counted from 1; a line ends in LF, CR LF or CR."""
    return sum(1 for line in io.StringIO(before, newline="") if line.endswith(("\n", "\r"))) + 1

"""Where the command writes: tables and JSON to stdout, everything else to stderr."""

import codecs
import json
import os
import sys
from collections.abc import Iterable

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

PIPED_WIDTH = 140
"""Columns that plots and rules are drawn over where there is no terminal."""

UNBOUNDED_WIDTH = 100_000
"""Columns of a console whose tables are as wide as what they hold."""

NUMBER_WIDTH = 4
"""Columns that a number keeps where the terminal is too narrow for the table."""


def _console(*, stderr: bool = False, piped_width: int = PIPED_WIDTH) -> Console:
    """Of the terminal's width or COLUMNS; of `piped_width` where there is neither."""
    stream = sys.stderr if stderr else sys.stdout
    told = stream.isatty() or _columns_told()
    columns = None if told else piped_width
    return Console(stderr=stderr, width=columns, markup=False, highlight=False, emoji=False)


def _columns_told() -> bool:
    """Whether COLUMNS holds a width, which rich reads itself."""
    told = os.environ.get("COLUMNS", "")
    return told.isdecimal() and int(told) > 0


def progress_console() -> Console:
    """Where progress bars are drawn."""
    return _console(stderr=True)


def width() -> int:
    """Columns that a table on stdout may take."""
    return _console().width


def show(*parts: RenderableType) -> None:
    """Print tables, whole where stdout is piped, and text whose lines stay as they are."""
    plain, wide = _console(), _console(piped_width=UNBOUNDED_WIDTH)
    for part in parts:
        console = wide if isinstance(part, Table) else plain
        console.print(part, soft_wrap=isinstance(part, str | Text))


def note(sentence: str) -> None:
    """Print a sentence beside the result."""
    _console(stderr=True).print(sentence, soft_wrap=True)


def show_json(value: object) -> None:
    """Print one JSON document; messages in proto JSON with the contract's field names."""
    sys.stdout.write(json_text(_plain(value), indent=2) + "\n")


def json_text(value: object, *, indent: int | None = None) -> str:
    """The JSON of a value; what stdout could not write as it is stands there as escapes."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    is_exact = stdout_is_utf8() and not any("\ud800" <= own <= "\udfff" for own in text)
    return text if is_exact else json.dumps(value, indent=indent)


def stdout_is_utf8() -> bool:
    """Whether stdout writes every character; programs that read it expect this encoding."""
    return codecs.lookup(getattr(sys.stdout, "encoding", None) or "utf-8").name == "utf-8"


def table(*columns: str, title: str | None = None, right: Iterable[str] = ()) -> Table:
    """An empty table; the columns named in `right` hold numbers, which are never cut."""
    numbers = frozenset(right)
    made = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="bold",
        min_width=len(title or "") or None,
    )
    for name in columns:
        is_number = name in numbers
        made.add_column(
            name,
            justify="right" if is_number else "left",
            overflow="ellipsis",
            no_wrap=True,
            min_width=max(len(name), NUMBER_WIDTH) if is_number else None,
        )
    return made


def kept_whole(made: Table, *names: str) -> Table:
    """The filled table with these columns never cut; the others get what is left.

    Cells of the others fold at words, or end in an ellipsis where they are `one_line`.
    """
    for column in made.columns:
        if column.header in names:
            texts = (str(part) for part in (column.header, *column.cells))
            column.min_width = max(map(cell_len, texts))
        else:
            column.no_wrap = False
    return made


def one_line(text: str) -> Text:
    """A cell that is cut rather than folded."""
    return Text(text, no_wrap=True, overflow="ellipsis")


def _plain(value: object) -> object:
    if isinstance(value, Message):
        return MessageToDict(
            value, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value

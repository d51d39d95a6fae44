"""The attributes of the items file."""

from collections.abc import Iterable, Iterator, Mapping
from html import unescape
from typing import Final

from steering.rules import MAX_ATTRIBUTE, hidden_character
from training.data.config import AttributeConfig, ItemsConfig
from training.data.tables import Table, format_of
from training.data.texts import is_list, list_column, text_column
from training.data.years import year

Values = tuple[str, ...]
"""What one item carries of one attribute."""

MOVIELENS_ATTRIBUTES: Final = {"genre": AttributeConfig(column="genres", separator="|")}


def read_attributes(
    table: Table, config: ItemsConfig
) -> tuple[list[Mapping[str, Values]], list[str]]:
    """The attributes of each row, names without a value left out; and what was not read.

    Raises:
        InvalidData: a column is missing, or of a type that has no text.
    """
    carried: list[dict[str, Values]] = [{} for _ in range(table.frame.height)]
    notes: list[str] = []
    for name, source in _sources(config).items():
        table.require(source.column, f"items.attributes.{name}.column")
        written = _written(table, source, config)
        taken = [_distinct(_taken(value, source) for value in values) for values in written]
        for attributes, values in zip(carried, taken, strict=True):
            if values:
                attributes[name] = values
        notes += _notes(table, name, source, written)
    return list(carried), notes


def _sources(config: ItemsConfig) -> Mapping[str, AttributeConfig]:
    """The attributes asked for, else those that the format is known to hold."""
    if config.attributes is not None:
        return config.attributes
    is_movielens = format_of(config, "items") in {"movielens", "movielens-100k"}
    return MOVIELENS_ATTRIBUTES if is_movielens else {}


def _written(table: Table, source: AttributeConfig, config: ItemsConfig) -> list[list[str]]:
    """The values of each row as the file has them, without blanks around and without blank ones."""
    if is_list(table.frame[source.column].dtype):
        rows = list_column(table, source.column)
    else:
        texts = text_column(table, source.column).to_list()
        rows = [text.split(source.separator) if source.separator else [text] for text in texts]
    if config.html_entities:
        rows = [[unescape(value) for value in values] for values in rows]
    return [[value for written in values if (value := written.strip())] for values in rows]


def _taken(value: str, source: AttributeConfig) -> str:
    """The value itself, its year or its decade; the empty text where there is none."""
    if source.take == "value":
        return value if value not in source.leave_out and _can_be_named(value) else ""
    found = year(value)
    return f"{found[:3]}0s" if found and source.take == "decade" else found


def _can_be_named(value: str) -> bool:
    """Whether a rule, which writes `name=value`, can name the value."""
    return len(value) <= MAX_ATTRIBUTE and not hidden_character(value)


def _distinct(values: Iterator[str]) -> Values:
    """The values that are not blank, each once, in their order."""
    return tuple(dict.fromkeys(value for value in values if value))


def _notes(
    table: Table, name: str, source: AttributeConfig, written: Iterable[list[str]]
) -> Iterator[str]:
    """A sentence if some rows have values of which none was read."""
    if source.take == "value":
        problem = f"a value longer than {MAX_ATTRIBUTE} characters or with control characters"
        unread = [value for row in written for value in row if not _can_be_named(value)]
    else:
        problem = f"no year in {source.column!r}"
        unread = [row[0] for row in written if row and not any(map(year, row))]
    if unread:
        yield (
            f"items of {table.path.name} with {problem}, left out of the attribute {name!r}: "
            f"{len(unread)}, e.g. {unread[0][:60]!r}"
        )

"""The items file: ids, titles, attributes."""

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from training.data.config import AttributeConfig, ItemsConfig
from training.data.tables import Table, format_of, read_table
from training.dataset import Item
from training.errors import InvalidData

MOVIELENS_ATTRIBUTES: Final = {"genre": AttributeConfig(column="genres", separator="|")}

YEAR: Final = re.compile(r"^\d{4}$|(?<=\()\d{4}(?=\)\s*$)")
"""A year alone, or in brackets at the end of a title."""


@dataclass(frozen=True)
class ItemFile:
    """What the items file says."""

    items: tuple[Item, ...]
    """In the file's order."""
    notes: tuple[str, ...]
    """What was filled in."""


def read_items(config: ItemsConfig) -> ItemFile:
    """All items of the file, whether anybody met them or not.

    Raises:
        InvalidData: a column is missing, an id is blank or occurs twice.
    """
    table = read_table(config, "items")
    table.require(config.item, "items.item")
    if config.title is not None:
        table.require(config.title, "items.title")
    _refuse_bad_ids(table, config.item)
    item_ids = table.text(config.item).to_list()
    titles = item_ids if config.title is None else _texts(table, config.title, config)
    rows = zip(item_ids, titles, _attributes(table, config), strict=True)
    items = tuple(
        Item(item_id, title.strip() or item_id, carried) for item_id, title, carried in rows
    )
    n_untitled = sum(not title.strip() for title in titles)
    note = f"items of {config.path.name} without a title, called by their ids: {n_untitled}"
    return ItemFile(items, (note,) if n_untitled else ())


def _refuse_bad_ids(table: Table, column: str) -> None:
    """Raises InvalidData for blank and repeated ids."""
    ids = table.text(column)
    blank = ids.str.strip_chars() == ""
    repeated = ~ids.is_first_distinct() & ~blank
    faults = [
        *table.faults(blank, lambda _: "the item id is blank", "give it an id or remove the row"),
        *table.faults(
            repeated,
            lambda row: f"item {str(row[column])!r} occurs again",
            "keep one row for each item",
        ),
    ]
    if faults:
        raise InvalidData(faults)


def _attributes(table: Table, config: ItemsConfig) -> Iterator[Mapping[str, tuple[str, ...]]]:
    """The attributes of each row; names without a value are left out."""
    sources = _sources(config)
    columns = [_values(table, name, source, config) for name, source in sources.items()]
    if not columns:
        return ({} for _ in range(table.frame.height))
    return (
        {name: values for name, values in zip(sources, row, strict=True) if values}
        for row in zip(*columns, strict=True)
    )


def _sources(config: ItemsConfig) -> Mapping[str, AttributeConfig]:
    """The attributes asked for, else those that the format is known to hold."""
    if config.attributes is not None:
        return config.attributes
    is_movielens = format_of(config, "items") in {"movielens", "movielens-100k"}
    return MOVIELENS_ATTRIBUTES if is_movielens else {}


def _texts(table: Table, column: str, config: ItemsConfig) -> list[str]:
    """A column as text, its HTML entities read where the config says that it has them."""
    texts = table.text(column).to_list()
    return [html.unescape(text) for text in texts] if config.html_entities else texts


def _values(
    table: Table, name: str, source: AttributeConfig, config: ItemsConfig
) -> list[tuple[str, ...]]:
    """The values of one attribute, one tuple for each row, without blanks and repetitions."""
    table.require(source.column, f"items.attributes.{name}.column")
    column = table.frame[source.column]
    if isinstance(column.dtype, pl.List):
        lists = column.cast(pl.List(pl.String)).fill_null([]).to_list()
    elif source.separator is not None:
        lists = [text.split(source.separator) for text in _texts(table, source.column, config)]
    else:
        lists = [[text] for text in _texts(table, source.column, config)]
    return [_distinct(_taken(value or "", source) for value in values) for values in lists]


def _taken(value: str, source: AttributeConfig) -> str:
    """The value itself, its year or its decade; the empty text where there is none."""
    if source.take == "value":
        return "" if value.strip() in source.leave_out else value.strip()
    year = YEAR.search(value.strip())
    if year is None:
        return ""
    return year[0] if source.take == "year" else f"{year[0][:3]}0s"


def _distinct(values: Iterator[str]) -> tuple[str, ...]:
    """The values that are not blank, each once, in their order."""
    return tuple(dict.fromkeys(value for value in values if value))

"""The items file: ids, titles, attributes."""

from dataclasses import dataclass
from html import unescape

import polars as pl

from training.data.config import ItemsConfig
from training.data.item_attributes import read_attributes
from training.data.shown import shown
from training.data.tables import Table, read_table
from training.data.texts import id_column, placeholder_notes, text_column
from training.dataset import Item
from training.errors import InvalidData


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
    ids = id_column(table, config.item, "item")
    _refuse_bad_ids(table, config.item, ids)
    item_ids = ids.to_list()
    titles = item_ids if config.title is None else _titles(table, config.title, config)
    carried, notes = read_attributes(table, config)
    rows = zip(item_ids, titles, carried, strict=True)
    items = tuple(Item(item_id, title or item_id, values) for item_id, title, values in rows)
    n_untitled = sum(not title for title in titles)
    if n_untitled:
        name = config.path.name
        notes = [f"items of {name} without a title, called by their ids: {n_untitled}", *notes]
    return ItemFile(items, (*notes, *placeholder_notes(table, ids, "item")))


def _titles(table: Table, column: str, config: ItemsConfig) -> list[str]:
    """The titles, without blanks around them."""
    titles = text_column(table, column).to_list()
    return [(unescape(title) if config.html_entities else title).strip() for title in titles]


def _refuse_bad_ids(table: Table, column: str, ids: pl.Series) -> None:
    """Raises InvalidData for blank and repeated ids."""
    blank = ids.str.strip_chars() == ""
    repeated = ~ids.is_first_distinct() & ~blank
    faults = [
        *table.faults(blank, lambda _: "the item id is blank", "give it an id or remove the row"),
        *table.faults(
            repeated,
            lambda row: f"item {shown(row[column])} occurs again",
            "keep one row for each item",
        ),
    ]
    if faults:
        raise InvalidData(faults)

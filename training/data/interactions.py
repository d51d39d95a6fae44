"""The interactions file: who met what, in which order."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import polars as pl

from training.data.config import InteractionsConfig
from training.data.iso_8601 import FORMS
from training.data.shown import shown, shown_names
from training.data.tables import Table, read_table
from training.data.texts import id_column, placeholder_notes
from training.data.times import order_keys
from training.errors import DataFault, InvalidData

DEFAULT_TIME: Final = "timestamp"
"""The order's column where the config names none and the file has it."""


@dataclass(frozen=True)
class InteractionFile:
    """What the interactions file says."""

    frame: pl.DataFrame
    """`user`, `item` (text) and `key` (a number that grows along a history), in file order."""
    notes: tuple[str, ...]
    """What was sorted or left out."""


def read_interactions(
    config: InteractionsConfig, known_items: Collection[str] | None, items_name: str
) -> InteractionFile:
    """The checked rows of the file.

    Args:
        config: the file and its columns.
        known_items: ids of the items file; None: any item will do.
        items_name: what messages call the items file.

    Raises:
        InvalidData: a column is missing, an id is blank, an item unknown, a time unparsable, a
            row repeated, or, where `order` is `file`, out of order.
    """
    table = read_table(config, "interactions")
    table.require(config.user, "interactions.user")
    table.require(config.item, "interactions.item")
    ordering = _ordering(table, config)
    frame = pl.DataFrame(
        {
            "user": id_column(table, config.user, "user"),
            "item": id_column(table, config.item, "item"),
            "key": _keys(table, ordering),
        }
    )
    return _Checks(config, table, frame, ordering, known_items, items_name).checked()


def _ordering(table: Table, config: InteractionsConfig) -> str | None:
    """The column that orders a history; None: the order of the file's rows.

    Raises:
        InvalidData: the column is missing, or nothing says the order.
    """
    if config.position is not None:
        table.require(config.position, "interactions.position")
        return config.position
    if config.timestamp is not None:
        table.require(config.timestamp, "interactions.timestamp")
        return config.timestamp
    if DEFAULT_TIME in table.frame.columns:
        return DEFAULT_TIME
    if config.order == "file":
        return None
    problem = f"nothing orders the histories: no column {DEFAULT_TIME!r}"
    remedy = (
        "set `interactions.timestamp` or `interactions.position` to a column "
        f"(it has {shown_names(table.frame.columns)}), or `interactions.order` to file"
    )
    raise InvalidData([DataFault(table.path, table.header, problem, remedy)])


def _keys(table: Table, ordering: str | None) -> pl.Series:
    """A number for each row that grows along a history; null where it cannot be told."""
    if ordering is None:
        return pl.Series("key", range(table.frame.height), dtype=pl.Int64)
    return order_keys(table, ordering)


@dataclass(frozen=True)
class _Checks:
    """The rows of one file with everything that they are held against."""

    config: InteractionsConfig
    table: Table
    frame: pl.DataFrame
    ordering: str | None
    known_items: Collection[str] | None
    items_name: str

    def checked(self) -> InteractionFile:
        """The rows that may stay. Raises InvalidData with the faults of every check."""
        unknown, repeated, unsorted = self._unknown(), self._repeated(), self._unsorted()
        faults = [*self._blank("user"), *self._blank("item"), *self._unparsable()]
        if self.config.unknown_items == "refuse":
            faults += self._unknown_faults(unknown)
        if self.config.duplicates == "refuse":
            faults += self._repeated_faults(repeated)
        if self.config.order == "file":
            faults += self._unsorted_faults(unsorted)
        if faults:
            raise InvalidData(faults)
        frame = self.frame.filter(~(unknown | repeated))
        return InteractionFile(frame, self._notes(unknown, repeated & ~unknown, unsorted))

    def _blank(self, name: str) -> list[DataFault]:
        return self.table.faults(
            self.frame[name].str.strip_chars() == "",
            lambda _: f"the {name} id is blank",
            "fill it or remove the row",
        )

    def _unparsable(self) -> list[DataFault]:
        return self.table.faults(
            self.frame["key"].is_null(),
            lambda row: f"{self.ordering} {shown(row[str(self.ordering)])} cannot be read",
            f"write a number or an ISO 8601 time, all rows alike, e.g. {FORMS}",
        )

    def _unknown(self) -> pl.Series:
        """Rows whose item is not in the items file; a blank id is a fault of its own."""
        items = self.frame["item"]
        if self.known_items is None:
            return pl.repeat(False, len(items), eager=True)
        known = pl.Series(list(self.known_items), dtype=pl.String)
        return ~items.is_in(known.implode()) & (items.str.strip_chars() != "")

    def _unknown_faults(self, unknown: pl.Series) -> list[DataFault]:
        return self.table.faults(
            unknown,
            lambda row: f"item {shown(row[self.config.item])} is not in {self.items_name}",
            "add it there, or set `interactions.unknown_items` to drop",
        )

    def _repeated(self) -> pl.Series:
        """Rows that repeat user, item and time of an earlier one."""
        readable = self.frame["key"].is_not_null()
        return ~self.frame.to_struct().is_first_distinct() & readable

    def _repeated_faults(self, repeated: pl.Series) -> list[DataFault]:
        return self.table.faults(
            repeated,
            lambda row: (
                f"user {shown(row[self.config.user])}, item {shown(row[self.config.item])} "
                f"and {self.ordering} {shown(row.get(str(self.ordering)))} occur again"
            ),
            "remove the row, or set `interactions.duplicates` to drop",
        )

    def _unsorted(self) -> pl.Series:
        """Rows that are older than the row before them of the same user."""
        older = pl.col("key") < pl.col("key").shift(1).over("user")
        return self.frame.select(older.fill_null(False))["key"]

    def _unsorted_faults(self, unsorted: pl.Series) -> list[DataFault]:
        return self.table.faults(
            unsorted,
            lambda row: (
                f"{self.ordering} {shown(row[str(self.ordering)])} of user "
                f"{shown(row[self.config.user])} comes after a later one"
            ),
            f"sort the file by {self.ordering}, or set `interactions.order` to sort",
        )

    def _notes(
        self, unknown: pl.Series, repeated: pl.Series, unsorted: pl.Series
    ) -> tuple[str, ...]:
        name = self.config.path.name
        kinds = (
            (unknown, f"with an item that is not in {self.items_name}, left out"),
            (repeated, f"that repeat user, item and {self.ordering}, left out"),
            (unsorted, f"out of order, sorted by {self.ordering}"),
        )
        return (
            *(f"rows of {name} {kind}: {rows.sum()}" for rows, kind in kinds if rows.any()),
            *placeholder_notes(self.table, self.frame["user"], "user"),
            *placeholder_notes(self.table, self.frame["item"], "item"),
        )

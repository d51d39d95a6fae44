"""One file as a table whose rows are still numbered as in the file.

Text columns stay text: an id such as `0054890` must not lose its zeros. Parquet keeps its types.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from training.data.config import FORMAT_BY_SUFFIX, FileConfig, Format, Quotes
from training.data.decoded import decoded
from training.data.delimited import Rows, read_delimited, refuse_repeated
from training.data.file_kinds import (
    PARQUET,
    Role,
    file_fault,
    head_of,
    refuse_other_kinds,
    refuse_other_text,
)
from training.data.moments import in_local_time, python_value
from training.data.shown import shortened, shown_names
from training.errors import DataFault, InvalidData
from training.spelling import nearest

SHOWN_ROWS: Final = 3
"""Faults of one kind that a message spells out."""

FORMAT_BY_NAME: Final[dict[str, Format]] = {"u.data": "movielens-100k", "u.item": "movielens-100k"}

DELIMITED: Final[dict[Format, tuple[str, Quotes]]] = {
    "csv": (",", "doubled"),
    "tsv": ("\t", "doubled"),
    "recbole": ("\t", "none"),
}
"""Separator and quotes of each format, unless the config names others."""

RATING_COLUMNS: Final = ("user_id", "item_id", "rating", "timestamp")
MOVIE_COLUMNS: Final = ("item_id", "title", "genres")
U_ITEM_GENRES: Final = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime",
    "Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance",
    "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
"""The flags at the end of each line of `u.item`, in the order of MovieLens-100K's `u.genre`."""
U_ITEM_COLUMNS: Final = ("item_id", "title", "release_date", "video_date", "url", *U_ITEM_GENRES)

PARQUET_FAULTS: Final = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
"""What polars raises for files that it cannot read; it panics at some rare types."""


@dataclass(frozen=True)
class Table:
    """The rows of one file."""

    path: Path
    """The file."""
    frame: pl.DataFrame
    """Its rows in the file's order."""
    rows: Sequence[int]
    """The number, in the file, of each row of the frame, from 1; header and blank lines count."""
    header: int | None = None
    """The number of the header's row; None: there is none."""
    lines: Sequence[int] | None = None
    """The line on which each row begins; None: the row's number."""

    def require(self, column: str, setting: str) -> None:
        """Raises InvalidData unless the table has the column that the setting names."""
        if column in self.frame.columns:
            return
        near = nearest(column, self.frame.columns)
        hint = (
            f"the nearest is {shortened(near)!r}"
            if near
            else f"it has {shown_names(self.frame.columns)}"
        )
        remedy = f"set `{setting}` to the right column ({hint})"
        raise InvalidData([DataFault(self.path, self.header, f"no column {column!r}", remedy)])

    def faults(
        self, bad: pl.Series, problem: Callable[[dict[str, Any]], str], remedy: str
    ) -> list[DataFault]:
        """A fault for each of the first few rows where `bad` is true; the last counts the rest.

        Args:
            bad: bool, one per row.
            problem: the sentence for one row, given its columns by name.
            remedy: what to do, the same for all.
        """
        places = bad.arg_true().to_list()
        shown = places[:SHOWN_ROWS]
        return [
            DataFault(
                self.path,
                self.rows[place],
                problem(self._row(place)),
                remedy,
                n_alike=len(places) - len(shown) if number == len(shown) else 0,
                line=None if self.lines is None else self.lines[place],
            )
            for number, place in enumerate(shown, start=1)
        ]

    def _row(self, place: int) -> dict[str, Any]:
        one = self.frame[place : place + 1]
        return {values.name: python_value(values, 0) for values in one.iter_columns()}


def read_table(config: FileConfig, role: Role) -> Table:
    """The file's rows.

    Raises:
        InvalidData: the file is missing, empty, of unknown format, wrongly encoded or ragged.
    """
    path = config.path
    head = head_of(path, role)
    refuse_other_kinds(path, head, role)
    form = format_of(config, role)
    if form not in DELIMITED and (config.separator or config.quotes):
        remedy = f"remove `{role}.separator` and `{role}.quotes`, or set `{role}.format` to csv"
        raise file_fault(path, f"the format {form} has its own separator and quotes", remedy)
    if form == "parquet":
        table = _parquet_table(path, role)
    else:
        refuse_other_text(path, head, config.encoding, role)
        table = _text_table(config, role, form)
    if table.frame.is_empty():
        raise file_fault(path, "no rows", f"fill it, or correct `{role}.path`")
    return table


def format_of(config: FileConfig, role: Role) -> Format:
    """The format set, else the one told by the file's name.

    Raises:
        InvalidData: neither says.
    """
    name = config.path.name
    told = FORMAT_BY_NAME.get(name) or FORMAT_BY_SUFFIX.get(config.path.suffix.lower())
    found = config.format or told
    if found is None:
        remedy = f"set `{role}.format`, e.g. to csv"
        raise file_fault(config.path, "the name does not tell the format", remedy)
    return found


def _parquet_table(path: Path, role: Role) -> Table:
    try:
        frame = in_local_time(pl.read_parquet(path, glob=False))
    except PARQUET_FAULTS as error:
        problem = f"not readable as Parquet ({shortened(_first_line(error))})"
        remedy = (
            "write it anew, in columns of common types, or correct `format`"
            if _is_parquet(path)
            else f"correct `{role}.path`, or set `{role}.format` to csv if it is text"
        )
        raise file_fault(path, problem, remedy) from error
    return Table(path, frame, range(1, frame.height + 1))


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "no reason")


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(PARQUET)) == PARQUET


def _text_table(config: FileConfig, role: Role, form: Format) -> Table:
    """A text file, by its format."""
    match form:
        case "movielens":
            names = RATING_COLUMNS if role == "interactions" else MOVIE_COLUMNS
            return _split_lines(config, role, "::", names)
        case "movielens-100k" if role == "interactions":
            return _split_lines(config, role, "\t", RATING_COLUMNS)
        case "movielens-100k":
            return _with_genres(_split_lines(config, role, "|", U_ITEM_COLUMNS))
    rows = read_delimited(config, role, *DELIMITED[form])
    return _table(config.path, rows if form != "recbole" else _without_types(config.path, rows))


def _table(path: Path, rows: Rows) -> Table:
    return Table(path, rows.frame, rows.rows, rows.header, rows.lines)


def _split_lines(config: FileConfig, role: Role, separator: str, names: tuple[str, ...]) -> Table:
    """A text file without header and quotes, whose every line has the same fields."""
    text = decoded(config, role).replace("\r\n", "\n").replace("\r", "\n")
    every = pl.Series("line", text.split("\n"))
    written = every.str.strip_chars() != ""
    lines = every.filter(written)
    whole = Table(config.path, lines.to_frame(), (written.arg_true() + 1).to_list())
    counts = lines.str.count_matches(separator, literal=True) + 1
    faults = whole.faults(
        counts != len(names),
        lambda row: f"fields: {row['line'].count(separator) + 1} instead of {len(names)}",
        f"write {separator.join(names[:4])!r}, or set `format`",
    )
    if faults:
        raise InvalidData(faults)
    fields = lines.str.split_exact(separator, len(names) - 1).struct.rename_fields(list(names))
    return Table(config.path, fields.struct.unnest(), whole.rows)


def _without_types(path: Path, rows: Rows) -> Rows:
    """RecBole's header says `user_id:token`; the type is of no use here."""
    names = [column.partition(":")[0] for column in rows.frame.columns]
    refuse_repeated(path, rows.header, names)
    frame = rows.frame.rename(dict(zip(rows.frame.columns, names, strict=True)))
    return Rows(frame, rows.header, rows.rows, rows.lines)


def _with_genres(table: Table) -> Table:
    """The genre flags of `u.item` as one column `genres`, values separated by `|`."""
    flags = [pl.when(pl.col(name) == "1").then(pl.lit(name)) for name in U_ITEM_GENRES]
    genres = pl.concat_str(flags, separator="|", ignore_nulls=True).alias("genres")
    return Table(table.path, table.frame.with_columns(genres), table.rows)

"""One file as a table whose rows are still numbered as in the file.

Text columns stay text: an id such as `0054890` must not lose its zeros. Parquet keeps its types.
"""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import polars as pl

from training.data.config import FileConfig, Format
from training.data.spelling import nearest
from training.errors import DataFault, InvalidData

Role = Literal["interactions", "items"]

POLARS_REPEATED: Final = "_duplicated_0"
"""What polars adds to the second column of one name."""

SHOWN_ROWS: Final = 3
"""Faults of one kind that a message spells out."""

FORMAT_BY_SUFFIX: Final[dict[str, Format]] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".inter": "recbole",
    ".item": "recbole",
    ".dat": "movielens",
}
FORMAT_BY_NAME: Final[dict[str, Format]] = {"u.data": "movielens-100k", "u.item": "movielens-100k"}

RATING_COLUMNS: Final = ("user_id", "item_id", "rating", "timestamp")
MOVIE_COLUMNS: Final = ("item_id", "title", "genres")
U_ITEM_GENRES: Final = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime",
    "Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance",
    "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
"""The flags at the end of each line of `u.item`, in the order of MovieLens-100K's `u.genre`."""
U_ITEM_COLUMNS: Final = ("item_id", "title", "release_date", "video_date", "url", *U_ITEM_GENRES)


@dataclass(frozen=True)
class Table:
    """The rows of one file."""

    path: Path
    """The file."""
    frame: pl.DataFrame
    """Its rows in the file's order."""
    first_row: int
    """The row number, in the file, of the frame's first row: 2 below a header."""

    def require(self, column: str, setting: str) -> None:
        """Raises InvalidData unless the table has the column that the setting names."""
        if column in self.frame.columns:
            return
        near = nearest(column, self.frame.columns)
        hint = f"the nearest is {near!r}" if near else f"it has {', '.join(self.frame.columns)}"
        remedy = f"set `{setting}` to the right column ({hint})"
        header = self.first_row - 1 or None
        raise InvalidData([DataFault(self.path, header, f"no column {column!r}", remedy)])

    def text(self, column: str) -> pl.Series:
        """A column as text, a missing value as the empty text."""
        return self.frame[column].cast(pl.String).fill_null("")

    def faults(
        self, bad: pl.Series, problem: Callable[[dict[str, Any]], str], remedy: str
    ) -> list[DataFault]:
        """A fault for each of the first few rows where `bad` is true; the last counts the rest.

        Args:
            bad: bool, one per row.
            problem: the sentence for one row, given its columns by name.
            remedy: what to do, the same for all.
        """
        rows = bad.arg_true().to_list()
        shown = rows[:SHOWN_ROWS]
        return [
            DataFault(
                self.path,
                self.first_row + row,
                problem(self.frame.row(row, named=True)),
                remedy,
                n_alike=len(rows) - len(shown) if place == len(shown) else 0,
            )
            for place, row in enumerate(shown, start=1)
        ]


def read_table(config: FileConfig, role: Role) -> Table:
    """The file's rows.

    Raises:
        InvalidData: the file is missing, empty, of unknown format, wrongly encoded or ragged.
    """
    if not config.path.is_file():
        raise _whole_file(config.path, "no such file", f"correct `{role}.path`")
    match format_of(config, role):
        case "parquet":
            table = _parquet_table(config.path)
        case "csv":
            table = _delimited(config, ",", '"')
        case "tsv":
            table = _delimited(config, "\t", '"')
        case "recbole":
            table = _without_types(_delimited(config, "\t", None))
        case "movielens":
            names = RATING_COLUMNS if role == "interactions" else MOVIE_COLUMNS
            table = _split_lines(config, "::", names)
        case "movielens-100k" if role == "interactions":
            table = _split_lines(config, "\t", RATING_COLUMNS)
        case "movielens-100k":
            table = _with_genres(_split_lines(config, "|", U_ITEM_COLUMNS))
    if table.frame.is_empty():
        raise _whole_file(config.path, "no rows", f"fill it, or correct `{role}.path`")
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
        raise _whole_file(config.path, "the name does not tell the format", remedy)
    return found


def _whole_file(path: Path, problem: str, remedy: str) -> InvalidData:
    """The error for a fault that no single row carries."""
    return InvalidData([DataFault(path, None, problem, remedy)])


def _parquet_table(path: Path) -> Table:
    try:
        return Table(path, pl.read_parquet(path), first_row=1)
    except pl.exceptions.PolarsError as error:
        problem = f"not readable as Parquet ({str(error).splitlines()[0]})"
        raise _whole_file(path, problem, "write it anew, or correct `format`") from error


def _decoded(config: FileConfig) -> str:
    """The file's text, without a byte order mark and empty lines at its end."""
    content = config.path.read_bytes()
    try:
        text = content.decode(config.encoding).removeprefix("\ufeff").rstrip("\r\n")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        problem = f"byte 0x{content[error.start]:02x} is not {config.encoding}"
        remedy = "set `encoding`, e.g. to latin-1"
        raise InvalidData([DataFault(config.path, row, problem, remedy)]) from error
    if not text.strip():
        raise _whole_file(config.path, "the file is empty", "fill it, or correct its path")
    return text


def _delimited(config: FileConfig, separator: str, quote: str | None) -> Table:
    """A text file with a header."""
    text = _decoded(config)
    try:
        frame = pl.read_csv(
            io.BytesIO(text.encode()), separator=separator, quote_char=quote, infer_schema=False
        )
    except pl.exceptions.PolarsError as error:
        raise InvalidData([_ragged(config.path, text, separator, quote, error)]) from error
    for column in frame.columns:
        if column.endswith(POLARS_REPEATED):
            problem = f"column {column.removesuffix(POLARS_REPEATED)!r} occurs twice"
            raise InvalidData([DataFault(config.path, 1, problem, "rename or remove one")])
    return Table(config.path, frame, first_row=2)


def _ragged(
    path: Path, text: str, separator: str, quote: str | None, error: Exception
) -> DataFault:
    """The first row that a stricter and slower reader cannot take either."""
    quoting: Literal[0, 3] = csv.QUOTE_NONE if quote is None else csv.QUOTE_MINIMAL
    lines = io.StringIO(text, newline="")
    rows = csv.reader(lines, delimiter=separator, quoting=quoting, strict=True)
    number = 1
    try:
        width = len(next(rows))
        for number, fields in enumerate(rows, start=2):
            if len(fields) > width:
                problem = f"fields: {len(fields)} under a header of {width}"
                return DataFault(path, number, problem, "quote fields that hold the separator")
    except csv.Error as cause:
        remedy = "write a quote inside a quoted field twice, and close each"
        return DataFault(path, number + 1, f"its quotes cannot be read ({cause})", remedy)
    problem = f"not readable ({str(error).splitlines()[0]})"
    return DataFault(path, None, problem, "check its quotes and separators")


def _split_lines(config: FileConfig, separator: str, names: tuple[str, ...]) -> Table:
    """A text file without header and quotes, whose every line has the same fields."""
    lines = pl.Series("line", _decoded(config).split("\n"))
    lines = lines.str.strip_suffix("\r")
    whole = Table(config.path, lines.to_frame(), first_row=1)
    counts = lines.str.count_matches(separator, literal=True) + 1
    faults = whole.faults(
        counts != len(names),
        lambda row: f"fields: {row['line'].count(separator) + 1} instead of {len(names)}",
        f"write {separator.join(names[:4])!r}, or set `format`",
    )
    if faults:
        raise InvalidData(faults)
    fields = lines.str.split_exact(separator, len(names) - 1).struct.rename_fields(list(names))
    return Table(config.path, fields.struct.unnest(), first_row=1)


def _without_types(table: Table) -> Table:
    """RecBole's header says `user_id:token`; the type is of no use here."""
    names = {column: column.partition(":")[0] for column in table.frame.columns}
    return Table(table.path, table.frame.rename(names), table.first_row)


def _with_genres(table: Table) -> Table:
    """The genre flags of `u.item` as one column `genres`, values separated by `|`."""
    flags = [pl.when(pl.col(name) == "1").then(pl.lit(name)) for name in U_ITEM_GENRES]
    genres = pl.concat_str(flags, separator="|", ignore_nulls=True).alias("genres")
    return Table(table.path, table.frame.with_columns(genres), table.first_row)

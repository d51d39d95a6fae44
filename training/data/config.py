"""Settings of a data set: which files, how they are written, which columns, what to refuse."""

import codecs
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from steering.rules import MAX_ATTRIBUTE, hidden_character

Format = Literal["csv", "tsv", "parquet", "recbole", "movielens", "movielens-100k"]
"""How a file is written; docs/data.md says what each expects."""
FORMAT_BY_SUFFIX: Final[dict[str, Format]] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".inter": "recbole",
    ".item": "recbole",
    ".dat": "movielens",
}
"""The format that a file's name tells."""

Quotes = Literal["doubled", "backslash", "none"]
"""How a quote within a quoted field is written; `none`: quotes are ordinary characters."""
Least = Annotated[int, Field(ge=1, le=1_000_000_000)]

NO_FILE_ENCODINGS: Final = frozenset(
    {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"}
)
"""Encodings of single names or literals, in which nobody writes a file."""

FEATURE: Final = "feature"
"""What a rule calls a feature by its index, as `feature=12`; no name of an attribute."""


class Section(BaseModel):
    """A section of a data config: unknown keys are refused, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class FileConfig(Section):
    """Where a file is and how it is written."""

    path: Path
    """The file; relative to the config file's folder, or to the working folder with flags."""
    format: Format | None = None
    """How the file is written; None: told by its name."""
    encoding: str = "utf-8"
    """Text encoding; the older MovieLens files need `latin-1`."""
    separator: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """What stands between two fields, of the formats csv, tsv and recbole; None: the format's."""
    quotes: Quotes | None = None
    """How the same formats write quotes; None: `none` in recbole, `doubled` in csv and tsv."""

    @field_validator("path")
    @classmethod
    def _from_folder(cls, path: Path, info: ValidationInfo) -> Path:
        folder = (info.context or {}).get("folder")
        return path if folder is None else Path(folder) / path

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        name = _codec(encoding)
        if name is None or name in NO_FILE_ENCODINGS:
            shown = ascii(encoding[:40])
            raise ValueError(f"{shown} is no text encoding; try utf-8 or latin-1")
        return name

    @field_validator("separator")
    @classmethod
    def _can_separate(cls, separator: str | None) -> str | None:
        if separator is not None and separator in '"\r\n\\\0':
            raise ValueError(f"{separator!r} cannot separate fields; try ';', '|' or \"\\t\"")
        return separator


def _codec(encoding: str) -> str | None:
    """Python's name of the encoding; None where it is none of text, as rot13."""
    try:
        name = codecs.lookup(encoding).name
        b"a".decode(name, errors="replace")
    except (LookupError, ValueError):
        return None
    return name


class InteractionsConfig(FileConfig):
    """The file of who met what, when."""

    user: str = "user_id"
    """Column of the user's id."""
    item: str = "item_id"
    """Column of the item's id."""
    timestamp: str | None = None
    """Column of the time: a number that grows with time, or ISO 8601."""
    position: str | None = None
    """Column of the place in the user's history, a number; instead of `timestamp`."""
    order: Literal["sort", "file"] = "sort"
    """`sort`: rows may come in any order; `file`: rows of a user that are not in order are
    refused, and without a `timestamp` or `position` the file's own order is the history's."""
    duplicates: Literal["refuse", "drop"] = "refuse"
    """What to do with a row that repeats user, item and time."""
    unknown_items: Literal["refuse", "drop"] = "refuse"
    """What to do with a row whose item is not in the items file."""

    @model_validator(mode="after")
    def _one_order(self) -> Self:
        if self.timestamp is not None and self.position is not None:
            raise ValueError("name `timestamp` or `position`, not both: one column is the order")
        return self

    @model_validator(mode="after")
    def _different_columns(self) -> Self:
        columns = [self.user, self.item, self.timestamp or self.position]
        named = [column for column in columns if column is not None]
        if len(set(named)) < len(named):
            raise ValueError("user, item and time are columns of their own; two name the same")
        return self


class AttributeConfig(Section):
    """Where the values of one attribute come from."""

    column: str
    """The items file's column."""
    separator: Annotated[str, Field(min_length=1)] | None = None
    """What stands between several values of one item; None: the column holds one value."""
    take: Literal["value", "year", "decade"] = "value"
    """`year` and `decade` read a column such as `1995` or `Toy Story (1995)`; an item without a
    year there carries no value."""
    leave_out: tuple[str, ...] = ()
    """Values that are not read, e.g. a root category that all items carry."""


def _spelled_out(attribute: object) -> object:
    """`brand: brand_name` is short for `brand: {column: brand_name}`."""
    return {"column": attribute} if isinstance(attribute, str) else attribute


def _attribute_name(name: str) -> str:
    """The name, if rules and presets can say it: they write `name=value`."""
    if not name.strip():
        raise ValueError("an attribute needs a name, e.g. genre")
    if name != name.strip():
        raise ValueError("blanks around an attribute's name cannot be seen; remove them")
    if "=" in name:
        raise ValueError("an attribute's name cannot hold '=', which ends it in name=value")
    if len(name) > MAX_ATTRIBUTE:
        raise ValueError(f"an attribute's name has at most {MAX_ATTRIBUTE} characters")
    if character := hidden_character(name):
        raise ValueError(f"an attribute's name cannot hold {character}")
    if name == FEATURE:
        raise ValueError("rules write `feature=12` for feature 12; call the attribute otherwise")
    return name


AttributeName = Annotated[str, AfterValidator(_attribute_name)]
AttributeSource = Annotated[AttributeConfig, BeforeValidator(_spelled_out)]


class ItemsConfig(FileConfig):
    """The file of what the items are."""

    item: str = "item_id"
    """Column of the item's id."""
    title: str | None = "title"
    """Column of the title; None: items are called by their ids."""
    html_entities: bool = False
    """Whether titles and attributes are written for HTML: `&#39;` is then read as an apostrophe."""
    attributes: dict[AttributeName, AttributeSource] | None = None
    """Attribute name to column; None: `genre` in the MovieLens formats, nothing in others."""


class DataConfig(Section):
    """Which files make a data set, and how to read them."""

    name: str | None = None
    """What reports call the data set; None: the name of the interactions file."""
    interactions: InteractionsConfig
    """Who met what, when."""
    items: ItemsConfig | None = None
    """What the items are; None: the catalogue is what the interactions mention."""
    min_history: Least = 1
    """Users with fewer interactions are left out; evaluation needs 3."""
    k_core: Least = 1
    """Users and items with fewer interactions are left out, again and again until none is left."""

"""What a data set's owner says about the files: a small YAML file or the flags of a command."""

import codecs
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from training.data.spelling import nearest
from training.errors import InvalidDataConfig

Format = Literal["csv", "tsv", "parquet", "recbole", "movielens", "movielens-100k"]
"""How a file is written; docs/data.md says what each expects."""


class _Part(BaseModel):
    """A section of a data config: unknown keys are refused, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class FileConfig(_Part):
    """Where a file is and how it is written."""

    path: Path
    """The file; relative to the config file's folder, or to the working folder with flags."""
    format: Format | None = None
    """How the file is written; None: told by its name."""
    encoding: str = "utf-8"
    """Text encoding; the older MovieLens files need `latin-1`."""

    @field_validator("path")
    @classmethod
    def _from_folder(cls, path: Path, info: ValidationInfo) -> Path:
        folder = (info.context or {}).get("folder")
        return path if folder is None else Path(folder) / path

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        try:
            return codecs.lookup(encoding).name
        except LookupError as error:
            raise ValueError(f"{encoding!r} is no text encoding; try utf-8 or latin-1") from error


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


class AttributeConfig(_Part):
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


class ItemsConfig(FileConfig):
    """The file of what the items are."""

    item: str = "item_id"
    """Column of the item's id."""
    title: str | None = "title"
    """Column of the title; None: items are called by their ids."""
    html_entities: bool = False
    """Whether titles and attributes are written for HTML: `&#39;` is then read as an apostrophe."""
    attributes: dict[str, Annotated[AttributeConfig, BeforeValidator(_spelled_out)]] | None = None
    """Attribute name to column; None: `genre` in the MovieLens formats, nothing in others."""


class DataConfig(_Part):
    """Which files make a data set, and how to read them."""

    name: str | None = None
    """What reports call the data set; None: the name of the interactions file."""
    interactions: InteractionsConfig
    """Who met what, when."""
    items: ItemsConfig | None = None
    """What the items are; None: the catalogue is what the interactions mention."""
    min_history: Annotated[int, Field(ge=1)] = 1
    """Users with fewer interactions are left out; evaluation needs 3."""
    k_core: Annotated[int, Field(ge=1)] = 1
    """Users and items with fewer interactions are left out, again and again until none is left."""


def load_data_config(path: Path, *, files: Path | None = None) -> DataConfig:
    """The config in a YAML file, named after the file.

    Args:
        path: the YAML file.
        files: folder that relative paths start from; None: the YAML file's own.

    Raises:
        InvalidDataConfig: the file cannot be read, is not YAML, repeats a key, or says something
            that cannot be; every fault with its line.
    """
    content = _mapping(path)
    settings = {"name": path.stem, **content}
    try:
        return DataConfig.model_validate(settings, context={"folder": files or path.parent})
    except ValidationError as error:
        raise InvalidDataConfig(path.name, _sentences(error, content)) from error


def data_config(settings: Mapping[str, Any], source: str = "command line") -> DataConfig:
    """The config in plain values, e.g. from a command's flags.

    Raises:
        InvalidDataConfig: an unknown name or a value that cannot be; every fault at once.
    """
    try:
        return DataConfig.model_validate(dict(settings))
    except ValidationError as error:
        raise InvalidDataConfig(source, _sentences(error, None)) from error


def _mapping(path: Path) -> CommentedMap:
    """The file's top level, which remembers the line of each key."""
    try:
        content = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidDataConfig(path.name, [f"cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise InvalidDataConfig(path.name, ["is not UTF-8; save it as UTF-8"]) from error
    except MarkedYAMLError as error:
        raise InvalidDataConfig(path.name, [_yaml_sentence(error)]) from error
    except YAMLError as error:
        raise InvalidDataConfig(path.name, [str(error).splitlines()[0]]) from error
    if not isinstance(content, CommentedMap):
        raise InvalidDataConfig(path.name, ["must hold keys and values, e.g. `interactions:`"])
    return content


def _yaml_sentence(error: MarkedYAMLError) -> str:
    """Line and problem, without the parser's advice on its own settings."""
    line = "" if error.problem_mark is None else f"line {error.problem_mark.line + 1}: "
    problem = str(error.problem or error.context).splitlines()[0]
    return line + problem.partition(" with value ")[0]


def _sentences(error: ValidationError, content: CommentedMap | None) -> list[str]:
    """One sentence per fault, with its line where the config came from a file."""
    return [
        _line(content, fault["loc"]) + _sentence(fault["type"], fault["loc"], fault["msg"])
        for fault in error.errors(include_url=False)
    ]


def _sentence(kind: str, place: Sequence[str | int], message: str) -> str:
    """What is wrong at one place; for an unknown key, the nearest right one."""
    where = ".".join(map(str, place))
    if kind == "missing":
        return f"`{where}` is missing"
    if kind != "extra_forbidden":
        return f"`{where}`: {message.removeprefix('Value error, ')}"
    known = _known_keys(place[:-1])
    near = nearest(str(place[-1]), known)
    hint = f"did you mean `{near}`?" if near else f"known here: {', '.join(known)}"
    return f"unknown key `{where}`; {hint}"


def _known_keys(section: Sequence[str | int]) -> list[str]:
    """The keys that a section of the config may hold."""
    sections: dict[Sequence[str | int], type[_Part]] = {
        (): DataConfig,
        ("interactions",): InteractionsConfig,
        ("items",): ItemsConfig,
    }
    return list(sections.get(tuple(section), AttributeConfig).model_fields)


def _line(content: CommentedMap | None, place: Sequence[str | int]) -> str:
    """`line 3: ` for the innermost key of `place` that the file holds, else nothing."""
    line = None
    for key in place:
        if not isinstance(content, CommentedMap) or key not in content:
            break
        line = content.lc.key(key)[0] + 1
        content = content[key]
    return "" if line is None else f"line {line}: "

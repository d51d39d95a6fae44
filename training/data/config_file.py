"""A data config out of a YAML file or the flags of a command; every fault with its line."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml.comments import CommentedMap

from training.data.config import (
    FORMAT_BY_SUFFIX,
    AttributeConfig,
    DataConfig,
    InteractionsConfig,
    ItemsConfig,
    Section,
)
from training.errors import InvalidDataConfig
from training.spelling import nearest
from training.yaml_file import yaml_content


def load_data_config(path: Path, *, files: Path | None = None) -> DataConfig:
    """The config in a YAML file, named after the file.

    Args:
        path: the YAML file.
        files: folder that relative paths start from; None: the YAML file's own.

    Raises:
        InvalidDataConfig: the file cannot be read, is not YAML, repeats a key, or says something
            that cannot be; every fault with its line.
    """
    if path.suffix.lower() in FORMAT_BY_SUFFIX:
        remedy = "name it with --interactions, or as `interactions.path` of a data config"
        raise InvalidDataConfig(path.name, [f"is a data file, not a data config; {remedy}"])
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
    content = yaml_content(path, lambda fault: InvalidDataConfig(path.name, [fault]))
    if not isinstance(content, CommentedMap):
        raise InvalidDataConfig(path.name, ["must hold keys and values, e.g. `interactions:`"])
    return content


def _sentences(error: ValidationError, content: CommentedMap | None) -> list[str]:
    """One sentence per fault, with its line where the config came from a file."""
    return [
        _line(content, fault["loc"]) + _sentence(fault["type"], fault["loc"], fault["msg"])
        for fault in error.errors(include_url=False)
    ]


def _sentence(kind: str, place: Sequence[str | int], message: str) -> str:
    """What is wrong at one place; for an unknown key, the nearest right one."""
    where = ".".join(str(key) for key in place if key != "[key]")
    if kind == "missing":
        return f"`{where}` is missing"
    if kind == "model_type":
        return f"`{where}` must hold keys and values"
    if kind != "extra_forbidden":
        return f"`{where}`: {message.removeprefix('Value error, ')}"
    known = _known_keys(place[:-1])
    near = nearest(str(place[-1]), known)
    hint = f"did you mean `{near}`?" if near else f"known here: {', '.join(known)}"
    return f"unknown key `{where}`; {hint}"


def _known_keys(section: Sequence[str | int]) -> list[str]:
    """The keys that a section of the config may hold."""
    sections: dict[Sequence[str | int], type[Section]] = {
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

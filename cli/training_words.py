"""Data and settings of a training run, as words of a command line."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from cli.errors import Refused, told_as
from cli.spelling import hint
from training.config import TrainConfig, read_config, train_config
from training.data import DataConfig, data_config
from training.errors import TrainingError

DEFAULT_DATA = "ml-100k"
ROLES: Mapping[str, tuple[str, str]] = {
    "user": ("interactions", "user"),
    "item": ("interactions", "item"),
    "timestamp": ("interactions", "timestamp"),
    "position": ("interactions", "position"),
    "items.item": ("items", "item"),
    "items.title": ("items", "title"),
}
"""What `--column` may name: section and key of the data config."""


def data_of(
    name: str | None,
    *,
    interactions: Path | None,
    items: Path | None,
    columns: Sequence[str],
    attributes: Sequence[str],
) -> str | DataConfig:
    """The data set meant: a name or config file, or the files that the other options describe.

    Raises:
        BadParameter: options that do not go together, or a word that cannot be read.
        Refused: the files cannot be described like that; every fault.
    """
    if interactions is None:
        if items is not None or columns or attributes:
            raise typer.BadParameter("--items, --column and --attribute go with --interactions")
        return name or DEFAULT_DATA
    if name is not None:
        raise typer.BadParameter("--data and --interactions are two ways to say the same")
    settings = _sections(interactions, items, columns, attributes)
    with told_as(Refused, TrainingError):
        return data_config(settings)


def config_of(path: Path | None, *, seed: int | None, device: str | None) -> TrainConfig:
    """The settings in the file, or the defaults, with those of the command line on top.

    Raises:
        Refused: the file, or a value, is at fault; every fault.
    """
    given = {"seed": seed, "device": device}
    over = {name: value for name, value in given.items() if value is not None}
    with told_as(Refused, TrainingError, OSError, ValueError):
        config = TrainConfig() if path is None else read_config(path)
        return train_config(config.model_dump() | over, "command line")


def _sections(
    interactions: Path, items: Path | None, columns: Sequence[str], attributes: Sequence[str]
) -> dict[str, Any]:
    sections: dict[str, dict[str, Any]] = {"interactions": {"path": interactions}}
    if items is not None:
        sections["items"] = {"path": items}
    for word in columns:
        role, column = _pair(word, "--column", "ROLE=COLUMN")
        if role not in ROLES:
            raise typer.BadParameter(f"--column {word!r}: no such role; {hint(role, ROLES)}")
        section, key = ROLES[role]
        _set_once(sections.setdefault(section, {}), key, column, f"--column {word!r}")
    carried: dict[str, Any] = {}
    for word in attributes:
        _set_once(carried, *_attribute(word), f"--attribute {word!r}")
    if carried:
        sections.setdefault("items", {})["attributes"] = carried
    return sections


def _set_once(settings: dict[str, Any], name: str, value: object, given: str) -> None:
    """Set what is not set yet; raise BadParameter for what is."""
    if name in settings:
        raise typer.BadParameter(f"{given}: {name!r} is given twice")
    settings[name] = value


def _attribute(word: str) -> tuple[str, dict[str, str]]:
    name, source = _pair(word, "--attribute", "NAME=COLUMN[:SEPARATOR]")
    column, colon, separator = source.partition(":")
    return name, {"column": column, **({"separator": separator} if colon else {})}


def _pair(word: str, option: str, form: str) -> tuple[str, str]:
    left, equals, right = word.partition("=")
    if not (left and equals and right):
        raise typer.BadParameter(f"{option} {word!r} is not {form}")
    return left, right

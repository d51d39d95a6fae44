"""docs/cli.md lists every command that speaks to a service or a store, with all its options."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.command_tree import app

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
ROW = re.compile(r"^\| `([a-z ]+)` \| ((?:`-[^`]+`(?:, )?)*) ?\|$", re.MULTILINE)
SHARED = {"--json", "--address", "--timeout", "--help"}
"""Named once for all."""
ELSEWHERE = {"train", "study", "serve", "demo", "load"}
"""Commands whose options are on pages of their own."""


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, frozenset[str]]]:
    """Every command that is shown, with the spellings of its own options."""
    for name, inner in getattr(command, "commands", {}).items():
        if not inner.hidden and (words or name not in ELSEWHERE):
            yield from commands(inner, (*words, name))
    if not hasattr(command, "commands"):
        spelled = {word for one in command.params for word in one.opts if word.startswith("-")}
        yield " ".join(words), frozenset(spelled - SHARED)


ACTUAL = dict(commands(typer.main.get_command(app)))
DOCUMENTED = {name: frozenset(re.findall(r"`(-[^`]+)`", row)) for name, row in ROW.findall(PAGE)}


def test_every_command_is_listed_and_no_other() -> None:
    assert set(DOCUMENTED) == set(ACTUAL)


@pytest.mark.parametrize("command", sorted(ACTUAL))
def test_every_option_of_the_command_is_listed_and_no_other(command: str) -> None:
    assert DOCUMENTED.get(command) == ACTUAL[command]

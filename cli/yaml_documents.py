"""A YAML file as its documents: whatever is in it, they come soon, or a sentence says why not."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.constructor import ConstructorError, RoundTripConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    NodeEvent,
)

from cli.errors import Refused
from cli.text_file import text_of
from cli.yaml_faults import yaml_fault

MAX_DEPTH = 16
"""Sections within sections: a preset has 7."""
MAX_NODES = 20_000
"""Keys and values of a document, those that an alias repeats too: a preset has under 8,000."""
CONSTRUCTORS_OWN = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What the parser's library lets through of values that are not what they look like."""


def documents_of(path: Path) -> list[CommentedMap]:
    """The top level of each document of the file.

    Raises:
        Refused: the file cannot be read, is not YAML, is no preset at its top, or is made to
            exhaust a reader: too deep, too many values, or within itself.
    """
    text = text_of(path)
    try:
        _check_size(path, _yaml().parse(text))
        documents = list(_yaml().load_all(text))
    except YAMLError as error:
        raise Refused(yaml_fault(path, error)) from None
    if not documents or not all(isinstance(content, CommentedMap) for content in documents):
        raise Refused(f"{path.name}: holds no preset; it begins with `name: <name>`")
    return documents


class _PresetConstructor(RoundTripConstructor):
    """Reads a date or a time as the text that it is, and says where a value cannot be read."""

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except CONSTRUCTORS_OWN:
            problem = "value that cannot be read"
            raise ConstructorError(None, None, problem, node.start_mark) from None


_PresetConstructor.add_constructor(
    "tag:yaml.org,2002:timestamp", RoundTripConstructor.construct_yaml_str
)


def _yaml() -> YAML:
    yaml = YAML(typ="rt")
    yaml.Constructor = _PresetConstructor
    return yaml


def _check_size(path: Path, events: Iterable[Event]) -> None:
    """Refuses tags, and what would grow or nest beyond every preset, before it is built."""
    size = _Size()
    for event in events:
        if fault := "; ".join(size.faults(event)):
            raise Refused(f"{path.name}, line {event.start_mark.line + 1}: {fault}")


class _Size:
    """How large and how deep a document is, its aliases written out."""

    def __init__(self) -> None:
        self._nodes = 0
        self._open: list[tuple[str | None, int]] = []
        """Anchor of each open section, and the nodes before it."""
        self._anchored: dict[str, int] = {}
        """Nodes that an alias repeats."""

    def faults(self, event: Event) -> Iterator[str]:
        """What is wrong with a document that goes on with this event."""
        if isinstance(event, DocumentStartEvent):
            self.__init__()  # type: ignore[misc]
        elif isinstance(event, CollectionEndEvent):
            self._close()
        elif isinstance(event, NodeEvent):
            yield from self._node_faults(event)

    def _node_faults(self, event: NodeEvent) -> Iterator[str]:
        if tag := getattr(event, "tag", None):
            shown = str(tag).replace("tag:yaml.org,2002:", "!!")
            yield f"{shown} is a tag, and a preset has none; remove it, or quote the text"
        if isinstance(event, AliasEvent):
            if event.anchor in (anchor for anchor, _ in self._open):
                yield f"*{event.anchor} stands within what it stands for; write it out"
            self._nodes += self._anchored.get(event.anchor, 1)
        else:
            self._add(event)
        if self._nodes > MAX_NODES:
            yield f"more than {MAX_NODES:,} keys and values; a preset has far fewer"
        if len(self._open) > MAX_DEPTH:
            yield f"more than {MAX_DEPTH} sections within each other; a preset has fewer"

    def _add(self, event: NodeEvent) -> None:
        if isinstance(event, CollectionStartEvent):
            self._open.append((event.anchor, self._nodes))
        elif event.anchor:
            self._anchored[event.anchor] = 1
        self._nodes += 1

    def _close(self) -> None:
        anchor, before = self._open.pop()
        if anchor:
            self._anchored[anchor] = self._nodes - before

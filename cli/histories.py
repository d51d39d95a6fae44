"""Histories to ask or to preview on: a file with one JSON object a line."""

import json
import re
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from steerrec.v1 import preview_pb2

from cli.contexts import ContextRefused, section_of, struct_of
from cli.errors import Refused
from cli.text_file import text_of

EXAMPLE = '{"history": ["50", "172"], "next": "181", "context": {"surface": "home"}}'
REMEDIES = {
    "extra_forbidden": "unknown key; known here: history, next, context",
    "json_invalid": f"is no JSON; each line looks like {EXAMPLE}",
    "model_type": f"is no JSON object; each line looks like {EXAMPLE}",
    "string_type": "is no text; write the id as text, in quotes",
    "list_type": 'is no list; write the ids in brackets, e.g. ["50", "172"]',
    "dict_type": 'is no JSON object; write keys and values, e.g. {"surface": "home"}',
    "missing": f"is missing; each line looks like {EXAMPLE}",
}
"""What a line's fault, by pydantic's name of it, asks for."""
MAX_HISTORIES = 10_000
"""What the service takes in one preview."""


class HistoryLine(BaseModel):
    """One line of the file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    history: list[str]
    """Item ids, oldest first."""
    next_item: str = Field(alias="next", default="")
    """The item that the user took next; left out: not known."""
    context: dict[str, Any] | None = None
    """Facts that conditions read; left out: those of the command line."""

    def message(self) -> preview_pb2.PreviewHistory:
        """The history as the contract has it."""
        made = preview_pb2.PreviewHistory(item_ids=self.history, next_item_id=self.next_item)
        if self.context is not None:
            made.context.CopyFrom(struct_of(self.context))
        return made


def read_histories(path: Path, most: float = MAX_HISTORIES) -> list[preview_pb2.PreviewHistory]:
    """The histories of a JSONL file, at most so many; empty lines are skipped.

    Raises:
        Refused: the file cannot be read, holds none or too many, or a line is no history; with
            every such line.
    """
    # not splitlines(): JSON may hold its other line ends, such as U+2028, within a text
    lines = re.split(r"\r\n|\n|\r", text_of(path))
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    read = [_history(f"{path.name}, line {number}", line) for number, line in numbered]
    if faults := [fault for one in read if isinstance(one, Refused) for fault in one.faults]:
        raise Refused(faults)
    if not 1 <= len(read) <= most:
        wanted = f"1 to {most}" if most < inf else "1 or more"
        raise Refused(f"{path.name}: {len(read)} histories; {wanted}, as {EXAMPLE}")
    return [one for one in read if isinstance(one, preview_pb2.PreviewHistory)]


def _history(where: str, line: str) -> preview_pb2.PreviewHistory | Refused:
    try:
        read = HistoryLine.model_validate_json(line)
        repeated = _repeated_key(line)
        return Refused(f"{where}: {repeated}") if repeated else read.message()
    except ValidationError as error:
        return Refused([*_faults(where, error)])
    except ContextRefused as error:
        return Refused(f"{where}: context: {error}")


def _repeated_key(line: str) -> str:
    """What a line that is JSON gives twice, of which its reader keeps the last; empty: nothing."""
    try:
        json.loads(line, object_pairs_hook=section_of, parse_int=str)
    except ContextRefused as error:
        return str(error)
    return ""


def _faults(where: str, error: ValidationError) -> Iterator[str]:
    for fault in error.errors(include_url=False):
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"])
        problem = REMEDIES.get(fault["type"], fault["msg"])
        yield f"{where}: {key.removeprefix('.')}: {problem}" if key else f"{where}: {problem}"

"""What is wrong with a preset file, as sentences: file, line, key, problem, remedy."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from cli.preset_schema import OperationName, PresetDocument, RangePart, RulePart, UnitName
from cli.spelling import hint, nearest
from cli.targeting_schema import (
    DayName,
    Part,
    RolloutPart,
    SchedulePart,
    TargetingPart,
    WindowPart,
)
from steering.errors import RuleFault

Place = tuple[str | int, ...]
"""Keys and list indices from the top of the file to what is at fault."""

FILE_KEYS = {
    "feature_index": "feature",
    "condition": "when",
    "rule_id": "id",
    "when": "condition",
    "start_time": "from",
    "end_time": "until",
    "context_key": "key",
    "exclusivity_group": "group",
    "is_default": "default",
}
"""What the contract's fields, and those of the other sections, are called in a file."""

SECTIONS: dict[tuple[str, ...], type[Part]] = {
    (): PresetDocument,
    ("rules",): RulePart,
    ("rules", "when_activation"): RangePart,
    ("targeting",): TargetingPart,
    ("targeting", "schedule"): SchedulePart,
    ("targeting", "schedule", "windows"): WindowPart,
    ("targeting", "rollout"): RolloutPart,
}
"""What may stand where, by the keys that lead there."""

_NO_NAME = "is no name: a lower-case letter, then at most 62 of a-z, 0-9 and -"
_PATTERNS = {
    "name": _NO_NAME,
    "group": _NO_NAME,
    "feature_space": "is no feature space: 16 hex digits; `steerrec models served` shows it",
}
_CHOICES = {"operation": OperationName, "unit": UnitName, "days": DayName}
_LISTS = {
    "rules": "must be a list, one `- ` for each rule",
    "windows": "must be a list, one `- ` for each window",
    "days": "must be a list, e.g. [mon, tue]",
}
_SENTENCES = {
    "missing": "is missing",
    "invalid_key": "a key is text; put it in quotes or remove it",
    "string_type": "must be text; put it in quotes",
    "float_type": "must be a number, without quotes",
    "int_type": "must be a whole number, without quotes",
    "finite_number": "must be finite",
    "bool_type": "must be true or false, without quotes",
    "model_type": "must hold keys and values",
}


class Source(NamedTuple):
    """A file as parsed, which remembers the line of each key."""

    path: Path
    content: CommentedMap

    def fault(self, place: Place, problem: str) -> str:
        """`file, line: key: problem`."""
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
        line = self._line(place)
        return f"{self.path.name}, line {line}: {where.removeprefix('.')}: {problem}"

    def rule_fault(self, fault: RuleFault) -> str:
        """One of steering's faults, at the place in the file that it is about."""
        index, _, field = fault.field.removeprefix("rules[").partition("]")
        key = field.removeprefix(".")
        rule: Place = ("rules", int(index))
        return self.fault((*rule, FILE_KEYS.get(key, key)) if key else rule, fault.message)

    def _line(self, place: Place) -> int:
        """Line of the innermost part of `place` that the file holds, from 1."""
        line: int = self.content.lc.line + 1
        inner: Any = self.content
        for part in place:
            if isinstance(inner, CommentedMap) and part in inner:
                line = inner.lc.key(part)[0] + 1
            elif isinstance(inner, CommentedSeq) and isinstance(part, int) and part < len(inner):
                line = inner.lc.item(part)[0] + 1
            else:
                break
            inner = inner[part]
        return line


def yaml_fault(path: Path, error: YAMLError) -> str:
    """Line and problem, without the parser's advice on its own settings."""
    if not isinstance(error, MarkedYAMLError):
        return f"{path.name}: is not YAML: {str(error).splitlines()[0]}"
    mark = error.problem_mark or error.context_mark
    where = path.name if mark is None else f"{path.name}, line {mark.line + 1}"
    problem = str(error.problem or error.context).splitlines()[0]
    twice = re.match(r'found duplicate key "([^"]*)"', problem)
    if isinstance(error, DuplicateKeyError) and twice is not None:
        return f"{where}: {twice[1]}: is there twice; keep one"
    return f"{where}: is not YAML: {problem}"


def schema_faults(source: Source, error: ValidationError) -> Iterator[str]:
    """One sentence for each fault that the schema found."""
    faults = {
        tuple(part for part in fault["loc"] if part != "[key]"): fault
        for fault in error.errors(include_url=False)
    }
    unknown = [place for place, fault in faults.items() if fault["type"] == "extra_forbidden"]
    meant = {(*place[:-1], _meant(place)) for place in unknown}
    for place, fault in faults.items():
        # what a misspelled key was meant to be is not also missing
        if fault["type"] != "missing" or place not in meant:
            yield source.fault(place, _problem(fault, place))


def _problem(fault: ErrorDetails, place: Place) -> str:
    """What is wrong at one place, and the remedy."""
    kind, given, limits = fault["type"], fault["input"], fault.get("ctx", {})
    match kind:
        case "extra_forbidden":
            return f"unknown key; {_key_hint(place)}"
        case "enum":
            return f'"{given}" is none; {hint(str(given), [*_CHOICES[_keys(place)[-1]]])}'
        case "string_pattern_mismatch":
            return f'"{given}" {_PATTERNS[str(place[-1])]}'
        case "string_too_long":
            return f"{len(given)} characters; at most {limits['max_length']}"
        case _ if given is None:
            return "is empty; give it a value or remove it"
    known = _LISTS.get(_keys(place)[-1]) if kind == "tuple_type" else _SENTENCES.get(kind)
    return str(limits.get("error") or known or fault["msg"])


def _key_hint(place: Place) -> str:
    if len(place) == 1 and place[0] in TargetingPart.known_keys():
        return "it belongs under targeting"
    if meant := _meant(place):
        return f'did you mean "{meant}"?'
    return f"known here: {', '.join(_known_keys(place))}"


def _meant(place: Place) -> str | None:
    """The key that an unknown one was meant to be, or None where none is near."""
    key, known = str(place[-1]), _known_keys(place)
    renamed = FILE_KEYS.get(key)
    return renamed if renamed in known else nearest(key, known)


def _known_keys(place: Place) -> Sequence[str]:
    """The keys that may stand where an unknown one does."""
    return SECTIONS[_keys(place[:-1])].known_keys()


def _keys(place: Place) -> tuple[str, ...]:
    """The place without list indices."""
    return tuple(part for part in place if isinstance(part, str))

"""What is wrong with a preset file, as sentences: file, line, key, problem, remedy."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from cli.preset_schema import OperationName, PresetDocument, RangePart, RulePart, UnitName
from cli.shown import shown
from cli.spelling import hint, nearest
from cli.targeting_schema import (
    NAME,
    DayName,
    Part,
    RolloutPart,
    SchedulePart,
    TargetingPart,
    WindowPart,
)
from service.errors import Violation
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

SET_ELSEWHERE = {
    "revision": "the service counts them",
    "state": "the service sets it",
    "etag": "the service sets it",
    "create_time": "the service sets it",
    "update_time": "the service sets it",
    "author": "give it as --author",
    "reason": "give it as --reason",
}
"""Keys of a stored preset that no file sets."""

_NO_NAME = "is no name: a lower-case letter, then at most 62 of a-z, 0-9 and -"
_PATTERNS = {
    "name": _NO_NAME,
    "group": _NO_NAME,
    "feature_space": "is no feature space: 16 of 0-9 and a-f; `steerrec models served` shows it",
}
_CHOICES = {"operation": OperationName, "unit": UnitName, "days": DayName}
_NOUNS = {"operation": "operation", "unit": "unit", "days": "day"}
_LISTS = {
    "rules": "write one `- ` for each rule",
    "windows": "write one `- ` for each window",
    "days": "write one, e.g. [mon, tue]",
}
WHOLE = "write one without quotes, e.g. 12"
A_NUMBER = "write one without quotes, e.g. 1.5"


class Source(NamedTuple):
    """A file as parsed, which remembers the line of each key."""

    path: Path
    content: CommentedMap

    def fault(self, place: Place, problem: str) -> str:
        """`file, line: key: problem`."""
        where = "".join(map(_step, place)).removeprefix(".")
        return f"{self.path.name}, line {self.line(place)}: {where}: {problem}"

    def key_fault(self, section: Place, key: Any) -> str:
        """A key that is no text."""
        where = "".join(map(_step, section)).removeprefix(".")
        problem = f"{shown(key)} is a key that is no text; put it in quotes or remove it"
        line = self.line((*section, key))
        return f"{self.path.name}, line {line}: {f'{where}: ' if where else ''}{problem}"

    def rule_fault(self, fault: RuleFault) -> str:
        """One of steering's faults, at the place in the file that it is about."""
        index, _, field = fault.field.removeprefix("rules[").partition("]")
        key = field.removeprefix(".")
        rule: Place = ("rules", int(index))
        return self.fault((*rule, FILE_KEYS.get(key, key)) if key else rule, fault.message)

    def targeting_fault(self, violation: Violation) -> str:
        """One of the service's faults of a targeting, at the place that it is about."""
        place: Place = ()
        for key, index in re.findall(r"([a-z_]+)|\[(\d+)\]", violation.field):
            section = SECTIONS.get(_keys(place))
            known = [] if section is None else section.known_keys()
            place = (*place, int(index) if index else key if key in known else FILE_KEYS[key])
        return self.fault(place, violation.message)

    def line(self, place: Place) -> int:
        """Line of the innermost part of `place` that the file holds, from 1."""
        line: int = self.content.lc.line + 1
        inner: Any = self.content
        for part in place:
            if isinstance(inner, CommentedMap) and part in inner:
                # a key that << brought has no line of its own
                line = inner.lc.key(part)[0] + 1 if part in (inner.lc.data or {}) else line
            elif isinstance(inner, CommentedSeq) and isinstance(part, int) and part < len(inner):
                line = inner.lc.item(part)[0] + 1
            else:
                break
            inner = inner[part]
        return line


def schema_faults(source: Source, error: ValidationError) -> Iterator[str]:
    """One sentence for each fault that the schema found."""
    faults = {
        tuple(part for part in fault["loc"] if part != "[key]"): fault
        for fault in error.errors(include_url=False)
    }
    unknown = [place for place, fault in faults.items() if fault["type"] == "extra_forbidden"]
    meant = {(*place[:-1], _meant(place)) for place in unknown}
    for place, fault in faults.items():
        if fault["type"] == "invalid_key":
            yield source.key_fault(place[:-1], fault["input"])
        # what a misspelled key was meant to be is not also missing
        elif fault["type"] != "missing" or place not in meant:
            yield source.fault(place, _problem(fault, place))


def _problem(fault: ErrorDetails, place: Place) -> str:
    """What is wrong at one place, and the remedy."""
    kind, given = fault["type"], fault["input"]
    if kind == "extra_forbidden":
        return f"unknown key; {_key_hint(place)}"
    if kind != "missing" and given is None:
        return f"is empty; give it a value{'' if _is_required(place) else ' or remove it'}"
    known = _OF_KIND.get(kind)
    if known is None:
        return str(fault.get("ctx", {}).get("error") or fault["msg"])
    return known(given, place, fault.get("ctx", {}))


def _key(place: Place) -> str:
    return _keys(place)[-1]


_OF_KIND: dict[str, Callable[[Any, Place, Mapping[str, Any]], str]] = {
    "missing": lambda *_: "is missing; add it",
    "enum": lambda given, place, _: _choice_problem(given, _key(place)),
    "string_pattern_mismatch": lambda given, place, _: (
        f"{shown(given)} {_PATTERNS[_key(place)]}{_name_hint(given, place)}"
    ),
    "string_too_long": lambda given, _, limits: (
        f"{len(given)} characters; at most {limits['max_length']}"
    ),
    "string_unicode": lambda *_: "holds half of a character; write the whole one",
    "string_type": lambda given, *_: f"{shown(given)} is not text; {_text_hint(given)}",
    "float_type": lambda given, place, _: (
        f"{shown(given)} is not a number; {_number_hint(given, _key(place))}"
    ),
    "int_type": lambda given, *_: f"{shown(given)} is not a whole number; {WHOLE}",
    "int_from_float": lambda given, *_: f"{shown(given)} is not a whole number; {WHOLE}",
    "finite_number": lambda given, *_: f"{shown(given)} is not a finite number; give one",
    "bool_type": lambda given, *_: f"{shown(given)} is neither true nor false; write one of them",
    "tuple_type": lambda given, place, _: f"{shown(given)} is not a list; {_LISTS[_key(place)]}",
    "model_type": lambda given, place, _: (
        f"{shown(given)} has no keys; known here: {', '.join(SECTIONS[_keys(place)].known_keys())}"
    ),
}
"""What is wrong with a value of another kind or form than the key takes, and the remedy."""


def _text_hint(given: Any) -> str:
    return "write one text" if isinstance(given, list | dict) else "put it in quotes"


def _number_hint(given: Any, key: str) -> str:
    """What number was meant."""
    if isinstance(given, int) and not isinstance(given, bool):
        return "it has too many digits"
    if not isinstance(given, str):
        return A_NUMBER
    if re.fullmatch(r"[+-]?\d+,\d+", given, re.ASCII):
        return f"a point, not a comma: {given.replace(',', '.')}"
    if re.fullmatch(r"[+-]?\d+(\.\d+)?\s*%", given, re.ASCII):
        percent = float(given.rstrip("% "))
        return f"without the %: {percent if key == 'percent' else percent / 100:g}"
    if re.fullmatch(r"[+-]?\d+(\.\d+)?", given, re.ASCII):
        return "remove the quotes"
    return A_NUMBER


def _choice_problem(given: Any, key: str) -> str:
    choices = [*_CHOICES[key]]
    it = f"{shown(given)} is no {_NOUNS[key]}"
    if not isinstance(given, str):
        return f"{it}; known here: {', '.join(choices)}"
    bare = given.removeprefix("OPERATION_").removeprefix("UNIT_")
    return f"{it}; {hint(bare, choices)}"


def _name_hint(given: str, place: Place) -> str:
    """The name that this was meant to be, where there is one."""
    near = re.sub("[^a-z0-9]+", "-", given.lower()).strip("-")
    if place[-1] == "feature_space" or not given.isascii() or not re.fullmatch(NAME, near):
        return ""
    return f'; did you mean "{near}"?'


def _is_required(place: Place) -> bool:
    """Whether the key may not be left out; an entry of a list may."""
    section = SECTIONS.get(_keys(place[:-1]))
    fields = {} if section is None or isinstance(place[-1], int) else section.model_fields
    return any(
        field.is_required() for name, field in fields.items() if (field.alias or name) == place[-1]
    )


def _key_hint(place: Place) -> str:
    key = str(place[-1])
    if FILE_KEYS.get(key) in _known_keys(place):
        return f'did you mean "{FILE_KEYS[key]}"?'
    if len(place) == 1 and key in SET_ELSEWHERE:
        return f"{SET_ELSEWHERE[key]}; remove it"
    if home := _home(key):
        return f"it belongs {home}"
    if meant := _meant(place):
        return f'did you mean "{meant}"?'
    return f"known here: {', '.join(_known_keys(place))}"


def _home(key: str) -> str | None:
    """Where a key that is unknown here belongs; None: nowhere."""
    for keys, section in SECTIONS.items():
        if key in section.known_keys():
            return f"under {'.'.join(keys)}" if keys else "at the top of the file"
    return None


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


def _step(part: str | int) -> str:
    """One step of a path, an odd key in quotes."""
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if re.fullmatch(r"[\w-]{1,60}", part) else f"[{shown(part)}]"

"""What differs between two presets, field by field, as operators and git read it."""

import json
from collections.abc import Iterator
from typing import Any

from google.protobuf.json_format import MessageToDict
from steerrec.v1 import preset_pb2, rule_pb2

CONTENT = ("description", "rules", "feature_space", "targeting")
"""The fields that a revision keeps; the others tell about it."""


def differences(
    before: preset_pb2.Preset, after: preset_pb2.Preset
) -> list[preset_pb2.PresetDifference]:
    """The differences of what the presets say, in the order of the contract's fields."""
    was, now = _content(before), _content(after)
    return [
        preset_pb2.PresetDifference(field=field, before=_json(old), after=_json(new))
        for key in CONTENT
        for field, old, new in _changes(key, was.get(key), now.get(key))
    ]


def says_the_same(wanted: preset_pb2.Preset, current: preset_pb2.Preset) -> bool:
    """Whether applying `wanted` would change nothing; a feature space left out is any."""
    asked = preset_pb2.Preset()
    asked.CopyFrom(wanted)
    asked.feature_space = wanted.feature_space or current.feature_space
    return not differences(asked, current)


def difference_line(difference: preset_pb2.PresetDifference) -> str:
    """`field: before -> after`; one side only where the field came or went."""
    field, before, after = difference.field, difference.before, difference.after
    if not before:
        return f"{field}: added {after}"
    return f"{field}: {before} -> {after}" if after else f"{field}: removed {before}"


def _content(preset: preset_pb2.Preset) -> dict[str, Any]:
    """What the preset says, as plain values, each rule's default unit named."""
    named = preset_pb2.Preset()
    named.CopyFrom(preset)
    for rule in named.rules:
        rule.unit = rule.unit or rule_pb2.UNIT_REFERENCE
    plain = MessageToDict(named, preserving_proto_field_name=True)
    for rule in plain.get("rules", ()):
        rule.setdefault("value", 0.0)  # proto JSON leaves out a zero that is meant
    if not plain.get("targeting"):
        plain.pop("targeting", None)
    return plain


def _changes(field: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """The innermost places where two plain values differ."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            yield from _changes(f"{field}.{key}", before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            old, new = (part[index] if index < len(part) else None for part in (before, after))
            yield from _changes(f"{field}[{index}]", old, new)
    else:
        yield field, before, after


def _json(value: Any) -> str:
    """The value as JSON; empty where there is none."""
    return "" if value is None else json.dumps(value, ensure_ascii=False)

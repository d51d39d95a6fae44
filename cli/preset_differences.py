"""What differs between two presets, field by field, in the words of a preset file."""

import json
from collections.abc import Iterator
from typing import Any

from steerrec.v1 import preset_pb2

from cli.preset_file import preset_content

CONTENT = ("description", "feature_space", "rules", "targeting")
"""The fields that a revision keeps; the others tell about it."""


def differences(
    before: preset_pb2.Preset, after: preset_pb2.Preset
) -> list[preset_pb2.PresetDifference]:
    """The differences of what the presets say, in a file's order."""
    was, now = preset_content(before), preset_content(after)
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


def _changes(field: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """The innermost places where two plain values differ; a list of words is one place."""
    if before == after:
        return
    if _any(dict, before, after):
        was, now = before or {}, after or {}
        for key in dict.fromkeys([*was, *now]):
            yield from _changes(f"{field}.{key}", was.get(key), now.get(key))
    elif _any(list, before, after) and _any(dict, *(before or after)):
        was, now = before or [], after or []
        for index in range(max(len(was), len(now))):
            old, new = (part[index] if index < len(part) else None for part in (was, now))
            yield from _changes(f"{field}[{index}]", old, new)
    else:
        yield field, before, after


def _any(kind: type, *values: Any) -> bool:
    return any(isinstance(value, kind) for value in values)


def _json(value: Any) -> str:
    """The value as JSON; empty where there is none."""
    return "" if value is None else json.dumps(value, ensure_ascii=False)

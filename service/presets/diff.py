"""What changed between two revisions of a preset: paths of fields, values as JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from google.protobuf import json_format

from service.presets.record import PresetRevision, to_proto

COMPARED = ("description", "rules", "feature_space", "targeting")
"""What an operator writes; the rest is of the revision itself."""


class Difference(NamedTuple):
    """One difference."""

    field: str
    """Path, e.g. `rules[2].value`; of a rule that is gone, its index before."""
    before: str
    """As JSON; empty: it was not there."""
    after: str
    """As JSON; empty: it is gone."""


def differences(before: PresetRevision, after: PresetRevision) -> list[Difference]:
    """What changed, in the order of the fields; rules that are alike are matched first, so that
    a rule put between two others is one difference."""
    old, new = _written(before), _written(after)
    return [
        difference
        for field in COMPARED
        for difference in _changed(field, old.get(field), new.get(field))
    ]


def _written(record: PresetRevision) -> Mapping[str, Any]:
    """The contract's JSON, zeros and empty texts included: a value that became 0 is not gone."""
    return json_format.MessageToDict(
        to_proto(record),
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )


def _changed(path: str, before: Any, after: Any) -> Iterator[Difference]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys((*before, *after)):
            yield from _changed(f"{path}.{key}", before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list):
        yield from _changed_list(path, before, after)
    else:
        yield Difference(path, _json(before), _json(after))


def _changed_list(
    path: str, before: Sequence[object], after: Sequence[object]
) -> Iterator[Difference]:
    """Entries that are not alike; where some were replaced, one by one as far as they go."""
    matcher = SequenceMatcher(None, [*map(_json, before)], [*map(_json, after)], autojunk=False)
    for kind, start, end, to_start, to_end in matcher.get_opcodes():
        if kind == "equal":
            continue
        both = min(end - start, to_end - to_start)
        for i in range(both):
            yield from _changed(f"{path}[{to_start + i}]", before[start + i], after[to_start + i])
        for i in range(start + both, end):
            yield Difference(f"{path}[{i}]", _json(before[i]), "")
        for i in range(to_start + both, to_end):
            yield Difference(f"{path}[{i}]", "", _json(after[i]))


def _json(value: object) -> str:
    """One line; what a message leaves out is left out. Empty: there is nothing."""
    return "" if value is None else json.dumps(_bare(value), sort_keys=True, ensure_ascii=False)


def _bare(value: object) -> object:
    """A message without its empty fields, at any depth."""
    if isinstance(value, dict):
        return {key: _bare(own) for key, own in value.items() if own not in ("", [], None)}
    return [_bare(own) for own in value] if isinstance(value, list) else value

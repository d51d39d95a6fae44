"""Whatever a preset file holds, it is a preset that can be written again, or it is refused."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.errors import Refused
from cli.preset_file import PresetFile, preset_yaml, presets_in
from tests.fuzzing import bounded

SEEDS = (
    """\
name: family-evening
description: Less horror, more for children
feature_space: 0123456789abcdef
rules:
  - id: no-horror
    attribute: genre=Horror
    operation: ADD
    value: -1.5
    when: context.surface == "home"
    when_activation: {min: 0.1, max: 2}
  - {feature: 12, operation: SCALE, value: 0, unit: raw}
targeting:
  condition: context.age >= 18.0
  schedule:
    time_zone: Europe/Berlin
    from: 2026-12-01T00:00:00
    until: 2026-12-27T00:00:00Z
    windows:
      - {days: [fri, sat], start: "18:00", end: "02:00"}
  rollout: {percent: 12.5, key: user_id, salt: winter}
  priority: 5
  group: mood
  default: true
""",
    "name: a\nrules:\n  - &one {feature: 1, operation: SET, value: 1}\n  - {<<: *one, value: 2}\n",
    "name: a\nrules: [{attribute: a=b, operation: CAP, value: 1.0e-3}]\n---\nname: b\nrules: []\n",
)
"""Files to begin with: every key, anchors, several documents."""
TOKENS = (
    *"\t\n\r\0\x07\x85\ufeff\u2028{}[]:,#&*!|>'\"%@`?-=~<",
    *(": ", "- ", "---\n", "...\n", "&a ", "*a", "<<: *one", "!!int ", "!x ", "%YAML 1.1\n---\n"),
    *("null", "~", "true", "yes", "off", ".nan", "-.inf", "1e400", "0x1F", "0o17", "1:30", "1_0"),
    *("2026-11-24", "2026-13-99", "24:00", "9" * 5000, "-1", "1.5", "'", '"\\ud800"', '"\\0"'),
    *("\U0001f383", "\u202e", "a" * 2000, "[" * 40, "{a: " * 40, "context.a.all(x, x)", "/* "),
)
KEYS = (
    *("name", "description", "feature_space", "rules", "targeting", "attribute", "feature", "id"),
    *("operation", "value", "unit", "when", "when_activation", "min", "max", "condition", "start"),
    *("schedule", "rollout", "priority", "group", "default", "from", "until", "time_zone", "end"),
    *("windows", "days", "percent", "key", "salt", "etag", ""),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ("ADD", "SCALE", "raw", "genre=Horror", "a", "mon", "18:00", "24:00", "Europe/Berlin")
    ),
    st.sampled_from(("context.a == 1", "has(context.a)", "2026-12-01T00:00:00Z", 1.5, 3, True)),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)
    ),
    max_leaves=20,
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A seed with a few pieces of its text replaced, repeated or moved."""
    text = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        piece = draw(st.sampled_from(TOKENS) | st.just(text[start:end] * 2) | st.just(""))
        text = text[:start] + piece + text[end:]
    return text


@st.composite
def shaped(draw: st.DrawFn) -> str:
    """Something like a preset, as JSON, which YAML reads; any key may hold anything."""
    rule = {
        "attribute": draw(st.sampled_from(("genre=Horror", "a=b=c")) | SCALARS),
        "operation": draw(st.sampled_from(("ADD", "SCALE", "SET", "FLOOR", "CAP"))),
        "value": draw(st.floats() | st.integers()),
        **draw(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=2)),
    }
    preset = {"name": "a", "rules": [rule], **draw(st.dictionaries(st.sampled_from(KEYS), VALUES))}
    return json.dumps(preset, ensure_ascii=draw(st.booleans()))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file lies."""
    return tmp_path / "preset.yaml"


def read_or_refused(path: Path) -> list[PresetFile]:
    """What the file holds; none where it is refused, in sentences of one line each."""
    try:
        return presets_in(path)
    except Refused as refused:
        unclear = [fault for fault in refused.faults or [""] if not (fault and fault.isprintable())]
    assert unclear == []
    return []


def check(path: Path) -> None:
    """A file is read or refused; what is read is the same once written."""
    for one in read_or_refused(path):
        message = one.preset.message()
        path.write_text(preset_yaml(message), encoding="utf-8")
        (again,) = presets_in(path)
        assert again.preset.message() == message


@bounded(80)
@given(
    data=st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))
)
def test_any_bytes_are_a_preset_or_refused(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    check(path)


@bounded(250)
@given(text=mutated())
def test_a_preset_with_anything_amiss_is_a_preset_or_refused(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8"))
    check(path)


@bounded(120)
@given(text=shaped())
def test_a_preset_with_anything_anywhere_is_a_preset_or_refused(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8"))
    check(path)

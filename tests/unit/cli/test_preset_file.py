"""Preset files that are right: what is read, and what is written of a stored preset."""

from pathlib import Path

import pytest
from google.protobuf import text_format
from steerrec.v1 import preset_pb2, rule_pb2

from cli.errors import Refused
from cli.preset_file import preset_yaml, read_preset, read_presets
from cli.stored_presets import show_preset

WHOLE = """
name: family-evening
description: Less horror, more for children
rules:
  - id: no-horror
    attribute: genre=Horror
    operation: ADD
    value: -1.5
    when: context.surface == "home"
    when_activation: {min: 0.1, max: 2}
  - {feature: 12, operation: SCALE, value: 0, unit: raw}
targeting:
  condition: context.kids
  schedule:
    time_zone: Europe/Berlin
    from: 2026-12-01T18:00:00Z
    until: 2027-01-01 00:00
    windows:
      - {days: [fri, sun], start: "18:00", end: 02:30}
      - {days: [mon], start: "00:00", end: "24:00"}
  rollout: {percent: 12.5, key: user_id, salt: winter}
  priority: -3
  group: evening
  default: true
"""
WHOLE_MESSAGE = """
name: "family-evening"
description: "Less horror, more for children"
rules {
  rule_id: "no-horror"
  attribute { name: "genre" value: "Horror" }
  operation: OPERATION_ADD
  value: -1.5
  unit: UNIT_REFERENCE
  condition: 'context.surface == "home"'
  when_activation { min: 0.1 max: 2 }
}
rules { feature_index: 12 operation: OPERATION_SCALE value: 0 unit: UNIT_RAW }
targeting {
  condition: "context.kids"
  schedule {
    start_time { seconds: 1796148000 }
    end_time { seconds: 1798758000 }
    windows {
      days: FRIDAY days: SUNDAY
      start { hours: 18 minutes: 0 } end { hours: 2 minutes: 30 }
    }
    windows { days: MONDAY start { hours: 0 } end { hours: 24 } }
    time_zone: "Europe/Berlin"
  }
  rollout { percent: 12.5 context_key: "user_id" salt: "winter" }
  priority: -3
  exclusivity_group: "evening"
  is_default: true
}
"""
PLAIN = "name: a\nrules:\n  - {feature: 1, operation: ADD, value: 1}\n"


def written(folder: Path, text: str, name: str = "preset.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def whole() -> preset_pb2.Preset:
    return text_format.Parse(WHOLE_MESSAGE, preset_pb2.Preset())


def test_every_key_reaches_the_message(tmp_path: Path) -> None:
    assert read_preset(written(tmp_path, WHOLE)).preset.message() == whole()


def test_the_yaml_of_a_stored_preset_reads_as_that_preset(tmp_path: Path) -> None:
    assert read_preset(written(tmp_path, preset_yaml(whole()))).preset.message() == whole()


def test_the_yaml_of_a_stored_preset_leaves_out_what_is_empty() -> None:
    rule = rule_pb2.Rule(feature_index=3, operation=rule_pb2.OPERATION_CAP, value=1)
    text = preset_yaml(preset_pb2.Preset(name="a", rules=[rule]))
    assert text == "name: a\nrules:\n  - feature: 3\n    operation: CAP\n    value: 1.0\n"


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    assert read_preset(written(tmp_path, "\ufeff" + PLAIN)).preset.message().name == "a"


def test_an_attribute_value_may_hold_an_equals_sign(tmp_path: Path) -> None:
    text = "name: a\nrules:\n  - {attribute: maths=e=mc2, operation: ADD, value: 1}\n"
    rule = read_preset(written(tmp_path, text)).preset.message().rules[0]
    assert (rule.attribute.name, rule.attribute.value) == ("maths", "e=mc2")


def test_an_open_end_of_a_range_stays_absent(tmp_path: Path) -> None:
    text = "name: a\nrules:\n  - {feature: 1, operation: ADD, value: 1, when_activation: {min: 1}}"
    bounds = read_preset(written(tmp_path, text)).preset.message().rules[0].when_activation
    assert not bounds.HasField("max")


def test_the_faults_of_several_files_come_together(tmp_path: Path) -> None:
    paths = [written(tmp_path, "", "one.yaml"), written(tmp_path, "", "two.yaml")]
    with pytest.raises(Refused) as refused:
        read_presets(paths)
    assert [fault.partition(":")[0] for fault in refused.value.faults] == ["one.yaml", "two.yaml"]


def test_two_files_of_one_preset_are_refused_by_their_names(tmp_path: Path) -> None:
    paths = [written(tmp_path, WHOLE, name) for name in ("one.yaml", "two.yaml")]
    with pytest.raises(Refused) as refused:
        read_presets(paths)
    assert str(refused.value) == (
        f"two.yaml, line 2: name: {paths[0]}, line 2 names this preset too; keep one of them"
    )


def test_two_documents_of_one_preset_are_refused_by_their_lines(tmp_path: Path) -> None:
    path = written(tmp_path, f"{WHOLE}\n---\n{WHOLE}")
    with pytest.raises(Refused, match=r"line 28: name: .* line 2 names this preset too"):
        read_presets([path])


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    path = written(tmp_path, WHOLE)
    assert len(read_presets([path, tmp_path, tmp_path / ".." / tmp_path.name / path.name])) == 1


def test_a_long_description_is_not_broken_on_its_way_to_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset = whole()
    preset.description = "more " * 90 + "horror"
    show_preset(preset, as_json=False)
    assert read_preset(written(tmp_path, capsys.readouterr().out)).preset.message() == preset


def test_one_file_may_hold_several_presets(tmp_path: Path) -> None:
    other = "name: other\nrules:\n  - {feature: 1, operation: ADD, value: 1}\n"
    path = written(tmp_path, f"{WHOLE}---\n{other}")
    assert [file.preset.name for file in read_presets([path])] == ["family-evening", "other"]


def test_a_fault_in_a_later_document_names_its_line_in_the_file(tmp_path: Path) -> None:
    path = written(
        tmp_path, "name: a\nrules:\n  - {feature: 1, operation: ADD, value: 1}\n---\nnam: b"
    )
    with pytest.raises(Refused, match=r"preset.yaml, line 5: nam: unknown key"):
        read_presets([path])


def test_a_folder_stands_for_its_yaml_files_by_name(tmp_path: Path) -> None:
    text = "name: {}\nrules:\n  - {{feature: 1, operation: ADD, value: 1}}\n"
    written(tmp_path, text.format("b"), "b.yaml")
    written(tmp_path, text.format("a"), "a.yml")
    written(tmp_path, "not a preset", "notes.txt")
    assert [file.preset.name for file in read_presets([tmp_path])] == ["a", "b"]


def test_a_folder_without_preset_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"holds no \.yaml file"):
        read_presets([tmp_path])


def test_a_moment_without_an_offset_is_read_in_the_schedules_time_zone(tmp_path: Path) -> None:
    text = "  schedule: {time_zone: America/New_York, from: 2026-07-01 12:00}\n"
    path = written(tmp_path, PLAIN + "targeting:\n" + text)
    schedule = read_preset(path).preset.message().targeting.schedule
    assert schedule.start_time.ToJsonString() == "2026-07-01T16:00:00Z"


def test_a_preset_without_targeting_has_none_in_the_message(tmp_path: Path) -> None:
    assert not read_preset(written(tmp_path, PLAIN)).preset.message().HasField("targeting")

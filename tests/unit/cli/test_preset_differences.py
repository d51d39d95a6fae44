"""What differs between two presets, as a plan and a diff print it."""

from google.protobuf import text_format
from steerrec.v1 import preset_pb2

from cli.preset_differences import difference_line, differences, says_the_same

BEFORE = """
name: "a" description: "d"
rules { attribute { name: "genre" value: "Horror" } operation: OPERATION_ADD value: 1.5 }
targeting { rollout { percent: 10 context_key: "user_id" } priority: 3 }
"""


def preset(text: str = BEFORE) -> preset_pb2.Preset:
    return text_format.Parse(text, preset_pb2.Preset())


def lines(before: preset_pb2.Preset, after: preset_pb2.Preset) -> list[str]:
    return [difference_line(one) for one in differences(before, after)]


def test_a_preset_does_not_differ_from_itself() -> None:
    assert lines(preset(), preset()) == []


def test_a_changed_value_is_told_with_both_sides() -> None:
    after = preset()
    after.rules[0].value = 2
    assert lines(preset(), after) == ["rules[0].value: 1.5 -> 2.0"]


def test_a_rule_that_came_is_told_by_its_parts() -> None:
    after = preset()
    after.rules.add(feature_index=3, operation="OPERATION_CAP", value=1)
    assert lines(preset(), after) == [
        "rules[1].feature: added 3",
        'rules[1].operation: added "CAP"',
        "rules[1].value: added 1.0",
    ]


def test_a_part_that_went_is_told_as_removed() -> None:
    after = preset()
    after.ClearField("description")
    assert lines(preset(), after) == ['description: removed "d"']


def test_targeting_is_told_in_a_files_words() -> None:
    after = preset()
    after.targeting.is_default = True
    after.targeting.rollout.percent = 50
    assert lines(preset(), after) == [
        "targeting.rollout.percent: 10.0 -> 50.0",
        "targeting.default: added true",
    ]


def test_the_days_of_a_window_are_one_difference() -> None:
    before, after = preset(), preset()
    for one, days in ((before, ["MONDAY"]), (after, ["MONDAY", "SUNDAY"])):
        one.targeting.schedule.time_zone = "UTC"
        window = one.targeting.schedule.windows.add(days=days)
        window.start.hours, window.end.hours = 8, 9
    told = lines(before, after)
    assert told == ['targeting.schedule.windows[0].days: ["mon"] -> ["mon", "sun"]']


def test_targeting_that_says_nothing_is_as_none() -> None:
    plain, empty = preset(), preset()
    plain.ClearField("targeting")
    empty.targeting.Clear()
    empty.targeting.SetInParent()
    assert says_the_same(plain, empty)


def test_other_targeting_is_a_change() -> None:
    after = preset()
    after.targeting.priority = 4
    assert not says_the_same(after, preset())

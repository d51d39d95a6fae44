"""When applying a preset changes nothing."""

from google.protobuf import text_format
from steerrec.v1 import preset_pb2

from cli.preset_differences import says_the_same

STORED = """
name: "a" description: "d" feature_space: "0123456789abcdef" revision: 3 etag: "3-x"
rules { feature_index: 1 operation: OPERATION_ADD value: 1.5 unit: UNIT_REFERENCE }
"""


def stored() -> preset_pb2.Preset:
    return text_format.Parse(STORED, preset_pb2.Preset())


def wanted() -> preset_pb2.Preset:
    preset = stored()
    for field in ("feature_space", "revision", "etag"):
        preset.ClearField(field)
    return preset


def test_what_the_service_fills_in_makes_no_difference() -> None:
    assert says_the_same(wanted(), stored())


def test_the_default_unit_may_be_left_out() -> None:
    preset = wanted()
    preset.rules[0].ClearField("unit")
    assert says_the_same(preset, stored())


def test_another_value_is_a_change() -> None:
    preset = wanted()
    preset.rules[0].value = 1.25
    assert not says_the_same(preset, stored())


def test_another_description_is_a_change() -> None:
    preset = wanted()
    preset.description = "e"
    assert not says_the_same(preset, stored())


def test_another_feature_space_is_a_change() -> None:
    preset = wanted()
    preset.feature_space = "f" * 16
    assert not says_the_same(preset, stored())


def test_another_order_of_rules_is_a_change() -> None:
    preset, other = wanted(), stored()
    for one in (preset, other):
        one.rules.add().CopyFrom(one.rules[0])
        one.rules[1].value = 2
    preset.rules[0].value, preset.rules[1].value = 2, 1.5
    assert not says_the_same(preset, other)

"""What changed between two revisions."""

from dataclasses import replace

from service.presets.diff import differences
from service.presets.record import PresetRevision
from service.presets.rollout import Rollout
from service.presets.targeting import Targeting
from steering.rules import ActivationRange, Attribute, Operation, Rule
from tests.presets import draft

NOIR = Rule(Operation.ADD, Attribute("genre", "Film-Noir"), 1.0)
HORROR = Rule(Operation.ADD, Attribute("genre", "Horror"), 2.0)
COMEDY = Rule(Operation.SCALE, Attribute("genre", "Comedy"), 0.5)
ANCHOR = Rule(Operation.SET, 7, 0.25)


def preset(*rules: Rule) -> PresetRevision:
    """A revision with these rules."""
    return draft("mixed", 0, *rules)


def paths(before: PresetRevision, after: PresetRevision) -> list[tuple[str, str, str]]:
    """The differences as plain tuples."""
    return [tuple(own) for own in differences(before, after)]  # type: ignore[misc]


def test_the_same_content_differs_in_nothing() -> None:
    later = replace(preset(NOIR), revision=9, author="zoe", reason="again")
    assert differences(preset(NOIR), later) == []


def test_a_changed_value_is_named_by_its_path() -> None:
    after = preset(NOIR, HORROR, replace(COMEDY, value=0.25))
    assert paths(preset(NOIR, HORROR, COMEDY), after) == [("rules[2].value", "0.5", "0.25")]


def test_a_value_that_becomes_zero_is_not_gone() -> None:
    assert paths(preset(COMEDY), preset(replace(COMEDY, value=0.0))) == [
        ("rules[0].value", "0.5", "0.0")
    ]


def test_another_target_is_named_by_its_path() -> None:
    after = replace(NOIR, target=Attribute("genre", "Western"))
    assert paths(preset(NOIR), preset(after)) == [
        ("rules[0].attribute.value", '"Film-Noir"', '"Western"')
    ]


def test_a_rule_put_between_two_others_is_one_difference() -> None:
    added = paths(preset(NOIR, HORROR), preset(NOIR, ANCHOR, HORROR))
    expected = '{"feature_index": 7, "operation": "OPERATION_SET", "unit": "UNIT_REFERENCE"'
    assert [(field, before) for field, before, _ in added] == [("rules[1]", "")]
    assert added[0][2].startswith(expected)


def test_a_removed_rule_is_named_by_its_place_before() -> None:
    gone = paths(preset(NOIR, HORROR, COMEDY), preset(NOIR, COMEDY))
    assert [(field, after) for field, _, after in gone] == [("rules[1]", "")]


def test_description_and_feature_space_are_compared() -> None:
    after = replace(preset(NOIR), description="less", feature_space="fs-2")
    assert paths(preset(NOIR), after) == [
        ("description", '"more horror"', '"less"'),
        ("feature_space", '""', '"fs-2"'),
    ]


def test_targeting_that_is_new_is_one_difference() -> None:
    after = replace(preset(NOIR), targeting=Targeting(condition="context.a == 1"))
    (own,) = differences(preset(NOIR), after)
    assert (own.field, own.before) == ("targeting", "")
    assert '"condition": "context.a == 1"' in own.after


def test_a_part_of_the_targeting_is_named_by_its_path() -> None:
    before, after = (
        replace(preset(NOIR), targeting=Targeting(rollout=Rollout(percent, "user_id")))
        for percent in (10.0, 50.0)
    )
    assert paths(before, after) == [("targeting.rollout.percent", "10.0", "50.0")]


def test_an_open_end_that_closes_has_nothing_before() -> None:
    before, after = (
        preset(replace(NOIR, when_activation=bounds))
        for bounds in (ActivationRange(min=1), ActivationRange(1, 2))
    )
    assert paths(before, after) == [("rules[0].when_activation.max", "", "2.0")]

"""What steering refuses, with the words it uses."""

import math

import pytest

from steering.errors import ConditionRefused, RuleConflict, RulesRefused
from steering.plan import check_layer, plan_for
from steering.resolved import Condition, resolve_rules
from steering.rules import ActivationRange, Attribute, Operation, Rule, Unit
from tests.unit.steering.spaces import DEAD, HORROR, SPACE, UNLIMITED, layer

ADD, SET, SCALE = Operation.ADD, Operation.SET, Operation.SCALE


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Rule(ADD, 0, math.nan), "rules[0].value: nan is not a finite number; give one"),
        (Rule(ADD, 0, -math.inf), "rules[0].value: -inf is not a finite number; give one"),
        (
            Rule(ADD, 0, 2e6),
            "rules[0].value: 2,000,000 is too large; at most 1,000,000 in magnitude",
        ),
        (
            Rule(SCALE, 0, -1),
            "rules[0].value: SCALE by -1: a factor is 0 or more; to suppress, ADD a negative",
        ),
        (Rule(ADD, -1, 1), "rules[0].feature_index: -1 is negative; indices start at 0"),
        (
            Rule(ADD, 12, 1),
            "rules[0].feature_index: 12 is beyond this SAE; its features are 0 to 11",
        ),
        (
            Rule(ADD, DEAD, 1),
            "rules[0].feature_index: 11 is a dead feature without a reference activation;"
            " use unit RAW",
        ),
        (
            Rule(ADD, Attribute("genre", "Horor"), 1),
            "rules[0].attribute: no feature group for genre=Horor; did you mean genre=Horror?",
        ),
        (
            Rule(ADD, Attribute("zzz", "?"), 1),
            "rules[0].attribute: no feature group for zzz=?; known here: genre=Horror,"
            " genre=Comedy",
        ),
        (
            Rule(ADD, Attribute("", "Horror"), 1),
            "rules[0].attribute: name '' and value 'Horror' are both required",
        ),
        (
            Rule(ADD, 0, 1, when_activation=ActivationRange(2, 1)),
            "rules[0].when_activation: min 2 is above max 1; swap them",
        ),
        (
            Rule(ADD, 0, 1, when_activation=ActivationRange(math.nan)),
            "rules[0].when_activation: NaN bounds nothing; give a number or leave the end out",
        ),
        (Rule(ADD, 0, 1, rule_id="x" * 65), "rules[0].rule_id: 65 characters; at most 64"),
        (
            Rule(ADD, 0, 1, condition="x" * 1025),
            "rules[0].condition: 1025 characters; at most 1024",
        ),
        (
            Rule(ADD, 0, 1, condition="a ="),
            "rules[0].condition: conditions are not available here: 'a ='",
        ),
        (
            Rule(ADD, Attribute("a=b", "c"), 1),
            "rules[0].attribute: name 'a=b' holds '=', which ends a name; only a value may hold it",
        ),
        (
            Rule(ADD, Attribute("genre", "Hor\x1bror"), 1),
            "rules[0].attribute: holds the control character U+001B; remove it",
        ),
        (
            Rule(ADD, 0, 1, rule_id="a\nb"),
            "rules[0].rule_id: holds the control character U+000A; remove it",
        ),
        (
            Rule(ADD, 0, 1, when_activation=ActivationRange(math.inf)),
            "rules[0].when_activation: no activation is infinite; give a number or leave the end"
            " out",
        ),
        (
            Rule(ADD, 2**31, 1),
            "rules[0].feature_index: has too many digits; no SAE is so large",
        ),
    ],
)
def test_a_rule_is_refused_with_field_value_and_remedy(rule: Rule, message: str) -> None:
    with pytest.raises(RulesRefused) as refused:
        layer(rule)
    assert str(refused.value) == message


def test_every_fault_of_a_list_is_told_at_once() -> None:
    with pytest.raises(RulesRefused) as refused:
        layer(Rule(ADD, -1, math.nan), Rule(ADD, 0, 1), Rule(ADD, 99, 1))
    assert [fault.field for fault in refused.value.faults] == [
        "rules[0].value",
        "rules[0].feature_index",
        "rules[2].feature_index",
    ]


def test_a_feature_beyond_the_sae_is_a_bundle_mismatch() -> None:
    with pytest.raises(RulesRefused) as refused:
        layer(Rule(ADD, 99, 1))
    assert refused.value.is_bundle_mismatch


def test_a_negative_index_is_no_bundle_mismatch() -> None:
    with pytest.raises(RulesRefused) as refused:
        layer(Rule(ADD, -1, 1))
    assert not refused.value.is_bundle_mismatch


def test_two_sets_of_one_layer_conflict() -> None:
    with pytest.raises(RuleConflict, match=r"rules\[1\]: SETs feature 2 to 2, rules\[0\] SETs it"):
        check_layer(layer(Rule(SET, 2, 1, Unit.RAW), Rule(SET, 2, 2, Unit.RAW)))


def test_two_equal_sets_of_one_layer_agree() -> None:
    check_layer(layer(Rule(SET, HORROR, 1), Rule(SET, HORROR, 1)))


def test_a_floor_above_a_cap_is_refused() -> None:
    rules = layer(Rule(Operation.FLOOR, 2, 3, Unit.RAW), Rule(Operation.CAP, 2, 1, Unit.RAW))
    with pytest.raises(RuleConflict, match="a FLOOR of 3 lies above a CAP of 1"):
        plan_for([rules], {}, UNLIMITED)


def test_conditional_sets_are_not_held_against_each_other_beforehand() -> None:
    rules = (Rule(SET, 2, 1, condition="home"), Rule(SET, 2, 2, condition="search"))
    check_layer(layer(*rules, condition=lambda _: ""))


def test_a_refused_expression_is_a_fault_of_its_rule() -> None:
    def refuse(source: str) -> Condition:
        raise ConditionRefused(f"line 1: {source} is not an expression")

    with pytest.raises(RulesRefused) as refused:
        resolve_rules([Rule(ADD, 0, 1, condition="((")], SPACE, refuse)
    assert str(refused.value) == "rules[0].condition: line 1: (( is not an expression"

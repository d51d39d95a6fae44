"""Rules are read into columns where nothing is wrong with them, and else as objects."""

import math

from hypothesis import given
from hypothesis import strategies as st
from steerrec.v1 import recommender_pb2, rule_pb2

from service.convert import rule_from_proto
from service.query import query_of
from service.rule_columns import plain_rules
from steering.columns import MOST
from steering.rules import Rule, is_plain

texts = st.sampled_from(["", "", "", "genre", "a=b", "x" * 201, "bell\a"])


@st.composite
def messages(draw: st.DrawFn) -> rule_pb2.Rule:
    """A rule as it may come: sound, odd or wrong."""
    message = rule_pb2.Rule(
        operation=draw(st.sampled_from([0, 1, 2, 3, 4, 5, 9])),  # type: ignore[arg-type]
        value=draw(st.sampled_from([0.0, -1.0, 0.5, 1e6, 2e6, math.nan, math.inf])),
        unit=draw(st.sampled_from([0, 1, 2, 7])),  # type: ignore[arg-type]
        rule_id=draw(st.sampled_from(["", "", "mine"])),
        condition=draw(st.sampled_from(["", "", "true"])),
    )
    match draw(st.sampled_from(["feature", "attribute", "none"])):
        case "feature":
            message.feature_index = draw(st.sampled_from([0, 7, -1, 2**31 - 1]))
        case "attribute":
            message.attribute.name, message.attribute.value = draw(texts), draw(texts)
    if draw(st.sampled_from([False, False, True])):
        message.when_activation.min = 0.5
    return message


def as_object(message: rule_pb2.Rule) -> Rule | None:
    """The rule; None: a fault was found when it was read."""
    try:
        return rule_from_proto(message, "rules[0]")
    except Exception:
        return None


@given(st.lists(messages(), max_size=3))
def test_columns_are_read_exactly_where_every_rule_is_plain(own: list[rule_pb2.Rule]) -> None:
    rules = [as_object(message) for message in own]
    are_plain = all(rule is not None and is_plain(rule) for rule in rules)
    columns = plain_rules(own)
    assert (None if columns is None else list(columns)) == (rules if are_plain else None)


def request(*rules: rule_pb2.Rule) -> recommender_pb2.RecommendRequest:
    return recommender_pb2.RecommendRequest(history=["1"], rules=rules)


def add(index: int, rule_id: str = "") -> rule_pb2.Rule:
    return rule_pb2.Rule(
        feature_index=index, operation=rule_pb2.OPERATION_ADD, value=0.5, rule_id=rule_id
    )


def test_a_query_of_plain_rules_equals_one_of_the_same_rules_as_objects() -> None:
    plain = query_of(request(add(1), add(2)), "id").rules
    objects = query_of(request(add(1), add(2), add(3, rule_id="mine")), "id").rules
    assert isinstance(objects, tuple)
    assert plain == objects[:2]


def test_many_rules_are_read_as_objects() -> None:
    assert plain_rules([add(index) for index in range(MOST + 1)]) is None

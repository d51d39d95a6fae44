import math
from typing import Any

import pytest
from steerrec.v1 import recommender_pb2, rule_pb2

from service.errors import InvalidRequest
from service.query import query_of

ADD = rule_pb2.Rule(feature_index=1, operation=rule_pb2.OPERATION_ADD, value=1)


def request(**fields: Any) -> recommender_pb2.RecommendRequest:
    return recommender_pb2.RecommendRequest(**fields)


def violated(**fields: Any) -> list[str]:
    with pytest.raises(InvalidRequest) as refused:
        query_of(request(**fields), "r1")
    return [violation.field for violation in refused.value.violations]


def preset(name: str, revision: int | None = None) -> recommender_pb2.PresetReference:
    return recommender_pb2.PresetReference(name=name, revision=revision)


def add(**fields: Any) -> rule_pb2.Rule:
    rule = rule_pb2.Rule()
    rule.CopyFrom(ADD)
    rule.MergeFrom(rule_pb2.Rule(**fields))
    return rule


def test_an_absent_k_is_ten() -> None:
    assert query_of(request(), "r1").k == 10


def test_an_empty_model_is_production() -> None:
    assert query_of(request(), "r1").model == "production"


def test_the_caller_names_the_request() -> None:
    assert query_of(request(request_id="mine"), "r1").request_id == "mine"


def test_an_unnamed_request_gets_a_name() -> None:
    assert query_of(request(), "r1").request_id == "r1"


@pytest.mark.parametrize("k", [-1, 0, 1001])
def test_k_is_within_its_limits(k: int) -> None:
    assert violated(k=k) == ["k"]


@pytest.mark.parametrize("k", [1, 1000])
def test_the_limits_of_k_are_allowed(k: int) -> None:
    assert query_of(request(k=k), "r1").k == k


@pytest.mark.parametrize(
    ("field", "value", "most"),
    [
        ("history", "i", 10_000),
        ("exclude_item_ids", "i", 10_000),
        ("presets", preset("p"), 16),
        ("rules", ADD, 256),
    ],
)
def test_lists_have_a_limit(field: str, value: object, most: int) -> None:
    assert violated(**{field: [value] * (most + 1)}) == [field]


@pytest.mark.parametrize(("field", "most"), [("history", 10_000), ("rules", 256)])
def test_lists_may_reach_their_limit(field: str, most: int) -> None:
    value: object = "i" if field == "history" else ADD
    assert query_of(request(**{field: [value] * most}), "r1")


def test_a_request_id_cannot_break_a_log_line() -> None:
    assert violated(request_id="mine\nyours") == ["request_id"]


def test_a_request_id_has_a_limit() -> None:
    assert violated(request_id="x" * 129) == ["request_id"]


@pytest.mark.parametrize("name", ["", "Family", "1st", "a b", "a" * 64])
def test_a_preset_name_is_plain(name: str) -> None:
    assert violated(presets=[preset("good"), preset(name)]) == ["presets[1].name"]


def test_revisions_start_at_one() -> None:
    assert violated(presets=[preset("p", 0)]) == ["presets[0].revision"]


@pytest.mark.parametrize("field", ["view", "on_unknown_preset"])
def test_an_enum_value_exists(field: str) -> None:
    assert violated(**{field: 99}) == [field]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e7])
def test_a_rule_value_is_finite_and_not_huge(value: float) -> None:
    assert violated(rules=[ADD, add(value=value)]) == ["rules[1].value"]


def test_a_rule_says_what_it_does() -> None:
    assert violated(rules=[rule_pb2.Rule(feature_index=1)]) == ["rules[0].operation"]


def test_a_rule_has_a_target() -> None:
    rule = rule_pb2.Rule(operation=rule_pb2.OPERATION_ADD, value=1)
    assert violated(rules=[rule]) == ["rules[0].target"]


def test_a_negative_index_is_named() -> None:
    assert violated(rules=[add(feature_index=-1)]) == ["rules[0].feature_index"]


def test_every_violation_is_named_at_once() -> None:
    bad = {"k": 0, "view": 9, "presets": [preset("X")], "rules": [add(value=math.nan)]}
    assert violated(**bad) == ["k", "view", "presets[0].name", "rules[0].value"]


CONTEXT: Any = {"surface": "home", "n": 2.5, "tags": ["a", None], "user": {"is_child": True}}


def test_the_context_is_a_plain_mapping() -> None:
    asked = request()
    asked.context.update(CONTEXT)
    assert query_of(asked, "r1").context == CONTEXT


def test_whole_numbers_of_the_context_stay_doubles() -> None:
    asked = request()
    asked.context["n"] = 2
    assert isinstance(query_of(asked, "r1").context["n"], float)


def test_a_context_may_hold_what_json_cannot() -> None:
    asked = request()
    asked.context["n"] = math.inf
    assert query_of(asked, "r1").context == {"n": math.inf}

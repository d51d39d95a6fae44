"""Rules as columns come to the same as rules as objects."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steering.columns import MOST, PlainRules, Target, in_space
from steering.edits import Model, edits
from steering.errors import RuleConflict, RulesRefused, SteeringError
from steering.merge import merged
from steering.plan import Limits, Plan, plan_for, plan_of_columns
from steering.report import statuses
from steering.resolved import no_conditions, resolve_rules
from steering.rules import Attribute, Operation, Rule, Unit, is_plain
from steering.touched import Row
from tests.unit.steering.spaces import COMEDY, D_MODEL, D_SAE, DEAD, HORROR, SPACE, W_DEC

WESTERN = Attribute("genre", "Western")
known = st.one_of(st.integers(0, DEAD), st.sampled_from([HORROR, COMEDY]))
anything = st.one_of(known, st.integers(DEAD, 2**31 - 1), st.just(WESTERN))
values = st.sampled_from([0.0, 1.0, 0.3, 0.7, 2.5, 50.0, 1e6])
limits = st.sampled_from([Limits(), Limits(2.0, 1.5, 1e9), Limits(3.0, 2.0, 0.05)])


def plain(targets: st.SearchStrategy[int | Attribute], most: int) -> st.SearchStrategy[list[Rule]]:
    """So many plain rules of any operation."""
    rule = st.builds(Rule, st.sampled_from(Operation), targets, values, st.sampled_from(Unit))
    return st.lists(rule, max_size=most).filter(lambda own: all(map(is_plain, own)))


def as_columns(rules: list[Rule]) -> PlainRules:
    return PlainRules(
        [rule.operation for rule in rules],
        [target_of(rule) for rule in rules],
        [rule.value for rule in rules],
        [rule.unit for rule in rules],
    )


def target_of(rule: Rule) -> Target:
    own = rule.target
    return (own.name, own.value) if isinstance(own, Attribute) else own


def plan_by_objects(rules: list[Rule], bounds: Limits) -> Plan:
    return plan_for([resolve_rules(rules, SPACE, no_conditions)], {}, bounds)


def plan_by_columns(rules: list[Rule], bounds: Limits) -> Plan:
    columns = in_space(as_columns(rules), SPACE)
    assert columns is not None
    return plan_of_columns(columns, bounds)


def both_ways(rules: list[Rule], bounds: Limits) -> tuple[Plan, Plan] | None:
    """The plan by objects and by columns; None: the rules conflict, both ways alike."""
    try:
        expected = plan_by_objects(rules, bounds)
    except RuleConflict as conflict:
        told = str(conflict)
    else:
        return expected, plan_by_columns(rules, bounds)
    with pytest.raises(RuleConflict) as other:
        plan_by_columns(rules, bounds)
    assert str(other.value) == told
    return None


@given(plain(anything, MOST))
def test_columns_hold_the_rules(rules: list[Rule]) -> None:
    assert list(as_columns(rules)) == rules


@given(plain(anything, MOST))
def test_columns_lack_what_objects_are_refused_for(rules: list[Rule]) -> None:
    try:
        resolve_rules(rules, SPACE, no_conditions)
        is_refused = False
    except RulesRefused:
        is_refused = True
    assert (in_space(as_columns(rules), SPACE) is None) == is_refused


@given(plain(known, MOST))
def test_columns_resolve_as_objects_do(rules: list[Rule]) -> None:
    try:
        expected = resolve_rules(rules, SPACE, no_conditions)
    except SteeringError:
        return
    columns = in_space(as_columns(rules), SPACE)
    assert columns is not None
    for own, other in zip(columns, expected, strict=True):
        assert (own.rule, own.origin, own.condition) == (other.rule, other.origin, None)
        for name in ("indices", "values", "per_unit"):
            assert getattr(own, name).tolist() == getattr(other, name).tolist()


@given(plain(st.one_of(st.integers(0, DEAD - 1), st.sampled_from([HORROR, COMEDY])), MOST), limits)
def test_columns_merge_bit_for_bit_as_objects_do(rules: list[Rule], bounds: Limits) -> None:
    if (plans := both_ways(rules, bounds)) is None:
        return
    expected, own = plans[0].merged, plans[1].merged
    for name in ("features", "factor", "addend", "pin", "floor", "cap"):
        np.testing.assert_array_equal(getattr(own, name), getattr(expected, name))


@given(
    st.lists(plain(st.integers(0, DEAD - 1), 6), min_size=1, max_size=9),
    limits,
    st.integers(1, 2),
    st.integers(0, 2**32 - 1),
)
def test_columns_edit_and_report_as_objects_do(
    many: list[list[Rule]], bounds: Limits, n_positions: int, seed: int
) -> None:
    pairs = [plans for rules in many if (plans := both_ways(rules, bounds)) is not None]
    rng = np.random.default_rng(seed)
    count = n_positions * len(pairs)
    model = Model(
        SPACE,
        np.maximum(rng.normal(0, 2, (count, D_SAE)), 0).astype(np.float32),
        rng.normal(0, 2, (count, D_MODEL)).astype(np.float32),
        W_DEC,
    )
    ends = [range(i, i + n_positions) for i in range(0, count, n_positions)]
    by_objects, by_columns = (
        edits([Row(p[way], own.start, own.stop) for p, own in zip(pairs, ends, strict=True)], model)
        for way in (0, 1)
    )
    for expected, own in zip(by_objects, by_columns, strict=True):
        assert own.reports == expected.reports
        assert statuses(own.reports) == [report.status for report in expected.reports]
        for name in ("features", "before", "after", "shift"):
            np.testing.assert_array_equal(getattr(own, name), getattr(expected, name))
        assert own.norm_share == expected.norm_share


@given(
    st.lists(
        st.builds(
            Rule,
            st.sampled_from([Operation.SCALE, Operation.ADD, Operation.FLOOR]),
            st.one_of(st.integers(0, DEAD - 1), st.sampled_from([HORROR, COMEDY])),
            values,
        ),
        max_size=3 * MOST,
    ),
    st.lists(st.builds(Rule, st.just(Operation.SET), st.integers(0, 3), values), max_size=1),
)
def test_any_number_of_rules_merge_as_one_by_one(rules: list[Rule], sets: list[Rule]) -> None:
    rules = rules + sets
    resolved = resolve_rules(rules, SPACE, no_conditions)
    try:
        own = merged(resolved)
    except RuleConflict:
        return
    said: dict[int, dict[Operation, list[float]]] = {}
    for rule in resolved:
        for index, value in zip(rule.indices.tolist(), rule.values.tolist(), strict=True):
            said.setdefault(index, {}).setdefault(rule.rule.operation, []).append(value)
    assert own.features.tolist() == sorted(said)
    for place, index in enumerate(sorted(said)):
        by = said[index]
        assert own.factor[place] == math.prod(sorted(by.get(Operation.SCALE, [])))
        assert own.addend[place] == math.fsum(by.get(Operation.ADD, []))
        np.testing.assert_equal(own.pin[place], by.get(Operation.SET, [math.nan])[-1])
        assert own.floor[place] == max(by.get(Operation.FLOOR, [-math.inf]))
        assert own.cap[place] == min(by.get(Operation.CAP, [math.inf]))

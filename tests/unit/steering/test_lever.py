"""The edit as a function of strengths, against the edit itself."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steering.edit import edit
from steering.lever import Lever, Pull
from steering.plan import NO_RULES, Limits, Plan, plan_for
from steering.reasons import is_separable, own_shift, shift_without
from steering.resolved import no_conditions, resolve_rules
from steering.rules import Attribute, Operation, Rule
from steering.space import Floats
from tests.unit.steering.spaces import (
    COMEDY,
    D_MODEL,
    D_SAE,
    HORROR,
    REFERENCE,
    SPACE,
    UNLIMITED,
    W_DEC,
    rules_without_conflict,
)

_rng = np.random.default_rng(3)
HIDDEN: Floats = _rng.standard_normal((2, D_MODEL)).astype(np.float32)
ACTIVATIONS: Floats = np.maximum(_rng.standard_normal((2, D_SAE)), 0).astype(np.float32)
TIGHT = Limits(max_factor=3, max_activation=2, max_shift_share=0.5)


def pull_of(attribute: Attribute) -> Pull:
    group = SPACE.groups[attribute]
    reference = REFERENCE[group.indices]
    return Pull(group.indices, group.weights * reference, 1 / reference)


def plan_of(*rules: Rule, limits: Limits = UNLIMITED) -> Plan:
    resolved = resolve_rules(rules, SPACE, no_conditions)
    return plan_for([resolved], {}, limits)


def lever_of(plan: Plan, *attributes: Attribute) -> Lever:
    pulls = [pull_of(attribute) for attribute in attributes]
    return Lever(plan, SPACE, pulls, ACTIVATIONS, HIDDEN, W_DEC)


def bare(limits: Limits) -> Plan:
    return Plan((), {}, NO_RULES.merged, limits)


@settings(deadline=None)
@given(rules_without_conflict, st.floats(-8, 8), st.sampled_from([UNLIMITED, TIGHT]))
def test_a_pull_is_an_add_on_top_of_the_plan(
    rules: list[Rule], strength: float, limits: Limits
) -> None:
    lever = lever_of(plan_of(*rules, limits=limits) if rules else bare(limits), HORROR)
    expected = plan_of(*rules, Rule(Operation.ADD, HORROR, strength), limits=limits)
    whole = edit(expected, SPACE, ACTIVATIONS, HIDDEN, W_DEC)
    shift = lever.shifts(np.array([[strength]])).shift[0]
    np.testing.assert_allclose(shift, whole.shift, rtol=1e-3, atol=1e-3)


def test_many_strengths_at_once_are_each_alone() -> None:
    lever = lever_of(plan_of(Rule(Operation.SCALE, 2, 2.0)), HORROR, COMEDY)
    strengths = _rng.uniform(-3, 3, size=(7, 2))
    together = lever.shifts(strengths).shift
    alone = [lever.shifts(own[np.newaxis]).shift[0] for own in strengths]
    np.testing.assert_allclose(together, np.stack(alone), rtol=1e-5, atol=1e-5)


def test_strength_0_without_rules_shifts_nothing_bit_for_bit() -> None:
    assert not lever_of(bare(UNLIMITED), HORROR).shifts(np.zeros((1, 1))).shift.any()


def test_beyond_the_largest_strength_the_shift_limit_leaves_nothing_to_gain() -> None:
    lever = lever_of(bare(Limits(max_activation=1e9, max_shift_share=0.5)), HORROR)
    (largest,) = lever.largest().strengths.tolist()
    at, beyond = lever.shifts(np.array([[largest], [3 * largest]])).shift
    np.testing.assert_allclose(at, beyond, rtol=1e-4, atol=1e-5)


def test_beyond_the_largest_strength_the_activation_limit_leaves_nothing_to_gain() -> None:
    lever = lever_of(bare(Limits(max_activation=2, max_shift_share=1e9)), HORROR)
    (largest,) = lever.largest().strengths.tolist()
    at, beyond = lever.shifts(np.array([[largest], [3 * largest]])).shift
    np.testing.assert_allclose(at, beyond, rtol=1e-4, atol=1e-5)


def test_a_cut_shift_says_so() -> None:
    lever = lever_of(bare(Limits(max_activation=1e9, max_shift_share=0.1)), HORROR)
    assert lever.shifts(np.array([[0.0], [50.0]])).is_clipped.tolist() == [False, True]


def test_a_stronger_pull_shifts_further() -> None:
    lever = lever_of(bare(UNLIMITED), HORROR)
    lengths = np.linalg.norm(lever.shifts(np.array([[1.0], [2.0], [3.0]])).shift[:, -1], axis=1)
    assert all(near < far for near, far in pairwise(lengths.tolist()))


def test_separable_rules_sum_to_the_shift() -> None:
    plan = plan_of(
        Rule(Operation.SCALE, 2, 3.0),
        Rule(Operation.ADD, HORROR, 1.5),
        Rule(Operation.ADD, COMEDY, -0.5),
        Rule(Operation.SET, 8, 2.0),
    )
    whole = edit(plan, SPACE, ACTIVATIONS, HIDDEN, W_DEC)
    assert is_separable(plan, whole)
    parts = [own_shift(rule, whole, W_DEC) for rule in plan.rules]
    np.testing.assert_allclose(np.sum(parts, axis=0), whole.shift[-1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "rules",
    [
        [Rule(Operation.SCALE, 2, 3.0), Rule(Operation.SCALE, 2, 2.0)],
        [Rule(Operation.ADD, 2, 3.0), Rule(Operation.CAP, 2, 2.0)],
        [Rule(Operation.SET, 2, 3.0), Rule(Operation.ADD, HORROR, 2.0)],
    ],
    ids=["two scales", "an add under a cap", "a set over an add"],
)
def test_rules_that_meet_in_a_feature_are_not_separable(rules: list[Rule]) -> None:
    plan = plan_of(*rules)
    assert not is_separable(plan, edit(plan, SPACE, ACTIVATIONS, HIDDEN, W_DEC))


def test_rules_that_a_limit_cuts_are_not_separable() -> None:
    plan = plan_of(Rule(Operation.ADD, HORROR, 50.0), limits=TIGHT)
    assert not is_separable(plan, edit(plan, SPACE, ACTIVATIONS, HIDDEN, W_DEC))


def test_the_shift_without_a_rule_is_that_of_the_others() -> None:
    one, other = Rule(Operation.ADD, HORROR, 2.0), Rule(Operation.FLOOR, 7, 3.0)
    left = shift_without(plan_of(one, other), 1, SPACE, ACTIVATIONS, HIDDEN, W_DEC)
    alone = edit(plan_of(one), SPACE, ACTIVATIONS, HIDDEN, W_DEC).shift
    np.testing.assert_allclose(left, alone, rtol=1e-5, atol=1e-5)

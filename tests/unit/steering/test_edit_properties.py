"""What holds of every edit, whatever the rules."""

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from steering.edit import edit
from steering.plan import NO_RULES, Limits
from steering.rules import Operation, Rule, Unit
from steering.space import Floats
from tests.unit.steering.spaces import (
    D_SAE,
    REFERENCE,
    SPACE,
    W_DEC,
    activations,
    hiddens,
    plan,
    rule_of,
    rules_without_conflict,
)


@given(activations, hiddens)
def test_no_rule_leaves_the_hidden_state_bit_for_bit(a: Floats, h: Floats) -> None:
    assert edit(NO_RULES, SPACE, a, h, W_DEC).is_identity


@given(activations, hiddens, st.integers(0, D_SAE - 1))
def test_scale_1_is_as_absent(a: Floats, h: Floats, index: int) -> None:
    done = edit(plan(Rule(Operation.SCALE, index, 1.0), limits=Limits()), SPACE, a, h, W_DEC)
    assert done.is_identity


@given(activations, hiddens, st.integers(0, D_SAE - 2))
def test_add_0_is_as_absent(a: Floats, h: Floats, index: int) -> None:
    done = edit(plan(Rule(Operation.ADD, index, 0.0), limits=Limits()), SPACE, a, h, W_DEC)
    assert done.is_identity


@given(activations, hiddens, rules_without_conflict, st.randoms(use_true_random=False))
def test_the_order_of_scales_and_adds_does_not_matter(
    a: Floats, h: Floats, rules: list[Rule], shuffler: random.Random
) -> None:
    shuffled = rules.copy()
    shuffler.shuffle(shuffled)
    one, other = (edit(plan(*r), SPACE, a, h, W_DEC).shift for r in (rules, shuffled))
    np.testing.assert_array_equal(one, other)


@given(activations, hiddens, rules_without_conflict, st.integers(0, D_SAE - 2), st.floats(0, 9))
def test_a_cap_is_never_exceeded(
    a: Floats, h: Floats, rules: list[Rule], index: int, cap: float
) -> None:
    done = edit(plan(*rules, Rule(Operation.CAP, index, cap, Unit.RAW)), SPACE, a, h, W_DEC)
    assert (done.after[:, done.features == index] <= cap).all()


@given(activations, hiddens, rules_without_conflict, st.integers(0, D_SAE - 2), st.floats(0, 9))
def test_a_floor_is_always_reached(
    a: Floats, h: Floats, rules: list[Rule], index: int, floor: float
) -> None:
    done = edit(plan(*rules, Rule(Operation.FLOOR, index, floor, Unit.RAW)), SPACE, a, h, W_DEC)
    assert (done.after[:, done.features == index] >= floor).all()


@given(activations, hiddens, st.lists(rule_of(Operation.ADD), min_size=1, max_size=4))
def test_the_shift_is_the_difference_of_the_decodes(
    a: Floats, h: Floats, rules: list[Rule]
) -> None:
    done = edit(plan(*rules), SPACE, a, h, W_DEC)
    edited = a.astype(np.float64)
    edited[:, done.features] = done.after
    np.testing.assert_allclose(done.shift, edited @ W_DEC - a @ W_DEC, rtol=1e-4, atol=1e-3)


@given(activations, hiddens, rules_without_conflict, st.floats(0.01, 1))
def test_the_shift_stays_inside_its_share_of_the_hidden_state(
    a: Floats, h: Floats, rules: list[Rule], share: float
) -> None:
    limits = Limits(max_factor=1e9, max_activation=1e9, max_shift_share=share)
    done = edit(plan(*rules, limits=limits), SPACE, a, h, W_DEC)
    assert np.linalg.norm(done.shift) <= share * np.linalg.norm(h) * (1 + 1e-4) + 1e-6


@given(activations, hiddens, rules_without_conflict, st.floats(0.1, 3))
def test_an_edited_activation_stays_inside_its_limit_or_where_it_was(
    a: Floats, h: Floats, rules: list[Rule], largest: float
) -> None:
    limits = Limits(max_factor=1e9, max_activation=largest, max_shift_share=1e9)
    done = edit(plan(*rules, limits=limits), SPACE, a, h, W_DEC)
    bound = np.maximum(largest * REFERENCE[done.features], np.abs(done.before))
    assert (np.abs(done.after) <= bound + 1e-6).all()


@given(activations, hiddens, rules_without_conflict)
def test_nothing_that_was_handed_in_is_written_to(a: Floats, h: Floats, rules: list[Rule]) -> None:
    for array in (a, h):
        array.flags.writeable = False
    before = W_DEC.copy()
    edit(plan(*rules), SPACE, a, h, W_DEC)
    np.testing.assert_array_equal(W_DEC, before)


@given(st.lists(activations, min_size=2, max_size=4), rules_without_conflict)
def test_each_position_is_edited_as_if_it_were_alone(rows: list[Floats], rules: list[Rule]) -> None:
    a = np.concatenate(rows)
    h = np.ones((len(rows), W_DEC.shape[1]), dtype=np.float32)
    together = edit(plan(*rules), SPACE, a, h, W_DEC).shift
    alone = [edit(plan(*rules), SPACE, row, h[:1], W_DEC).shift for row in rows]
    np.testing.assert_allclose(together, np.concatenate(alone), rtol=1e-4, atol=1e-3)

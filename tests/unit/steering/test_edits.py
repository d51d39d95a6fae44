"""A batch of edits is the edits one by one."""

from itertools import cycle

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from steering.edit import Edit, edit
from steering.edits import Model, edits
from steering.errors import RuleConflict
from steering.few import MOST, few_edited
from steering.plan import NO_RULES, Limits, Plan, plan_for
from steering.rules import ActivationRange, Operation, Rule, Unit
from steering.touched import Row
from tests.unit.steering.spaces import (
    D_MODEL,
    D_SAE,
    SPACE,
    UNLIMITED,
    W_DEC,
    layer,
    plan,
    rule_of,
)

limits = st.sampled_from([UNLIMITED, Limits(), Limits(2.0, 1.5, 1e9), Limits(3.0, 2.0, 0.05)])
rules = st.lists(st.sampled_from(Operation).flatmap(rule_of), max_size=5)
positions = st.integers(1, 3)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Two layers of any rules; the second's condition may fail."""
    why = draw(st.sampled_from(["", "another country"]))
    bounds = draw(st.sampled_from([None, ActivationRange(0.5, 2.0)]))
    preset = [Rule(o.operation, o.target, o.value, o.unit, condition="c") for o in draw(rules)]
    inline = draw(rules)
    if inline and bounds:
        first = inline[0]
        inline[0] = Rule(
            first.operation, first.target, first.value, first.unit, when_activation=bounds
        )
    layers = [layer(*preset, preset="p", condition=lambda _: why), layer(*inline)]
    try:
        return plan_for(layers, {}, draw(limits))
    except RuleConflict:
        return plan_for([layer(Rule(Operation.ADD, 1, 1.0))], {}, draw(limits))


@st.composite
def batches(draw: st.DrawFn, counts: st.SearchStrategy[int]) -> tuple[list[Row], Model]:
    """Rows of as many positions as drawn."""
    rows, start = [], 0
    touched = 0
    for own in cycle(draw(st.lists(plans(), min_size=1, max_size=5))):
        rows.append(Row(own, start, start + draw(counts)))
        start, touched = rows[-1].end, touched + len(own.merged.features)
        # few rows go another way
        if touched > MOST or len(rows) > MOST:
            break
    seed = draw(st.integers(0, 2**32 - 1))
    return rows, model(start, seed)


def model(n_positions: int, seed: int = 0) -> Model:
    """About half of the activations are 0."""
    rng = np.random.default_rng(seed)
    activations = np.maximum(rng.normal(0, 2, (n_positions, D_SAE)), 0).astype(np.float32)
    hidden = rng.normal(0, 2, (n_positions, D_MODEL)).astype(np.float32)
    return Model(SPACE, activations, hidden, W_DEC)


def alone(row: Row, given: Model) -> Edit:
    own = slice(row.start, row.end)
    return edit(row.plan, SPACE, given.activations[own], given.hidden[own], W_DEC)


def assert_same(one: Edit, other: Edit) -> None:
    assert one.features.tolist() == other.features.tolist()
    assert (one.is_identity, one.is_shift_clipped) == (other.is_identity, other.is_shift_clipped)
    for name in ("before", "after", "shift"):
        ours, theirs = getattr(one, name), getattr(other, name)
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(one.norm_share, other.norm_share, rtol=1e-4, atol=1e-6)
    assert [(r.rule, r.origin, r.status, r.message) for r in one.reports] == [
        (r.rule, r.origin, r.status, r.message) for r in other.reports
    ]
    for ours, theirs in zip(one.reports, other.reports, strict=True):
        pair = (theirs.activation_before, theirs.activation_after)
        np.testing.assert_allclose(
            (ours.activation_before, ours.activation_after), pair, rtol=1e-5, atol=1e-5
        )


@given(batches(st.just(1)))
def test_edits_of_the_newest_positions_are_those_one_by_one(given: tuple[list[Row], Model]) -> None:
    rows, model = given
    for row, own in zip(rows, edits(rows, model), strict=True):
        assert_same(own, alone(row, model))


@given(batches(positions))
def test_edits_of_all_positions_are_those_one_by_one(given: tuple[list[Row], Model]) -> None:
    rows, model = given
    for row, own in zip(rows, edits(rows, model), strict=True):
        assert_same(own, alone(row, model))


@given(plans(), st.integers(0, 2**32 - 1))
def test_the_edit_by_few_rules_is_the_edit(own: Plan, seed: int) -> None:
    given_model = model(1, seed)
    if not own.has_ranges:
        done = few_edited(own, *given_model.of(Row(own, 0, 1)))
        assert_same(done, alone(Row(own, 0, 1), given_model))


@given(batches(positions))
def test_nothing_that_was_handed_in_is_written_to(given: tuple[list[Row], Model]) -> None:
    rows, model = given
    for array in (model.activations, model.hidden):
        array.flags.writeable = False
    before = W_DEC.copy()
    edits(rows, model)
    np.testing.assert_array_equal(W_DEC, before)


def test_a_row_without_rules_is_the_identity_beside_one_that_moves() -> None:
    moves = plan(Rule(Operation.ADD, 3, 1.0, Unit.RAW))
    calm, moved = edits([Row(NO_RULES, 0, 1), Row(moves, 1, 2)], model(2))
    assert (calm.is_identity, moved.is_identity) == (True, False)


def test_a_long_shift_clips_its_own_row_only() -> None:
    strict = Limits(1e9, 1e9, 0.1)
    long, short = (plan(Rule(Operation.ADD, 3, v, Unit.RAW), limits=strict) for v in (99.0, 1e-4))
    done = edits([Row(long, 0, 1), Row(short, 1, 2)], model(2))
    assert [own.is_shift_clipped for own in done] == [True, False]

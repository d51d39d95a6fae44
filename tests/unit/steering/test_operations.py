"""Each operation, unit, status and limit on one small example."""

import numpy as np
import pytest

from steering.edit import Edit, edit
from steering.plan import Limits, Plan, plan_for
from steering.report import RuleStatus
from steering.rules import ActivationRange, Operation, Rule, Unit
from steering.space import Floats
from tests.unit.steering.spaces import (
    D_MODEL,
    D_SAE,
    DEAD,
    HORROR,
    REFERENCE,
    SPACE,
    UNLIMITED,
    W_DEC,
    layer,
    plan,
)

ADD, SCALE, SET, FLOOR, CAP = (
    Operation.ADD,
    Operation.SCALE,
    Operation.SET,
    Operation.FLOOR,
    Operation.CAP,
)
RAW = Unit.RAW
ACTIVE, SILENT = 2, 3
"""Feature 2 has activation 1.5; feature 3 has none."""


def row() -> Floats:
    activations = np.zeros((1, D_SAE), dtype=np.float32)
    activations[0, ACTIVE] = 1.5
    return activations


def edited(*rules: Rule, limits: Limits = UNLIMITED) -> Edit:
    return done(plan(*rules, limits=limits))


def done(of: Plan) -> Edit:
    return edit(of, SPACE, row(), np.ones((1, D_MODEL), dtype=np.float32), W_DEC)


def after(of: Edit, index: int) -> float:
    return float(of.after[0, of.features == index][0])


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule(SCALE, ACTIVE, 2), 3.0),
        (Rule(SCALE, ACTIVE, 0), 0.0),
        (Rule(ADD, ACTIVE, 1, RAW), 2.5),
        (Rule(ADD, ACTIVE, -4, RAW), -2.5),
        (Rule(ADD, ACTIVE, 1), 1.5 + REFERENCE[ACTIVE]),
        (Rule(SET, ACTIVE, 0.5, RAW), 0.5),
        (Rule(FLOOR, ACTIVE, 4, RAW), 4.0),
        (Rule(FLOOR, ACTIVE, 1, RAW), 1.5),
        (Rule(CAP, ACTIVE, 1, RAW), 1.0),
        (Rule(CAP, ACTIVE, 4, RAW), 1.5),
    ],
)
def test_an_operation_gives(rule: Rule, expected: float) -> None:
    assert after(edited(rule), ACTIVE) == pytest.approx(expected)


def test_the_order_is_scale_add_set_floor_cap() -> None:
    rules = (Rule(CAP, ACTIVE, 3, RAW), Rule(ADD, ACTIVE, 1, RAW), Rule(SCALE, ACTIVE, 2))
    assert after(edited(*rules), ACTIVE) == 3.0  # 1.5 x 2 + 1 = 4, capped


def test_add_spreads_over_a_group_by_weight_and_reference() -> None:
    out = edited(Rule(ADD, HORROR, 2))
    delta = dict(zip(out.features.tolist(), (out.after - out.before)[0], strict=True))
    expected = {2: 2 * 0.5, 5: 2 * 0.3, 7: 2 * 0.2}
    assert delta == pytest.approx({i: v * REFERENCE[i] for i, v in expected.items()})


def test_scale_acts_on_every_feature_of_a_group_alike() -> None:
    assert after(edited(Rule(SCALE, HORROR, 3)), ACTIVE) == pytest.approx(4.5)


@pytest.mark.parametrize("operation", [SET, ADD])
def test_a_groups_activation_is_reported_as_the_sum_over_its_features(
    operation: Operation,
) -> None:
    report = edited(Rule(operation, HORROR, 2)).reports[0]
    start = report.activation_before if operation is ADD else 0
    assert report.activation_after == pytest.approx(start + 2)


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        (Rule(SCALE, ACTIVE, 2), RuleStatus.APPLIED),
        (Rule(SCALE, SILENT, 2), RuleStatus.INACTIVE),
        (Rule(ADD, SILENT, 1), RuleStatus.APPLIED),
        (Rule(FLOOR, ACTIVE, 1, RAW), RuleStatus.INACTIVE),
        (Rule(CAP, ACTIVE, 2, RAW), RuleStatus.INACTIVE),
        (Rule(SET, ACTIVE, 1.5, RAW), RuleStatus.INACTIVE),
        (Rule(ADD, DEAD, 1, RAW), RuleStatus.APPLIED),
    ],
)
def test_a_rule_is_reported(rule: Rule, status: RuleStatus) -> None:
    assert edited(rule).reports[0].status is status


def test_a_later_layers_set_wins() -> None:
    of = plan_for(
        [layer(Rule(SET, ACTIVE, 1, RAW), preset="a"), layer(Rule(SET, ACTIVE, 2, RAW))],
        {},
        UNLIMITED,
    )
    assert after(done(of), ACTIVE) == 2.0


def test_the_set_that_lost_is_reported_overridden() -> None:
    of = plan_for(
        [layer(Rule(SET, ACTIVE, 1, RAW), preset="a"), layer(Rule(SET, ACTIVE, 2, RAW))],
        {},
        UNLIMITED,
    )
    assert done(of).reports[0].status is RuleStatus.OVERRIDDEN


def test_an_add_under_a_set_is_reported_overridden() -> None:
    out = edited(Rule(ADD, ACTIVE, 1), Rule(SET, ACTIVE, 2, RAW))
    assert out.reports[0].status is RuleStatus.OVERRIDDEN


def test_an_activation_beyond_its_limit_is_reported_clipped() -> None:
    out = edited(Rule(ADD, ACTIVE, 50), limits=Limits(max_activation=2, max_shift_share=1e9))
    assert out.reports[0].status is RuleStatus.CLIPPED
    assert after(out, ACTIVE) == pytest.approx(2 * REFERENCE[ACTIVE])


def test_a_factor_beyond_its_limit_is_reported_clipped() -> None:
    limits = Limits(max_factor=2, max_activation=1e9, max_shift_share=1e9)
    out = edited(Rule(SCALE, ACTIVE, 5), limits=limits)
    assert (out.reports[0].status, after(out, ACTIVE)) == (RuleStatus.CLIPPED, 3.0)


def test_a_shift_beyond_its_limit_is_reported_clipped() -> None:
    out = edited(Rule(ADD, ACTIVE, 50), limits=Limits(max_activation=1e9, max_shift_share=0.5))
    assert out.reports[0].status is RuleStatus.CLIPPED
    assert out.norm_share == pytest.approx(0.5)


def test_the_report_gives_the_activation_that_the_clipped_shift_amounts_to() -> None:
    out = edited(Rule(ADD, ACTIVE, 50), limits=Limits(max_activation=1e9, max_shift_share=0.5))
    raw = out.reports[0].activation_after * REFERENCE[ACTIVE]
    np.testing.assert_allclose((raw - 1.5) * W_DEC[ACTIVE], out.shift[0], rtol=1e-4)


def test_a_rule_outside_its_activation_range_does_not_act() -> None:
    rule = Rule(ADD, ACTIVE, 1, RAW, when_activation=ActivationRange(min=2))
    out = edited(rule)
    assert (out.is_identity, out.reports[0].status) == (True, RuleStatus.CONDITION_FALSE)


def test_a_rule_inside_its_activation_range_acts() -> None:
    rule = Rule(ADD, ACTIVE, 1, RAW, when_activation=ActivationRange(min=1, max=2))
    assert after(edited(rule), ACTIVE) == 2.5


def test_a_rule_whose_condition_does_not_hold_says_why() -> None:
    rule = Rule(ADD, ACTIVE, 1, condition="x")
    of = plan_for([layer(rule, condition=lambda _: "surface is search")], {}, UNLIMITED)
    report = done(of).reports[0]
    assert (report.status, report.message) == (RuleStatus.CONDITION_FALSE, "surface is search")


def test_a_condition_sees_the_context() -> None:
    rule = Rule(ADD, ACTIVE, 1, RAW, condition="x")
    seen = layer(rule, condition=lambda context: "" if context["a"] == 1 else "no")
    assert after(done(plan_for([seen], {"a": 1}, UNLIMITED)), ACTIVE) == 2.5

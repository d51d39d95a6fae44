"""A small feature space, and hypothesis strategies for rules in it."""

import numpy as np
from hypothesis import strategies as st

from steering.plan import Limits, Plan, plan_for
from steering.resolved import Condition, ResolvedRule, no_conditions, resolve_rules
from steering.rules import Attribute, Operation, Rule, Unit
from steering.space import FeatureSpace, Floats, Group

D_SAE, D_MODEL = 12, 5
HORROR, COMEDY = Attribute("genre", "Horror"), Attribute("genre", "Comedy")
DEAD = 11
UNLIMITED = Limits(max_factor=1e9, max_activation=1e9, max_shift_share=1e9)

_rng = np.random.default_rng(7)
W_DEC: Floats = _rng.standard_normal((D_SAE, D_MODEL)).astype(np.float32)
REFERENCE = np.append(_rng.uniform(0.5, 4, D_SAE - 1), 0.0)
SPACE = FeatureSpace(
    reference=REFERENCE,
    groups={
        HORROR: Group(np.array([2, 5, 7]), np.array([0.5, 0.3, 0.2])),
        COMEDY: Group(np.array([1, 5]), np.array([0.75, 0.25])),
    },
)

finite = st.floats(-50, 50, allow_nan=False, width=32)
targets = st.one_of(st.integers(0, D_SAE - 2), st.sampled_from([HORROR, COMEDY]))
units = st.sampled_from(Unit)


def rule_of(operation: Operation) -> st.SearchStrategy[Rule]:
    """Sound rules of one operation."""
    values = st.floats(0, 50, width=32) if operation is Operation.SCALE else finite
    return st.builds(Rule, st.just(operation), targets, values, units)


rules_without_conflict = st.lists(
    st.sampled_from([Operation.SCALE, Operation.ADD]).flatmap(rule_of), max_size=6
)
activations = st.lists(
    st.one_of(st.just(0.0), st.floats(0, 8, width=32)), min_size=D_SAE, max_size=D_SAE
).map(lambda values: np.array([values], dtype=np.float32))
hiddens = st.lists(st.floats(0.5, 3, width=32), min_size=D_MODEL, max_size=D_MODEL).map(
    lambda values: np.array([values], dtype=np.float32)
)


def layer(
    *rules: Rule, preset: str = "", condition: Condition | None = None
) -> tuple[ResolvedRule, ...]:
    """The rules resolved as one layer; every expression compiles to `condition`."""
    compiler = no_conditions if condition is None else (lambda _: condition)
    return resolve_rules(rules, SPACE, compiler, preset=preset, revision=1 if preset else 0)


def plan(*rules: Rule, limits: Limits = UNLIMITED) -> Plan:
    """A plan of inline rules."""
    return plan_for([layer(*rules)], {}, limits)

"""The plain rules of a request as columns: one list for each of their fields, no object per rule.

Most requests have a few rules without conditions or ranges. As columns they go from the wire to the
edit; who wants a rule itself gets it made. What columns cannot say goes the way of objects, and
both ways come to the same (tests/unit/steering/test_columns.py).
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from steering.lazy import Lazy
from steering.resolved import ResolvedRule, origin_of
from steering.rules import Attribute, Operation, Rule, Unit
from steering.space import FeatureSpace, Indices, InUnit, Tables

SCALE, IN_REFERENCE = Operation.SCALE, Unit.REFERENCE
MOST = 16
"""Rules up to which lists are faster than arrays."""

Target: TypeAlias = int | tuple[str, str]
"""A feature index, or name and value of an attribute."""


class PlainRules(Lazy[Rule]):
    """Rules of which one look shows that nothing is wrong (`steering.rules.is_plain`)."""

    __slots__ = ("operations", "targets", "units", "values")

    def __init__(
        self,
        operations: Sequence[Operation],
        targets: Sequence[Target],
        values: Sequence[float],
        units: Sequence[Unit],
    ) -> None:
        """All of one length."""
        self.operations = operations
        self.targets = targets
        self.values = values
        self.units = units

    def __len__(self) -> int:
        return len(self.operations)

    def _made(self, place: int) -> Rule:
        target = self.targets[place]
        return Rule(
            self.operations[place],
            target if isinstance(target, int) else Attribute(*target),
            self.values[place],
            self.units[place],
        )


class Pairs(NamedTuple):
    """Every rule with every feature of its, rule by rule."""

    counts: list[int]
    """[rules] features of each."""
    indices: Indices
    """[pairs] feature indices."""
    values: NDArray[np.float64]
    """[pairs] factors for SCALE, else raw activations."""
    per_unit: NDArray[np.float64]
    """[pairs] units of the rule that one raw activation is."""


class ResolvedColumns(Lazy[ResolvedRule]):
    """Plain inline rules in one feature space."""

    __slots__ = ("pairs", "rules")

    def __init__(self, rules: PlainRules, pairs: Pairs) -> None:
        """The pairs of these rules."""
        self.rules = rules
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.rules)

    def _made(self, place: int) -> ResolvedRule:
        counts, indices, values, per_unit = self.pairs
        start = sum(counts[:place])
        own = slice(start, start + counts[place])
        return ResolvedRule(
            self.rules[place],
            origin_of("", 0, place),
            indices[own],
            values[own],
            per_unit[own],
            None,
        )


def in_space(rules: PlainRules, space: FeatureSpace) -> ResolvedColumns | None:
    """The rules in a feature space; None: it lacks what one of them needs."""
    pairs = _pairs_of_features(rules, space.tables)
    if pairs is None:
        pairs = _pairs_of_groups(rules, space.tables)
    return None if pairs is None else ResolvedColumns(rules, pairs)


def _pairs_of_features(rules: PlainRules, tables: Tables) -> Pairs | None:
    """None: a rule is on an attribute, or the space lacks what it needs."""
    values: list[float] = []
    units: list[float] = []
    for operation, target, value, unit in zip(
        rules.operations, rules.targets, rules.values, rules.units, strict=True
    ):
        if not isinstance(target, int):
            return None
        own = tables.single(target, in_reference=unit is IN_REFERENCE)
        if own is None or (own[1] == 0 and operation is not SCALE):
            return None
        values.append(value if operation is SCALE else value * own[0])
        units.append(own[1])
    indices = np.array(rules.targets, dtype=np.int64)
    return Pairs([1] * len(units), indices, np.array(values), np.array(units))


def _pairs_of_groups(rules: PlainRules, tables: Tables) -> Pairs | None:
    """A single feature is a group of one; None: the space lacks what a rule needs."""
    groups: list[InUnit] = []
    steps: list[NDArray[np.float64]] = []
    for operation, target, unit in zip(rules.operations, rules.targets, rules.units, strict=True):
        group = _group(operation, target, tables, in_reference=unit is IN_REFERENCE)
        if group is None:
            return None
        groups.append(group)
        steps.append(np.ones(len(group.step)) if operation is SCALE else group.step)
    counts = [len(step) for step in steps]
    return Pairs(
        counts,
        np.concatenate([group.indices for group in groups]),
        np.concatenate(steps) * np.array(rules.values).repeat(counts),
        np.concatenate([group.per_unit for group in groups]),
    )


def _group(
    operation: Operation, target: Target, tables: Tables, *, in_reference: bool
) -> InUnit | None:
    """The features that a rule acts on; None: the space lacks what it needs."""
    if not isinstance(target, int):
        groups = tables.groups.get(target)
        return groups[in_reference] if groups else None
    own = tables.single(target, in_reference=in_reference)
    if own is None or (own[1] == 0 and operation is not SCALE):
        return None
    return tables.every[in_reference].single(target)


def operations_of(rules: Sequence[ResolvedRule]) -> Sequence[Operation]:
    """What each of the rules does."""
    if isinstance(rules, ResolvedColumns):
        return rules.rules.operations
    return [rule.rule.operation for rule in rules]

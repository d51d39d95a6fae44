"""The plain rules of a request as columns: one list for each of their fields, no object per rule.

Most requests have a few rules without conditions or ranges. As columns they go from the wire to the
edit; who wants a rule itself gets it made. What columns cannot say goes the way of objects, and
both ways come to the same (tests/unit/steering/test_columns.py).
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from steering.lazy import Lazy
from steering.resolved import ResolvedRule, origin_of
from steering.rules import Attribute, Operation, Rule, Unit
from steering.space import FeatureSpace

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
    indices: list[int]
    """[pairs] feature indices."""
    values: list[float]
    """[pairs] factors for SCALE, else raw activations."""
    per_unit: list[float]
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
            np.array(indices[own], dtype=np.int64),
            np.array(values[own], dtype=np.float64),
            np.array(per_unit[own], dtype=np.float64),
            None,
        )


def in_space(rules: PlainRules, space: FeatureSpace) -> ResolvedColumns | None:
    """The rules in a feature space; None: it lacks what one of them needs."""
    pairs = Pairs([], [], [], [])
    counts, indices, values, per_unit = pairs
    tables = space.tables
    for operation, target, value, unit in zip(
        rules.operations, rules.targets, rules.values, rules.units, strict=True
    ):
        in_reference = unit is Unit.REFERENCE
        if isinstance(target, int):
            own = tables.single(target, in_reference=in_reference)
            if own is None or (own[1] == 0 and operation is not Operation.SCALE):
                return None
            counts.append(1)
            indices.append(target)
            values.append(value if operation is Operation.SCALE else value * own[0])
            per_unit.append(own[1])
            continue
        group = tables.groups.get(target)
        if group is None:
            return None
        named, steps, units = group[in_reference]
        counts.append(len(named))
        indices += named
        values += (
            [value] * len(named)
            if operation is Operation.SCALE
            else [value * step for step in steps]
        )
        per_unit += units
    return ResolvedColumns(rules, pairs)


def operations_of(rules: Sequence[ResolvedRule]) -> Sequence[Operation]:
    """What each of the rules does."""
    if isinstance(rules, ResolvedColumns):
        return rules.rules.operations
    return [rule.rule.operation for rule in rules]

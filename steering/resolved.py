"""Rules resolved against a feature space: targets as feature indices, values in raw units."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from steering.errors import ConditionRefused, InvalidRule, RuleFault, RulesRefused
from steering.rules import Operation, Rule, faults_of, is_plain
from steering.space import FeatureSpace, Indices

Context = Mapping[str, object]
Condition = Callable[[Context], str]
"""Why a condition does not hold in a context; empty: it holds."""


def no_conditions(source: str) -> Condition:
    """A condition compiler for rules that have none."""
    raise ConditionRefused(f"conditions are not available here: {source!r}")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a rule came from."""

    preset: str = ""
    """Name of its preset; empty for an inline rule."""
    revision: int = 0
    """Revision of that preset; 0 for an inline rule."""
    index: int = 0
    """Position among the rules of its source."""

    def __str__(self) -> str:
        where = f"preset {self.preset} revision {self.revision} " if self.preset else ""
        return f"{where}rules[{self.index}]"


@dataclass(frozen=True, eq=False, slots=True)
class ResolvedRule:
    """One rule in one feature space."""

    rule: Rule
    origin: Origin
    indices: Indices
    """[n] feature indices it acts on."""
    values: NDArray[np.float64]
    """[n] factors for SCALE, else raw activations."""
    per_unit: NDArray[np.float64]
    """[n] turns raw activations into the rule's unit, by a dot product."""
    condition: Condition | None
    """None: always."""

    def activation(self, activations: NDArray[np.floating]) -> float:
        """The target's activation, in the rule's unit, from its own features' [n] raw ones."""
        return float(activations @ self.per_unit)


def resolve_rules(
    rules: Sequence[Rule],
    space: FeatureSpace,
    compile_condition: Callable[[str], Condition],
    *,
    preset: str = "",
    revision: int = 0,
    field: str = "rules",
) -> tuple[ResolvedRule, ...]:
    """The rules in this feature space, in order.

    Args:
        rules: of one source.
        space: what they may name.
        compile_condition: turns an expression into a condition, or raises ConditionRefused.
        preset: name of the preset they come from; empty: inline.
        revision: of that preset.
        field: path of the list, for faults.

    Raises:
        RulesRefused: with every fault of every rule.
    """
    resolved: list[ResolvedRule] = []
    faults: list[RuleFault] = []
    for i, rule in enumerate(rules):
        path = f"{field}[{i}]"
        own = [] if is_plain(rule) else list(faults_of(rule, path))
        try:
            if not own:
                origin = origin_of(preset, revision, i)
                resolved.append(_resolve(rule, origin, space, compile_condition, path))
        except RuleFault as fault:
            own = [fault]
        faults.extend(own)
    if faults:
        raise RulesRefused(faults)
    return tuple(resolved)


@lru_cache(maxsize=1024)
def origin_of(preset: str, revision: int, index: int) -> Origin:
    """The origin, made once."""
    return Origin(preset, revision, index)


def _resolve(
    rule: Rule,
    origin: Origin,
    space: FeatureSpace,
    compile_condition: Callable[[str], Condition],
    field: str,
) -> ResolvedRule:
    group = space.group_of(rule, field)
    if rule.operation is Operation.SCALE:
        values = np.full(len(group.indices), rule.value)
    else:
        values = rule.value * group.step
    condition = _condition(rule, compile_condition, field) if rule.condition else None
    return ResolvedRule(rule, origin, group.indices, values, group.per_unit, condition)


def _condition(rule: Rule, compile_condition: Callable[[str], Condition], field: str) -> Condition:
    try:
        return compile_condition(rule.condition)
    except ConditionRefused as refused:
        raise InvalidRule(f"{field}.condition", str(refused)) from refused

"""A plan: all rules of one request, in layers, merged; and what it leaves out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from steering.columns import ResolvedColumns
from steering.merge import Merged, merged, merged_columns
from steering.resolved import Context, ResolvedRule


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that clip an edit; they come last."""

    max_factor: float = 100.0
    """Largest product of SCALEs on a feature."""
    max_activation: float = 20.0
    """Largest |a'| in reference units; never below what the encoder itself gave."""
    max_shift_share: float = 2.0
    """Largest norm of the shift over the norm of the hidden state, at each position."""


@dataclass(frozen=True, eq=False, slots=True)
class Plan:
    """What applies to one request."""

    rules: Sequence[ResolvedRule]
    """Every rule of every layer, in order: presets as given, then inline."""
    why_not: Mapping[int, str]
    """Rules left out because their condition does not hold: position in `rules` -> why."""
    merged: Merged
    """The rules that are left, merged; those with an activation range counted as acting."""
    limits: Limits

    @property
    def is_empty(self) -> bool:
        """Whether no rule is left to act."""
        return len(self.merged.features) == 0

    @property
    def has_ranges(self) -> bool:
        """Whether what acts depends on the history's activations."""
        if isinstance(self.rules, ResolvedColumns):
            return False
        return any(rule.rule.when_activation is not None for rule in self.rules)

    def remaining(self) -> list[int]:
        """Positions in `rules` of those whose condition holds."""
        return [i for i in range(len(self.rules)) if i not in self.why_not]


NO_RULES = Plan((), {}, merged(()), Limits())


def plan_for(layers: Sequence[Sequence[ResolvedRule]], context: Context, limits: Limits) -> Plan:
    """The plan of a request: conditions decided, layers merged.

    Args:
        layers: resolved rules, the earlier layer first: presets in the order given, then inline.
        context: the request's facts, as conditions see them.
        limits: bounds of the edit.

    Raises:
        RuleConflict: two rules cannot both hold.
    """
    rules = tuple(rule for layer in layers for rule in layer)
    if not rules:
        return NO_RULES
    why_not = {
        i: why
        for i, rule in enumerate(rules)
        if rule.condition is not None and (why := rule.condition(context))
    }
    left = [rule for i, rule in enumerate(rules) if i not in why_not] if why_not else rules
    return Plan(rules, why_not, merged(left), limits)


def plan_of_columns(rules: ResolvedColumns, limits: Limits) -> Plan:
    """The plan of a request whose only layer are plain rules of its own.

    Raises:
        RuleConflict: two rules cannot both hold.
    """
    return Plan(rules, {}, merged_columns(rules), limits)


def check_layer(rules: Sequence[ResolvedRule]) -> None:
    """Refuses a layer whose unconditional rules contradict each other whatever the request.

    Raises:
        RuleConflict: naming the two.
    """
    merged(rule for rule in rules if rule.condition is None)

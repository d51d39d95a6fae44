"""The plan of one request: presets and inline rules found, resolved, merged."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from service.errors import PresetNotHonoured, PresetNotInForce
from service.presets.compiled import CompiledPreset
from service.presets.errors import PresetMissing
from service.query import PresetReference, Query
from service.snapshot import ServedModel
from steering.plan import NO_RULES, Limits, Plan, plan_for
from steering.report import RuleReport, RuleStatus
from steering.resolved import Condition, Origin, ResolvedRule, resolve_rules
from steering.rules import Rule


@dataclass(frozen=True, slots=True)
class SkippedPreset:
    """A preset that was left out, by the caller's choice."""

    reference: PresetReference
    why: str
    """A sentence for a person."""
    revision: int = 0
    """The one that was left out; 0: there is none."""
    rules: tuple[Rule, ...] = ()
    """Of that revision."""

    def reports(self) -> Iterator[RuleReport]:
        """One per rule: this bundle cannot honour them."""
        for i, rule in enumerate(self.rules):
            origin = Origin(self.reference.name, self.revision, i)
            yield RuleReport(rule, origin, RuleStatus.UNKNOWN_FEATURE, message=self.why)


Layer: TypeAlias = CompiledPreset | SkippedPreset


@dataclass(frozen=True, eq=False, slots=True)
class Planned:
    """What applies to one request, and what it was made of."""

    plan: Plan
    """To hand to the model."""
    layers: tuple[Layer, ...]
    """The presets, in the order given."""

    @property
    def applied(self) -> list[CompiledPreset]:
        """The presets that take part in the plan."""
        return [layer for layer in self.layers if isinstance(layer, CompiledPreset)]

    @property
    def skipped(self) -> list[SkippedPreset]:
        """Those that were left out."""
        return [layer for layer in self.layers if isinstance(layer, SkippedPreset)]

    def reports(self, edited: Sequence[RuleReport]) -> list[RuleReport]:
        """One report per rule in the order of the request, from those of the plan's rules."""
        rest = iter(edited)
        listed: list[RuleReport] = []
        for layer in self.layers:
            if isinstance(layer, SkippedPreset):
                listed.extend(layer.reports())
            else:
                listed.extend(islice(rest, len(layer.rules)))
        return [*listed, *rest]

    def unsteered_reports(self, why: str) -> list[RuleReport]:
        """One report per rule of an answer that no rule touched.

        Args:
            why: the reason, a sentence for a person.
        """
        return self.reports(
            [
                RuleReport(rule.rule, rule.origin, RuleStatus.CONDITION_FALSE, message=unmet)
                if (unmet := self.plan.why_not.get(i))
                else RuleReport(rule.rule, rule.origin, RuleStatus.INACTIVE, message=why)
                for i, rule in enumerate(self.plan.rules)
            ]
        )


def planned(
    query: Query,
    served: ServedModel,
    compile_condition: Callable[[str], Condition],
    limits: Limits,
) -> Planned:
    """The request's plan in this model's feature space.

    Raises:
        PresetNotInForce: a preset that nobody wrote, and the request does not skip those.
        PresetNotHonoured: a preset that this bundle lacks features for; likewise.
        RulesRefused: inline rules that this bundle cannot honour, or that make no sense.
        RuleConflict: two rules cannot both hold.
    """
    if not (query.presets or query.rules):
        return Planned(NO_RULES, ())
    layers = tuple(
        _layer(query, served, reference, f"presets[{i}]")
        for i, reference in enumerate(query.presets)
    )
    inline = resolve_rules(query.rules, served.space, compile_condition)
    plan = plan_for([*_rules(layers), inline], query.context, limits)
    return Planned(plan, layers)


def _rules(layers: Sequence[Layer]) -> Iterator[Sequence[ResolvedRule]]:
    return (layer.rules for layer in layers if isinstance(layer, CompiledPreset))


def _layer(query: Query, served: ServedModel, reference: PresetReference, field: str) -> Layer:
    try:
        preset = served.presets.layer(reference.name, reference.revision)
    except PresetMissing as missing:
        if query.skips_unknown_presets:
            return SkippedPreset(reference, str(missing))
        raise PresetNotInForce(field, str(missing)) from missing
    if isinstance(preset, CompiledPreset):
        return preset
    refusal = PresetNotHonoured(
        field, preset.name, preset.revision, served.bundle.version, preset.faults
    )
    if query.skips_unknown_presets:
        return SkippedPreset(reference, refusal.message, preset.revision, preset.rules)
    raise refusal

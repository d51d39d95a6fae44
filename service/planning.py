"""The plan of one request: presets and inline rules found, targeted, resolved, merged."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from service.errors import PresetNotHonoured, PresetNotInForce
from service.layers import AppliedPreset, KeptOutPreset, Layer, SkippedPreset
from service.presets.compiled import Compiled, CompiledPreset
from service.presets.compiled_targeting import KeptOut, SkipReason
from service.presets.conditions import Facts
from service.presets.errors import PresetMissing
from service.query import PresetReference, Query
from service.snapshot import ServedModel
from steering.columns import PlainRules, in_space
from steering.errors import RuleConflict
from steering.merge import merged
from steering.plan import NO_RULES, Limits, Plan, plan_for, plan_of_columns
from steering.report import RuleReport, RuleStatus
from steering.resolved import Condition, Context, ResolvedRule, resolve_rules
from steering.rules import Operation


class Planned(NamedTuple):
    """What applies to one request, and what it was made of."""

    plan: Plan
    """To hand to the model."""
    layers: tuple[Layer, ...]
    """The presets: defaults in the order they apply, then those named, in the order given."""

    @property
    def applied(self) -> list[AppliedPreset]:
        """The presets that take part in the plan."""
        return [layer for layer in self.layers if isinstance(layer, AppliedPreset)]

    @property
    def skipped(self) -> list[SkippedPreset]:
        """Those that were left out."""
        return [layer for layer in self.layers if isinstance(layer, SkippedPreset)]

    @property
    def kept_out(self) -> list[KeptOutPreset]:
        """Those that their targeting keeps out."""
        return [layer for layer in self.layers if isinstance(layer, KeptOutPreset)]

    def reports(self, edited: Sequence[RuleReport]) -> Sequence[RuleReport]:
        """One report per rule in the order of the layers, from those of the plan's rules."""
        if not self.layers:
            return edited
        rest = iter(edited)
        listed: list[RuleReport] = []
        for layer in self.layers:
            if isinstance(layer, AppliedPreset):
                listed.extend(islice(rest, len(layer.rules)))
            else:
                listed.extend(layer.reports())
        return [*listed, *rest]

    def unsteered_reports(self, why: str) -> Sequence[RuleReport]:
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
    now: datetime,
) -> Planned:
    """The request's plan in this model's feature space.

    Default presets come first, by priority and name; then the presets that the request names; then
    its own rules. A request that leaves steering out looks at no default.

    Args:
        query: what is asked.
        served: the bundle and its presets.
        compile_condition: of inline rules.
        limits: bounds of the edit.
        now: the request's moment, at which schedules are read; with a time zone.

    Raises:
        PresetNotInForce: a preset that nobody wrote, and the request does not skip those.
        PresetNotHonoured: a preset that this bundle lacks features for; likewise.
        RulesRefused: inline rules that this bundle cannot honour, or that make no sense.
        RuleConflict: two rules of what the request itself names cannot both hold.
    """
    leaves_defaults = query.ignores_defaults or query.is_steering_disabled
    defaults = () if leaves_defaults else served.presets.defaults
    if not (query.presets or query.rules or defaults):
        return Planned(NO_RULES, ())
    plain = None if query.presets or defaults else _column_plan(query, served, limits)
    if plain is not None:
        return Planned(plain, ())
    context = Facts(query.context)
    if not (query.presets or defaults):
        inline = resolve_rules(query.rules, served.space, compile_condition)
        return Planned(plan_for([inline], context, limits), ())
    layers = [
        *_defaults(query, served, defaults, context, now),
        *_named(query, served, context, now),
    ]
    inline = resolve_rules(query.rules, served.space, compile_condition)
    return _merged(_one_per_group(layers), inline, context, limits)


def _column_plan(query: Query, served: ServedModel, limits: Limits) -> Plan | None:
    """The plan of plain rules alone; None: the query asks for what wants each rule by itself."""
    if query.wishes is not None or not isinstance(query.rules, PlainRules):
        return None
    columns = in_space(query.rules, served.space)
    return None if columns is None else plan_of_columns(columns, limits)


def _defaults(
    query: Query,
    served: ServedModel,
    defaults: Sequence[Compiled],
    context: Context,
    now: datetime,
) -> Iterator[Layer]:
    """The default presets that the request does not name anyway."""
    names = {reference.name for reference in query.presets}
    for preset in defaults:
        if preset.name in names:
            continue
        if why := preset.targeting.kept_out(context, now):
            yield KeptOutPreset(preset.name, preset.revision, why, is_default=True)
        elif isinstance(preset, CompiledPreset):
            yield AppliedPreset(preset, is_default=True)
        else:
            faults = "; ".join(map(str, preset.faults))
            why_not = f"model {served.bundle.version!r} cannot honour it: {faults}"
            yield _left_out(preset, why_not)


def _left_out(preset: Compiled | AppliedPreset, why: str) -> SkippedPreset:
    """A default that cannot apply: the request did not name it, so it goes on without."""
    message = f"default preset {preset.name!r} revision {preset.revision} is left out: {why}"
    reference = PresetReference(preset.name, None)
    return SkippedPreset(reference, message, preset.revision, is_default=True)


def _named(query: Query, served: ServedModel, context: Context, now: datetime) -> Iterator[Layer]:
    """The presets that the request names."""
    for i, reference in enumerate(query.presets):
        layer = _found(query, served, reference, f"presets[{i}]")
        if isinstance(layer, SkippedPreset):
            yield layer
        elif why := layer.targeting.kept_out(context, now):
            yield KeptOutPreset(layer.name, layer.revision, why, rules=layer.rules)
        else:
            yield AppliedPreset(layer)


def _found(
    query: Query, served: ServedModel, reference: PresetReference, field: str
) -> CompiledPreset | SkippedPreset:
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


def _one_per_group(layers: Sequence[Layer]) -> list[Layer]:
    """The layers, all but the first of each exclusivity group kept out.

    First is the highest priority, then a named preset, then the one named earlier, then by name.
    """
    first: dict[str, AppliedPreset] = {}
    applied = (layer for layer in layers if isinstance(layer, AppliedPreset) and layer.group)
    for layer in sorted(applied, key=lambda own: (-own.priority, own.is_default)):
        first.setdefault(layer.group, layer)
    return [_unless_excluded(layer, first) for layer in layers] if first else list(layers)


def _unless_excluded(layer: Layer, first: Mapping[str, AppliedPreset]) -> Layer:
    if not isinstance(layer, AppliedPreset):
        return layer
    winner = first.get(layer.group, layer)
    if winner is layer:
        return layer
    message = f"preset {winner.name!r} goes before it in group {layer.group!r}"
    why = KeptOut(SkipReason.EXCLUDED, message)
    rules = () if layer.is_default else layer.rules
    return KeptOutPreset(layer.name, layer.revision, why, layer.is_default, rules)


def _merged(
    layers: Sequence[Layer],
    inline: Sequence[ResolvedRule],
    context: Context,
    limits: Limits,
) -> Planned:
    """The plan of the layers and the inline rules; a default in conflict is left out of it.

    Raises:
        RuleConflict: between rules that the request itself names.
    """
    try:
        return Planned(plan_for([*_rules(layers), inline], context, limits), tuple(layers))
    except RuleConflict:
        if not any(map(_is_default, layers)):
            raise
    own = [layer for layer in layers if not _is_default(layer)]
    bounds = _bounds(plan_for([*_rules(own), inline], context, limits).rules, context)
    kept = _without_conflicts(layers, bounds, context)
    return Planned(plan_for([*_rules(kept), inline], context, limits), tuple(kept))


def _without_conflicts(
    layers: Sequence[Layer], bounds: Sequence[ResolvedRule], context: Context
) -> list[Layer]:
    """The layers without those defaults that conflict with what goes before them.

    What the request names goes first, then the defaults from the highest priority.

    Args:
        layers: of one request.
        bounds: the rules of what it names that could conflict.
        context: of the request.
    """
    kept: list[Layer] = []
    for layer in reversed(layers):
        if isinstance(layer, AppliedPreset) and layer.is_default:
            more = _bounds(layer.rules, context)
            try:
                merged(_holding(layer.rules, context))
                merged([*bounds, *more])
            except RuleConflict as conflict:
                kept.append(_left_out(layer, str(conflict)))
                continue
            bounds = [*bounds, *more]
        kept.append(layer)
    return kept[::-1]


def _bounds(rules: Iterable[ResolvedRule], context: Context) -> list[ResolvedRule]:
    """The rules that could conflict with another layer's: FLOOR and CAP, where they hold."""
    own = (rule for rule in rules if rule.rule.operation in {Operation.FLOOR, Operation.CAP})
    return _holding(own, context)


def _holding(rules: Iterable[ResolvedRule], context: Context) -> list[ResolvedRule]:
    return [rule for rule in rules if rule.condition is None or not rule.condition(context)]


def _is_default(layer: Layer) -> bool:
    return isinstance(layer, AppliedPreset) and layer.is_default


def _rules(layers: Iterable[Layer]) -> Iterator[Sequence[ResolvedRule]]:
    return (layer.rules for layer in layers if isinstance(layer, AppliedPreset))

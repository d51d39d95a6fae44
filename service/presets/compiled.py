"""Presets compiled for one bundle: what requests that name a preset get. Never changed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from rapidfuzz import process
from steerrec.v1 import targeting_pb2

from service.presets.audit import START, Tip
from service.presets.compiled_targeting import (
    ALWAYS,
    CompiledTargeting,
    compiled_targeting,
    never_asked,
)
from service.presets.context_types import UNTYPED, ContextTypes
from service.presets.errors import PresetMissing, TooManyDefaults
from service.presets.record import Head, PresetRevision
from service.presets.targeting import Targeting, checked_targeting
from steering.errors import RuleConflict, RuleFault, RulesRefused, UnknownFeature
from steering.plan import check_layer
from steering.resolved import Condition, ResolvedRule, resolve_rules
from steering.rules import Rule
from steering.space import FeatureSpace

NEAR_ENOUGH = 60
"""Similarity, of 100, from which an unknown name gets a suggestion."""
MAX_DEFAULTS = 64
"""Every request asks each of them whether it applies."""
MAX_DEFAULT_RULES = 256
"""Of all of them together: every request may get each, as many as it may bring itself."""
Faults = tuple[RuleFault, ...]


@dataclass(frozen=True, eq=False, slots=True)
class CompiledPreset:
    """A revision that this bundle honours."""

    name: str
    revision: int
    rules: tuple[ResolvedRule, ...]
    """One layer of a plan."""
    refused_revision: int = 0
    """A newer revision that this bundle cannot honour, so that this one goes on; 0: none."""
    targeting: CompiledTargeting = ALWAYS
    """When it applies."""


@dataclass(frozen=True, eq=False, slots=True)
class RefusedPreset:
    """A revision that this bundle cannot honour."""

    name: str
    revision: int
    rules: tuple[Rule, ...]
    """As written."""
    faults: Faults
    """What the bundle lacks."""
    targeting: CompiledTargeting = ALWAYS
    """When it would apply."""


Compiled = CompiledPreset | RefusedPreset


@dataclass(frozen=True, eq=False)
class Bench:
    """What presets are compiled with: one bundle's feature space, and the condition compiler."""

    space: FeatureSpace
    feature_space: str
    """Its identity."""
    compile_condition: Callable[[str], Condition]
    context_types: ContextTypes = UNTYPED
    """What the conditions of a write may read."""

    def compiled(self, record: PresetRevision) -> Compiled:
        """The revision resolved in this feature space, or why it cannot be."""
        name, revision, targeting = record.name, record.revision, never_asked(record.targeting)
        try:
            targeting = compiled_targeting(record.targeting, name, self.compile_condition)
            return CompiledPreset(name, revision, self.resolved(record), targeting=targeting)
        except RulesRefused as refused:
            faults = refused.faults
        except RuleFault as fault:
            faults = (fault,)
        return RefusedPreset(name, revision, record.rules, faults, targeting)

    def targeting(self, message: targeting_pb2.Targeting) -> Targeting:
        """The targeting of a write, checked whole.

        Raises:
            InvalidRequest: with every fault.
        """
        types = self.context_types
        return checked_targeting(message, types.compile, types.fault_of_key)

    def checked(self, record: PresetRevision, path: str) -> tuple[ResolvedRule, ...]:
        """The rules of a write in this feature space, their conditions checked by type too.

        Raises:
            RulesRefused, RuleConflict: as `resolved`.
        """
        return replace(self, compile_condition=self.context_types.compile).resolved(record, path)

    def resolved(self, record: PresetRevision, path: str = "rules") -> tuple[ResolvedRule, ...]:
        """The revision's rules in this feature space.

        Raises:
            RulesRefused: with every fault of every rule; paths start with `path`.
            RuleConflict: two rules contradict each other whatever the request; paths as above.
        """
        self._check_space(record, path)
        rules = resolve_rules(
            record.rules,
            self.space,
            self.compile_condition,
            preset=record.name,
            revision=record.revision,
            field=path,
        )
        _check_conflicts(rules, path)
        return rules

    def _check_space(self, record: PresetRevision, path: str) -> None:
        if not record.names_features or record.feature_space == self.feature_space:
            return
        raise RulesRefused(
            [
                UnknownFeature(
                    f"{path}[{i}].feature_index",
                    f"{rule.target} is an index of feature space {record.feature_space!r}; this"
                    f" bundle's is {self.feature_space!r}: write the preset anew for it",
                )
                for i, rule in enumerate(record.rules)
                if isinstance(rule.target, int)
            ]
        )


def _check_conflicts(rules: Sequence[ResolvedRule], path: str) -> None:
    """Raises RuleConflict with paths into what is written, whatever its name and revision."""
    written = [replace(rule, origin=replace(rule.origin, preset="", revision=0)) for rule in rules]
    try:
        check_layer(written)
    except RuleConflict as conflict:
        field = conflict.field.replace("rules", path, 1)
        raise RuleConflict(field, conflict.message) from None


@dataclass(frozen=True, eq=False)
class CompiledPresets:
    """Every kept revision of every preset in force, for one bundle."""

    by_name: Mapping[str, Mapping[int, Compiled]] = field(default_factory=dict)
    """Revisions by preset name."""
    records: Mapping[str, tuple[PresetRevision, ...]] = field(default_factory=dict)
    """What they were compiled from."""
    drafts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Revisions that were never in force, by preset name: no request gets them."""
    active: Mapping[str, int] = field(default_factory=dict)
    """The revision in force, by preset name."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Why a preset cannot be read from the store, by name."""

    def layer(self, name: str, revision: int | None = None) -> Compiled:
        """What a request that names this preset gets.

        Without a revision: the one in force, or the newest before it that this bundle honours,
        marked; where it honours none, the one in force as refused.

        Raises:
            PresetMissing: no preset of this name is in force, or the revision is not kept, or it
                is a draft.
        """
        revisions = self.by_name.get(name)
        if name in self.drafts and (revisions is None or revision in self.drafts[name]):
            raise PresetMissing(name, revision, is_draft=True)
        if revisions is None:
            near = process.extractOne(name, list(self.by_name), score_cutoff=NEAR_ENOUGH)
            raise PresetMissing(name, near=near[0] if near else "")
        if revision is None:
            return self._in_force[name]
        if revision not in revisions:
            raise PresetMissing(name, revision)
        return revisions[revision]

    @cached_property
    def _in_force(self) -> Mapping[str, Compiled]:
        return {
            name: _newest_honoured(revisions, self.active[name])
            for name, revisions in self.by_name.items()
        }

    @cached_property
    def defaults(self) -> tuple[Compiled, ...]:
        """Presets that apply without being named, in the order they apply: priority, then name.

        One that the bundle cannot honour is among them, refused.
        """
        own = (preset for preset in self._in_force.values() if preset.targeting.is_default)
        return tuple(sorted(own, key=lambda preset: (preset.targeting.priority, preset.name)))

    @property
    def refused(self) -> list[RefusedPreset]:
        """Revisions in force that this bundle cannot honour."""
        in_force = (revisions[self.active[name]] for name, revisions in self.by_name.items())
        return [preset for preset in in_force if isinstance(preset, RefusedPreset)]

    def __len__(self) -> int:
        return len(self.by_name)


def _newest_honoured(revisions: Mapping[int, Compiled], active: int) -> Compiled:
    for revision in sorted(filter(lambda own: own <= active, revisions), reverse=True):
        preset = revisions[revision]
        if isinstance(preset, CompiledPreset):
            return replace(preset, refused_revision=active if revision != active else 0)
    return revisions[active]


@dataclass(frozen=True, eq=False)
class StoredPresets:
    """Presets as one moment of the store had them."""

    heads: Mapping[str, Head] = field(default_factory=dict)
    """By name; archived ones too."""
    records: Mapping[str, tuple[PresetRevision, ...]] = field(default_factory=dict)
    """Kept revisions by name, oldest first."""
    cursor: str = "0-0"
    """Id of the newest audit event that is in here."""
    tip: Tip = START
    """Where the audit chain stands with that event."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Why a preset cannot be read from the store, by name. What is above of it is the last good."""

    def in_force(self) -> Iterable[tuple[str, tuple[PresetRevision, ...]]]:
        """Names and kept revisions, drafts left out, of presets that have one in force."""
        return (
            (name, tuple(r for r in self.records.get(name, ()) if r.revision not in head.drafts))
            for name, head in self.heads.items()
            if head.active
        )

    def drafts(self) -> Iterable[tuple[str, tuple[int, ...]]]:
        """Names and draft revisions of presets that have some and are not archived."""
        return (
            (name, head.drafts)
            for name, head in self.heads.items()
            if head.drafts and not head.is_archived
        )


def compile_presets(
    stored: StoredPresets, bench: Bench, before: CompiledPresets | None = None
) -> CompiledPresets:
    """Every preset in force, compiled for one bundle.

    Args:
        stored: what the store has.
        bench: of the bundle.
        before: compiled with the same bench earlier; revisions in it are not compiled again.
    """
    before = before or CompiledPresets()
    by_name = {}
    active = {name: stored.heads[name].active for name, _ in stored.in_force()}
    for name, records in stored.in_force():
        known = before.records.get(name, ())
        revisions = {
            # equal, and not only of the same number: a store that lost data numbers anew
            r.revision: before.by_name[name][r.revision] if r in known else bench.compiled(r)
            for r in records
        }
        revisions.setdefault(active[name], _unreadable(name, active[name], stored))
        by_name[name] = revisions
    for name in stored.unreadable.keys() - stored.heads.keys():
        active[name], by_name[name] = 0, {0: _unreadable(name, 0, stored)}
    return CompiledPresets(
        by_name,
        dict(stored.in_force()),
        dict(stored.drafts()),
        active,
        stored.unreadable,
    )


def _unreadable(name: str, revision: int, stored: StoredPresets) -> RefusedPreset:
    """A revision that cannot be read from the store; 0: not even which one is in force."""
    why = stored.unreadable.get(name, "is stored in a form that this version cannot read")
    fault = RuleFault(f"revision {revision}" if revision else "preset", why)
    return RefusedPreset(name, revision, (), (fault,))


def check_defaults(stored: StoredPresets, record: PresetRevision) -> None:
    """Refuses to put one default preset more in force than a request can bear.

    Raises:
        TooManyDefaults: saying how many there are.
    """
    if record.targeting is None or not record.targeting.is_default:
        return
    others = [
        own
        for name, records in stored.in_force()
        for own in records
        if own.revision == stored.heads[name].active and name != record.name
        if own.targeting is not None and own.targeting.is_default
    ]
    if len(others) >= MAX_DEFAULTS:
        raise TooManyDefaults(record.name, f"{len(others)} presets do, and no more may")
    n_rules = sum(len(own.rules) for own in [*others, record])
    if n_rules > MAX_DEFAULT_RULES:
        why = f"such presets would have {n_rules} rules together; at most {MAX_DEFAULT_RULES}"
        raise TooManyDefaults(record.name, why)

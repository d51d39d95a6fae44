"""The presets of one request: those that apply, and those that do not, with the reason."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from service.presets.compiled import CompiledPreset
from service.presets.compiled_targeting import KeptOut
from service.query import PresetReference
from steering.report import RuleReport, RuleStatus
from steering.resolved import Origin, ResolvedRule
from steering.rules import Rule


@dataclass(frozen=True, slots=True)
class SkippedPreset:
    """A preset that was left out: by the caller's choice, or a default that cannot apply."""

    reference: PresetReference
    why: str
    """A sentence for a person."""
    revision: int = 0
    """The one that was left out; 0: there is none."""
    rules: tuple[Rule, ...] = ()
    """Of that revision; none of a default, which nobody named."""
    is_default: bool = False
    """Whether it would have applied without being named."""

    def reports(self) -> Iterator[RuleReport]:
        """One per rule: this bundle cannot honour them."""
        for i, rule in enumerate(self.rules):
            origin = Origin(self.reference.name, self.revision, i)
            yield RuleReport(rule, origin, RuleStatus.UNKNOWN_FEATURE, message=self.why)


@dataclass(frozen=True, eq=False, slots=True)
class AppliedPreset:
    """A preset that takes part in the plan."""

    preset: CompiledPreset
    is_default: bool = False
    """Whether it applies without being named."""

    @property
    def name(self) -> str:
        """Its name."""
        return self.preset.name

    @property
    def revision(self) -> int:
        """The revision that applies."""
        return self.preset.revision

    @property
    def refused_revision(self) -> int:
        """A newer revision that the bundle cannot honour; 0: none."""
        return self.preset.refused_revision

    @property
    def rules(self) -> tuple[ResolvedRule, ...]:
        """Its layer of the plan."""
        return self.preset.rules

    @property
    def priority(self) -> int:
        """Its place among defaults and in its group."""
        return self.preset.targeting.priority

    @property
    def group(self) -> str:
        """Its exclusivity group; empty: none."""
        return self.preset.targeting.exclusivity_group


@dataclass(frozen=True, eq=False, slots=True)
class KeptOutPreset:
    """A preset that its targeting keeps out of the plan."""

    name: str
    revision: int
    """The one that was looked at."""
    why: KeptOut
    is_default: bool = False
    """Whether it would have applied without being named."""
    rules: tuple[ResolvedRule, ...] = ()
    """Of that revision; none of a default, which nobody named."""

    def reports(self) -> Iterator[RuleReport]:
        """One per rule: what kept the preset out."""
        for rule in self.rules:
            status = RuleStatus.CONDITION_FALSE
            yield RuleReport(rule.rule, rule.origin, status, message=self.why.message)


Layer: TypeAlias = AppliedPreset | KeptOutPreset | SkippedPreset

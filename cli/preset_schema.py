"""What a preset file may say: strict models, and the contract's messages made of them."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator
from steerrec.v1 import preset_pb2

from cli.shown import shown
from cli.targeting_schema import NAME, Part, TargetingPart
from service.convert import rule_to_proto
from steering.rules import (
    LINES,
    ActivationRange,
    Attribute,
    Operation,
    Rule,
    Unit,
    hidden_character,
)

MAX_RULES = 256
FEATURE_SPACE = r"^[0-9a-f]{16}$"


class OperationName(StrEnum):
    """What a rule does."""

    SCALE = "SCALE"
    ADD = "ADD"
    SET = "SET"
    FLOOR = "FLOOR"
    CAP = "CAP"


class UnitName(StrEnum):
    """The unit of a rule's value."""

    REFERENCE = "reference"
    RAW = "raw"


class RangePart(Part):
    """`when_activation`: a closed range, at least one end given."""

    min: Annotated[float | None, Field(allow_inf_nan=False)] = None
    """Smallest activation inside."""
    max: Annotated[float | None, Field(allow_inf_nan=False)] = None
    """Largest activation inside."""

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("bounds nothing; give min, max or both")
        return self

    def bounds(self) -> ActivationRange:
        """The range as steering reads it."""
        given = {"min": self.min, "max": self.max}
        return ActivationRange(**{end: at for end, at in given.items() if at is not None})


class RulePart(Part):
    """One entry of `rules`."""

    attribute: str | None = None
    """What the rule acts on, as `name=value`; or else `feature`."""
    feature: int | None = None
    """Index of the feature that the rule acts on; or else `attribute`."""
    operation: Annotated[OperationName, Field(strict=False)]
    """What it does."""
    value: float
    """The operation's value."""
    unit: Annotated[UnitName, Field(strict=False)] = UnitName.REFERENCE
    """Unit of `value` and of `when_activation`."""
    when: str = ""
    """CEL expression over `context`; the rule acts only where it is true."""
    when_activation: RangePart | None = None
    """The rule acts only where the target's activation lies in this range."""
    id: str = ""
    """The rule's own name in reports."""

    @field_validator("attribute")
    @classmethod
    def _named_value(cls, attribute: str | None) -> str | None:
        if attribute is not None and not all(attribute.partition("=")):
            raise ValueError(f"{shown(attribute)} is not name=value, e.g. genre=Horror")
        return attribute

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.attribute is None) == (self.feature is None):
            given = "neither" if self.attribute is None else "both"
            raise ValueError(f"names {given} of attribute and feature; a rule acts on one of them")
        return self

    def rule(self) -> Rule:
        """The rule as steering reads it."""
        return Rule(
            operation=Operation[self.operation],
            target=self._target(),
            value=self.value,
            unit=Unit[self.unit.name],
            rule_id=self.id,
            condition=self.when,
            when_activation=None if self.when_activation is None else self.when_activation.bounds(),
        )

    def _target(self) -> int | Attribute:
        if self.feature is not None:
            return self.feature
        name, _, value = (self.attribute or "").partition("=")
        return Attribute(name, value)


class PresetDocument(Part):
    """A whole preset file."""

    name: Annotated[str, Field(pattern=NAME)]
    """The preset's name."""
    description: Annotated[str, Field(max_length=500)] = ""
    """What it is for."""
    feature_space: Annotated[str, Field(pattern=FEATURE_SPACE)] | None = None
    """Feature space that its feature indices belong to; by default the one in production."""
    rules: Annotated[tuple[RulePart, ...], Field(strict=False)]
    """What it does, one layer of a plan."""
    targeting: TargetingPart | None = None
    """When it applies; left out: wherever it is named."""

    @field_validator("description")
    @classmethod
    def _nothing_hidden(cls, description: str) -> str:
        if character := hidden_character(description, allowed=LINES):
            raise ValueError(f"holds {character}; remove it")
        return description

    @field_validator("rules")
    @classmethod
    def _neither_none_nor_too_many(cls, rules: tuple[RulePart, ...]) -> tuple[RulePart, ...]:
        # a length limit on the field would also count the rules that failed on their own
        if not 1 <= len(rules) <= MAX_RULES:
            raise ValueError(f"{len(rules)} rules; a preset has 1 to {MAX_RULES}")
        return rules

    def message(self) -> preset_pb2.Preset:
        """The preset as the contract has it."""
        return preset_pb2.Preset(
            name=self.name,
            description=self.description,
            feature_space=self.feature_space or "",
            rules=[rule_to_proto(part.rule()) for part in self.rules],
            targeting=None if self.targeting is None else self.targeting.message(),
        )

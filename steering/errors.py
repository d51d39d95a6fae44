"""What steering refuses, and why.

SteeringError
├── ConditionRefused    the expression is not a condition
├── RulesRefused        several faults of one list of rules, all at once
└── RuleFault           one fault, at one field
    ├── InvalidRule     the rule makes sense in no feature space
    ├── UnknownFeature  its feature index is beyond the SAE
    ├── UnknownAttribute  the bundle has no feature group for its attribute
    ├── NoReference     a reference unit was asked of a dead feature
    └── RuleConflict    two rules cannot both hold
"""

from collections.abc import Sequence


class SteeringError(Exception):
    """Root of what this room raises."""


class ConditionRefused(SteeringError):
    """A condition compiler refused an expression; the text says where and why."""


class RuleFault(SteeringError):
    """One fault of one rule: the field, what is wrong with its value, and the remedy."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        """Path of the field, e.g. `rules[2].value`."""
        self.message = message
        """What is wrong and what to do, without the path."""


class InvalidRule(RuleFault):
    """The rule makes sense in no feature space."""


class UnknownFeature(RuleFault):
    """The feature index is beyond the SAE."""


class UnknownAttribute(RuleFault):
    """The bundle has no feature group for the attribute."""


class NoReference(RuleFault):
    """A reference unit was asked of a dead feature, which has none."""


class RuleConflict(RuleFault):
    """Two rules cannot both hold."""


class RulesRefused(SteeringError):
    """A list of rules was refused whole; `faults` holds every reason."""

    def __init__(self, faults: Sequence[RuleFault]) -> None:
        super().__init__("; ".join(str(fault) for fault in faults))
        self.faults = tuple(faults)
        """At least one."""

    @property
    def is_bundle_mismatch(self) -> bool:
        """Whether every rule is sound and only this bundle lacks what they name."""
        lacking = (UnknownFeature, UnknownAttribute, NoReference)
        return all(isinstance(fault, lacking) for fault in self.faults)

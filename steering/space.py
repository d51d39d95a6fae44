"""A feature space: which features and attribute groups exist, and their reference activations."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from steering.errors import NoReference, UnknownAttribute, UnknownFeature
from steering.nearest import Nearest
from steering.rules import Attribute, Operation, Rule, Unit

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]
MAX_LISTED = 8
"""Groups that a refusal names, where none is like the one asked for."""


@dataclass(frozen=True, eq=False, slots=True)
class Group:
    """The features that carry an attribute, each once."""

    indices: Indices
    """[n] feature indices."""
    weights: NDArray[np.float64]
    """[n] shares of the group's effect; they sum to 1."""


class InUnit(NamedTuple):
    """The features that a rule acts on, in the rule's unit."""

    indices: Indices
    """[n] feature indices."""
    step: NDArray[np.float64]
    """[n] raw activations that each gets of a value of 1."""
    per_unit: NDArray[np.float64]
    """[n] units that one raw activation is; 0 for a dead feature."""

    def single(self, place: int) -> "InUnit":
        """One of these features alone."""
        own = slice(place, place + 1)
        return InUnit(self.indices[own], self.step[own], self.per_unit[own])


class Tables(NamedTuple):
    """What plain rules need of a feature space: single features in Python's own numbers."""

    reference: list[float]
    """[d_sae] raw activations of one reference unit; 0 for a dead feature."""
    per_reference: list[float]
    """[d_sae] reference units of one raw activation; 0 for a dead feature."""
    groups: Mapping[tuple[str, str], tuple[InUnit, InUnit]]
    """The groups in RAW and in REFERENCE, by attribute name and value."""
    every: tuple[InUnit, InUnit]
    """All features as if each were a group of its own, in RAW and in REFERENCE."""

    def single(self, index: int, *, in_reference: bool) -> tuple[float, float] | None:
        """Step and units of one feature; None: it is beyond this SAE."""
        if index >= len(self.reference):
            return None
        return (self.reference[index], self.per_reference[index]) if in_reference else (1.0, 1.0)


@dataclass(frozen=True, eq=False)
class FeatureSpace:
    """What a rule can name, of one bundle."""

    reference: NDArray[np.float64]
    """[d_sae] reference activations, raw; 0 for a dead feature."""
    groups: Mapping[Attribute, Group]
    """The attributes that rules can target."""

    @classmethod
    def of(
        cls, reference: Floats, members: Mapping[Attribute, Iterable[tuple[int, float]]]
    ) -> Self:
        """The space with these reference activations [d_sae] and (index, weight) pairs."""
        groups = {}
        for attribute, pairs in members.items():
            indices, weights = zip(*pairs, strict=True)
            groups[attribute] = Group(np.array(indices, dtype=np.int64), np.array(weights))
        return cls(reference.astype(np.float64), groups)

    @cached_property
    def _nearest(self) -> Nearest:
        return Nearest(map(str, self.groups))

    @cached_property
    def _dead(self) -> frozenset[int]:
        """Features without a reference activation."""
        return frozenset(np.flatnonzero(self.reference == 0).tolist())

    @cached_property
    def d_sae(self) -> int:
        """Number of features."""
        return len(self.reference)

    @cached_property
    def _every(self) -> tuple[InUnit, InUnit]:
        """All features as if each were a group of its own, in RAW and in REFERENCE."""
        return self._in_units(Group(np.arange(self.d_sae), np.ones(self.d_sae)))

    @cached_property
    def _grouped(self) -> Mapping[Attribute, tuple[InUnit, InUnit]]:
        """The groups, in RAW and in REFERENCE."""
        return {name: self._in_units(group) for name, group in self.groups.items()}

    def _in_units(self, group: Group) -> tuple[InUnit, InUnit]:
        reference = self.reference[group.indices]
        per_reference = np.zeros_like(reference)
        np.divide(1.0, reference, out=per_reference, where=reference > 0)
        return (
            InUnit(group.indices, group.weights, np.ones_like(reference)),
            InUnit(group.indices, group.weights * reference, per_reference),
        )

    @cached_property
    def tables(self) -> Tables:
        """The same, for plain rules."""
        _, reference = self._every
        return Tables(
            reference.step.tolist(),
            reference.per_unit.tolist(),
            {(name.name, name.value): group for name, group in self._grouped.items()},
            self._every,
        )

    def group_of(self, rule: Rule, field: str) -> InUnit:
        """The features that a rule acts on; a single feature is a group of one.

        Raises:
            UnknownFeature: the index is beyond this SAE.
            UnknownAttribute: this bundle measured no group for the attribute.
            NoReference: a reference unit was asked of a dead feature.
        """
        if not isinstance(rule.target, Attribute):
            return self._single(rule, rule.target, field)
        group = self._grouped.get(rule.target)
        if group is None:
            raise self._unknown(rule.target, f"{field}.attribute")
        return group[rule.unit is Unit.REFERENCE]

    def _unknown(self, attribute: Attribute, field: str) -> UnknownAttribute:
        message = f"no feature group for {attribute}; {self._hint(attribute)}"
        return UnknownAttribute(field, message)

    def _hint(self, attribute: Attribute) -> str:
        """Which attribute was meant, or which there are."""
        if near := self._nearest.to(str(attribute)):
            return f"did you mean {near}?"
        if len(self._nearest) > MAX_LISTED:
            return f"there are {len(self._nearest)} groups, see ListAttributeGroups"
        return f"known here: {', '.join(map(str, self.groups)) or 'none'}"

    def _single(self, rule: Rule, index: int, field: str) -> InUnit:
        if index >= self.d_sae:
            raise UnknownFeature(
                f"{field}.feature_index",
                f"{index} is beyond this SAE; its features are 0 to {self.d_sae - 1}",
            )
        in_reference = rule.unit is Unit.REFERENCE
        needs_unit = rule.operation is not Operation.SCALE or rule.when_activation is not None
        if in_reference and needs_unit and index in self._dead:
            raise NoReference(
                f"{field}.feature_index",
                f"{index} is a dead feature without a reference activation; use unit RAW",
            )
        return self._every[in_reference].single(index)

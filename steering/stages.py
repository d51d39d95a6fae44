"""The edit step by step: every feature a plan touches, after each operation.

a' = cap(floor(set(a x product(SCALE) + sum(ADD)))), then the limits (docs/adr/0002-steering.md).
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steering.merge import Merged
from steering.plan import Limits
from steering.rules import Operation

Activations = NDArray[np.float64]
EVERY_KIND = frozenset(Operation)


@dataclass(frozen=True, eq=False, slots=True)
class Stages:
    """Activations of the touched features after each step; all [positions, n], raw."""

    before: Activations
    """From the encoder."""
    moved: Activations
    """After SCALE and ADD."""
    pinned: Activations
    """After SET."""
    floored: Activations
    """After FLOOR."""
    capped: Activations
    """After CAP."""
    limited: Activations
    """After the limits on each activation."""
    is_limited: NDArray[np.bool_]
    """[n] whether a limit cut the feature at any position."""


def stages(
    rules: Merged,
    limits: Limits,
    reference: NDArray[np.float64],
    before: Activations,
    kinds: Collection[Operation] = EVERY_KIND,
) -> Stages:
    """Every step of the edit.

    Args:
        rules: the plan's, merged.
        limits: its bounds.
        reference: [n] reference activations of the touched features; 0 where dead.
        before: [positions, n] activations from the encoder.
        kinds: the operations that occur; the steps of others are left out.
    """
    moved, is_limited = before, np.zeros(before.shape[-1], dtype=bool)
    if Operation.SCALE in kinds:
        factor = np.minimum(rules.factor, limits.max_factor)
        moved = moved * factor
        is_limited = (factor < rules.factor) & np.isnan(rules.pin) & (before != 0).any(axis=0)
    if Operation.ADD in kinds:
        moved = moved + rules.addend
    pinned = moved
    if Operation.SET in kinds:
        pinned = np.where(np.isnan(rules.pin), moved, rules.pin)
    floored = np.maximum(pinned, rules.floor) if Operation.FLOOR in kinds else pinned
    capped = np.minimum(floored, rules.cap) if Operation.CAP in kinds else floored
    bounded = limited(before, capped, reference, limits.max_activation)
    is_limited = is_limited | (bounded != capped).any(axis=0)
    return Stages(before, moved, pinned, floored, capped, bounded, is_limited)


def limited(
    before: Activations, edited: Activations, reference: NDArray[np.float64], largest: float
) -> Activations:
    """Edited activations within +-largest reference units, or what the encoder itself gave."""
    bound = np.where(reference > 0, largest * reference, np.inf)
    reach = np.maximum(bound, np.abs(before))
    return np.minimum(np.maximum(edited, -reach), reach)

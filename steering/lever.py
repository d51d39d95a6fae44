"""The edit of one history as a function of strengths: what a search turns.

The plan of the request stays as it is; each pull is an ADD on top of it, at any strength. The
limits clip as they do in `steering.edit`, with which this shares every step.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steering.edit import acting, kept_share
from steering.merge import widened
from steering.plan import Plan
from steering.rules import MAX_VALUE
from steering.space import FeatureSpace, Floats, Indices
from steering.stages import Activations, stages

Strengths = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class Pull:
    """What one reference unit of ADD on an attribute adds."""

    indices: Indices
    """[n] features of the attribute's group."""
    per_unit: NDArray[np.float64]
    """[n] raw activations that one unit adds."""


class Shifts(NamedTuple):
    """What is added to the hidden state, by variant."""

    shift: Floats
    """[variants, positions, d_model]."""
    is_clipped: NDArray[np.bool_]
    """[variants] whether the shift was scaled down to the allowed share."""


class Largest(NamedTuple):
    """How far each pull goes."""

    strengths: Strengths
    """[pulls] magnitudes, reference units."""
    is_by_shift: NDArray[np.bool_]
    """[pulls] whether it is the limit on the whole shift that ends it."""


class Lever:
    """The edit of one history, with its pulls left open."""

    def __init__(
        self,
        plan: Plan,
        space: FeatureSpace,
        pulls: Sequence[Pull],
        activations: Floats,
        hidden: Floats,
        w_dec: Floats,
    ) -> None:
        """Make it.

        Args:
            plan: the request's, without the pulls.
            space: of the bundle.
            pulls: none or more.
            activations: [positions, d_sae] from the encoder, at the positions to edit.
            hidden: [positions, d_model] at the same positions.
            w_dec: [d_sae, d_model] decoder rows.
        """
        rules = acting(plan, activations[-1])
        self._rules = widened(rules, [pull.indices for pull in pulls])
        own = self._rules.features
        self._limits = plan.limits
        self._hidden = hidden
        self._before = activations[:, own].astype(np.float64)
        self._reference = space.reference[own]
        self._rows = w_dec[own]
        self._pulled = _pulled(pulls, own)

    def shifts(self, strengths: Strengths) -> Shifts:
        """The shift at each of these strengths [variants, pulls], in reference units."""
        delta = self._delta(strengths)
        kept = kept_share(delta, self._hidden, self._rows, self._limits.max_shift_share)
        shift = (kept * delta).astype(np.float32) @ self._rows
        return Shifts(shift, np.asarray((kept < 1).any(axis=(1, 2))))

    def largest(self) -> Largest:
        """The strengths beyond which a limit leaves nothing to gain, each pull alone."""
        by_activation = self._largest_by_activation()
        length = np.linalg.norm(self._pulled.astype(np.float32) @ self._rows, axis=1)
        base = self.shifts(np.zeros((1, len(self._pulled)))).shift[0]
        room = self._limits.max_shift_share * np.linalg.norm(self._hidden, axis=1)
        most = (room + np.linalg.norm(base, axis=1)).max(initial=0.0)
        by_shift = np.divide(
            most, length, out=np.full_like(by_activation, np.inf), where=length > 0
        )
        strengths = np.minimum(np.minimum(by_activation, by_shift), MAX_VALUE)
        return Largest(strengths, by_shift <= by_activation)

    def _largest_by_activation(self) -> Strengths:
        bound = self._limits.max_activation * self._reference
        reach = np.maximum(bound, np.abs(self._before).max(axis=0)) + np.abs(self._before).max(
            axis=0
        )
        steps = np.abs(self._pulled)
        needed = np.divide(reach, steps, out=np.zeros_like(steps), where=steps > 0)
        return np.asarray(needed.max(axis=1, initial=0.0))

    def _delta(self, strengths: Strengths) -> Activations:
        """[variants, positions, n] change of each touched feature."""
        addend = self._rules.addend + strengths @ self._pulled
        rules = replace(self._rules, addend=addend[:, np.newaxis, :])
        steps = stages(rules, self._limits, self._reference, self._before)
        return steps.limited - self._before


def _pulled(pulls: Sequence[Pull], features: Indices) -> NDArray[np.float64]:
    """[pulls, n] raw activations that one unit of each pull adds to the touched features."""
    steps = np.zeros((len(pulls), len(features)))
    for row, pull in zip(steps, pulls, strict=True):
        row[np.searchsorted(features, pull.indices)] = pull.per_unit
    return steps

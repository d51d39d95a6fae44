"""The edit of one history as a function of strengths: what a search turns.

The plan of the request stays as it is; each pull is an ADD on top of it, at any strength. The
limits clip as they do in `steering.edit`, with which this shares every step.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steering.edit import acting
from steering.merge import widened
from steering.plan import Plan
from steering.rules import MAX_VALUE
from steering.space import FeatureSpace, Floats, Indices
from steering.stages import Activations, limited, stages

BEYOND = 1.001
Strengths = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class Pull:
    """What one reference unit of ADD on an attribute adds."""

    indices: Indices
    """[n] features of the attribute's group."""
    per_unit: NDArray[np.float64]
    """[n] raw activations that one unit adds."""
    per_reference: NDArray[np.float64]
    """[n] turns raw activations into reference units, by a dot product."""


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
        self._is_bare = not len(rules.features)
        self._rules = widened(rules, [pull.indices for pull in pulls])
        own = self._rules.features
        self._limits = plan.limits
        self._before = activations[:, own].astype(np.float64)
        self._reference = space.reference[own]
        self._rows = w_dec[own]
        self._pulled = _pulled(pulls, own)
        self._allowed = plan.limits.max_shift_share * lengths(hidden)
        """[positions] largest norm of a shift."""

    def shifts(self, strengths: Strengths) -> Shifts:
        """The shift at each of these strengths [variants, pulls], in reference units."""
        shift = self._delta(strengths).astype(np.float32) @ self._rows
        length = lengths(shift)
        is_long = length > self._allowed
        if is_long.any():
            kept = np.divide(self._allowed, length, out=np.ones_like(length), where=is_long)
            shift *= kept[..., np.newaxis]
        return Shifts(shift, np.asarray(is_long.any(axis=-1)))

    def largest(self) -> Largest:
        """The strengths beyond which a limit leaves nothing to gain, each pull alone."""
        by_activation = self._largest_by_activation()
        length = lengths(self._pulled.astype(np.float32) @ self._rows)
        most = self._allowed
        if not self._is_bare:
            most = most + lengths(self.shifts(np.zeros((1, len(self._pulled)))).shift[0])
        by_shift = np.full_like(by_activation, np.inf)
        # a little beyond, so that the largest says that it is cut
        np.divide(BEYOND * most.max(initial=0.0), length, out=by_shift, where=length > 0)
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
        addend = (self._rules.addend + strengths @ self._pulled)[:, np.newaxis, :]
        if self._is_bare:  # only pulls: every step but the limits is plain adding
            edited = self._before + addend
            largest = self._limits.max_activation
            return limited(self._before, edited, self._reference, largest) - self._before
        rules = replace(self._rules, addend=addend)
        steps = stages(rules, self._limits, self._reference, self._before)
        return steps.limited - self._before


def lengths(vectors: Floats) -> Floats:
    """[..] norms of vectors [.., d_model]."""
    return np.asarray(np.sqrt(np.einsum("...i,...i->...", vectors, vectors)))


def _pulled(pulls: Sequence[Pull], features: Indices) -> NDArray[np.float64]:
    """[pulls, n] raw activations that one unit of each pull adds to the touched features."""
    steps = np.zeros((len(pulls), len(features)))
    for row, pull in zip(steps, pulls, strict=True):
        row[np.searchsorted(features, pull.indices)] = pull.per_unit
    return steps

"""Trying doses on users: what SCALE and ADD do to an attribute at a grid of strengths."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model_store.cards import DosePoint, DoseResponse, OffTarget
from training.attributes import AttributeTable
from training.config import EffectsConfig
from training.dosing import IDENTITY, Operation, Subjects, Target, newest_norms
from training.random_shifts import RandomShifts, random_shifts
from training.study.outcomes import (
    Yardstick,
    dose_point,
    mean_band,
    outcomes,
    shares,
    user_draws,
)

SATURATED = 0.95
"""Part of the largest rise in the grid from which on a dose counts as saturated."""

Floats = npt.NDArray[np.float64]
Doses = dict[Operation, tuple[float, ...]]
"""Strengths of each operation, ascending, the identity among them."""


@dataclass(frozen=True, eq=False)
class TrialSettings:
    """What is tried and how it is measured, whoever the users are."""

    table: AttributeTable
    """The attribute values."""
    measured_by: Yardstick
    """What items are, by the table's columns."""
    config: EffectsConfig
    """Strengths, random directions, draws, and how much is reported."""
    seed: int
    """Of random directions and bootstrap."""


@dataclass(frozen=True, eq=False)
class Trial:
    """Users on whom doses are tried, and how their slates are measured."""

    subjects: Subjects
    """The users."""
    settings: TrialSettings
    """What is tried."""
    plain: Tensor
    """Unsteered slates [n, 20]."""
    targets: Tensor
    """Item index that came next [n]."""
    weights: Floats
    """Of users in the bootstrap [draws + 1, n]."""
    random: RandomShifts
    """Under random directions."""

    def responses(self, target: Target, value: int, doses: Doses) -> tuple[DoseResponse, ...]:
        """What SCALE and ADD do to the share of an attribute.

        Args:
            target: what the rules act on.
            value: column of the attribute.
            doses: strengths of each operation.
        """
        inactive = 1 - float(self.subjects.active(target).float().mean())
        return tuple(
            self._response(operation, target, value, strengths, inactive)
            for operation, strengths in doses.items()
        )

    def slates(
        self, operation: Operation, target: Target, strength: float
    ) -> tuple[Tensor, Floats]:
        """Slates [n, 20] under a rule, and the norm of each user's shift [n]."""
        shift = self.subjects.shift(operation, target, strength)
        moved = shift.flatten(1).any(1).cpu()
        steered = self.plain.clone()
        if moved.all():
            steered = self.subjects.people.slates(shift)
        elif moved.any():
            some = self.subjects.people.part(moved)
            steered[moved] = some.slates(shift[moved])
        return steered, newest_norms(shift)

    @torch.no_grad()
    def _response(
        self,
        operation: Operation,
        target: Target,
        value: int,
        strengths: Sequence[float],
        inactive: float,
    ) -> DoseResponse:
        stated = self._stated(operation, strengths)
        same = (self.plain, self.targets, self.settings.measured_by, value)
        plain = outcomes(self.plain, *same)
        points, random = [], []
        off_target: tuple[OffTarget, ...] = ()
        for strength in strengths:
            slates, norms = self.slates(operation, target, strength)
            points.append(dose_point(strength, outcomes(slates, *same), plain, self.weights))
            random.append(self.random.band(norms, value))
            if strength == stated:
                off_target = self._off_target(slates, value)
        return DoseResponse(
            operation=operation,
            attribute=self.settings.table.values[value],
            n_users=self.subjects.n_users,
            points=tuple(points),
            random_share_at_20=tuple(random),
            saturation_strength=saturation(points, IDENTITY[operation]),
            inactive_share=inactive,
            off_target_strength=stated,
            off_target=off_target,
        )

    def _stated(self, operation: Operation, strengths: Sequence[float]) -> float:
        """The strength of the grid at which off-target changes are given."""
        wanted = self.settings.config.off_target_add
        if operation == "SCALE":
            wanted = self.settings.config.off_target_scale
        return min(strengths, key=lambda strength: abs(strength - wanted))

    def _off_target(self, slates: Tensor, value: int) -> tuple[OffTarget, ...]:
        carries = self.settings.measured_by.carries
        change = (shares(slates, carries) - shares(self.plain, carries)).double().numpy()
        size = np.abs(change.mean(0))
        size[value] = 0.0
        largest = np.argsort(-size, kind="stable")[: self.settings.config.max_off_target]
        return tuple(
            OffTarget(
                attribute=self.settings.table.values[column],
                share_change=mean_band(change[:, column], self.weights),
            )
            for column in largest.tolist()
            if size[column] > 0
        )


def doses(scale: Sequence[float], add: Sequence[float]) -> Doses:
    """The strengths, sorted, with those that change nothing."""
    return {
        "SCALE": tuple(sorted({*scale, IDENTITY["SCALE"]})),
        "ADD": tuple(sorted({*add, IDENTITY["ADD"]})),
    }


@torch.no_grad()
def trial(subjects: Subjects, settings: TrialSettings) -> Trial:
    """Everything that doses on these users are compared with."""
    config, seed = settings.config, settings.seed
    return Trial(
        subjects=subjects,
        settings=settings,
        plain=subjects.people.slates(),
        targets=torch.from_numpy(subjects.people.targets).long(),
        weights=user_draws(subjects.n_users, config.draws, seed=seed),
        random=random_shifts(subjects, settings.measured_by, config.random_directions, seed),
    )


def saturation(points: Sequence[DosePoint], identity: float) -> float | None:
    """Smallest raising strength that brings nearly all of the largest rise of the share at 20.

    None where the share never rises, or where that strength is the last: it may go on from there.
    """
    at = {point.strength: point.share_at_20.value for point in points}
    raising = [strength for strength in at if strength > identity]
    rises = [at[strength] - at[identity] for strength in raising]
    largest = max(rises, default=0.0)
    if largest <= 0:
        return None
    first = next(i for i, rise in enumerate(rises) if rise >= SATURATED * largest)
    return raising[first] if first < len(raising) - 1 else None

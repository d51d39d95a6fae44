"""Dose-response of attribute groups: SCALE and ADD, last and all positions, at each hook point.

Beside each edit three controls whose shift has the same norm for each user and position: random
directions, the wrong sign, and the hidden dimension that raises the attribute most.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from model_store.cards import Band
from model_store.manifest import EditPositions
from training.batches import generator
from training.config import Count
from training.dosing import Operation, Subjects, Target, newest_norms
from training.pipeline import Run
from training.progress import Report, silent
from training.study.hooks import Hook, dimension_at, group_at, hook_at
from training.study.outcomes import mean_band, user_draws
from training.study.paths import DialPath, path_along
from training.study.targets import TargetSettings, targets

GROUP, WRONG_SIGN = "group", "wrong sign"
RANDOM, DIMENSION = "random directions", "hidden dimension"
EDITS = (GROUP, WRONG_SIGN, RANDOM, DIMENSION)

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


class DosesSettings(TargetSettings):
    """Which doses are measured, where and on whom."""

    n_common: int = 3
    n_rare: int = 1
    hooks: tuple[Count, ...] = ()
    """Blocks of the hook points; none: after each block, and after the final norm."""
    n_choosers: Count = 500
    """Users who choose the groups by their validation items, at most."""
    n_users: Count = 400
    """Users measured on, at most."""
    add_strengths: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
    """Reference units added to a group."""
    scale_strengths: tuple[float, ...] = (0.0, 0.5, 2.0, 4.0, 8.0, 16.0)
    """Factors of a group's activations."""
    n_random: Count = 3
    """Random directions, whose mean outcome is reported."""
    draws: Count = 200
    """Of the bootstrap over users."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of random directions and bootstrap."""


@dataclass(frozen=True)
class DoseCurve:
    """What one edit does along its strengths; every list has one entry for each strength."""

    positions: str
    """`last` or `all`."""
    operation: str
    """`ADD` or `SCALE`."""
    edit: str
    """`group`, or a control of equal norm: see `EDITS`."""
    strengths: tuple[float, ...]
    """Reference units (`ADD`) or factors (`SCALE`)."""
    norm_shares: tuple[float, ...]
    """Mean norm of the shift over that of the hidden state, at the newest position."""
    shares: tuple[Band, ...]
    """Mean share of the attribute in the top 20."""
    kept_shares: tuple[float, ...]
    """NDCG@10 over that of the unsteered slates."""


@dataclass(frozen=True)
class AttributeDoses:
    """One attribute's doses at one hook point."""

    attribute: str
    """`name=value`."""
    block: int
    """Of the hook point; n_blocks + 1 is after the final norm."""
    n_features: int
    """Of the group."""
    share: float
    """Of the attribute in the unsteered top 20."""
    ndcg: float
    """NDCG@10 unsteered."""
    inactive_share: float
    """Share of users in whom no feature of the group is active at the newest position."""
    curves: tuple[DoseCurve, ...]
    """By positions, operation and edit."""


@dataclass(frozen=True)
class DosesStudy:
    """Doses of all attributes at all hook points; `dataclasses.asdict` of it is JSON."""

    n_users: int
    """Users measured on."""
    n_blocks: int
    """Of the base model."""
    doses: tuple[AttributeDoses, ...]
    """By hook point, then attribute; where no feature raises an attribute, it is left out."""


@dataclass(frozen=True, eq=False)
class Controls:
    """Unit vectors that a shift is replaced by."""

    random: Tensor
    """[n_random, d_model]."""
    dimension: Tensor
    """[d_model]."""


@torch.no_grad()
def study_of(run: Run, settings: DosesSettings, report: Report = silent) -> DosesStudy:
    """The doses of a run's base model, with an SAE at each hook point.

    Args:
        run: trained; SAEs for other hook points are trained by its settings.
        settings: which doses, on whom.
        report: told after each attribute at each hook point.
    """
    n_blocks = run.base_model.shape.n_blocks
    blocks = settings.hooks or tuple(range(1, n_blocks + 2))
    table, found = targets(run.dataset, settings), []
    for block in blocks:
        sizes = {"n_choosers": settings.n_choosers, "n_users": settings.n_users}
        hook = hook_at(run, block, **sizes)
        for column, value in enumerate(table.values):
            name, carries = f"{value.name}={value.value}", table.carries[:, column]
            if (target := group_at(hook, carries)) is not None:
                found.append(attribute_doses(name, hook, target, carries, settings))
            report("doses", len(found), len(blocks) * len(table.values), name)
    n_users = min(len(run.cohorts.promised), settings.n_users)
    return DosesStudy(n_users, n_blocks, tuple(found))


def attribute_doses(
    name: str, hook: Hook, target: Target, carries: Bools, settings: DosesSettings
) -> AttributeDoses:
    """Every edit of one attribute at one hook point.

    Args:
        name: `name=value` of the attribute.
        hook: where, and on whom.
        target: the attribute's group there.
        carries: [n_items + 1].
        settings: strengths and draws.
    """
    d_model = hook.people.newest.shape[1]
    drawn = generator(settings.seed, 13).standard_normal((settings.n_random, d_model))
    random = torch.nn.functional.normalize(torch.from_numpy(drawn), dim=1)
    controls = Controls(random.to(hook.people.hidden), dimension_at(hook, carries))
    plain = path_along([hook.people.slates()], hook.people, carries)
    curves: list[DoseCurve] = []
    for positions in _positions(hook):
        subjects = Subjects.at(hook.people, hook.sae, positions, hook.references)
        for operation, strengths in _operations(settings):
            shifts = [subjects.shift(operation, target, strength) for strength in strengths]
            for edit in EDITS:
                path = _path(hook, [replaced(shift, edit, controls) for shift in shifts], carries)
                measured = _measured(path, plain, settings)
                norms = _norm_shares(shifts, hook)
                curves.append(
                    DoseCurve(positions.value, operation, edit, strengths, norms, *measured)
                )
    last = Subjects.at(hook.people, hook.sae, EditPositions.LAST, hook.references)
    return AttributeDoses(
        attribute=name,
        block=hook.block,
        n_features=len(target.features),
        share=float(plain.shares[0].mean()),
        ndcg=float(plain.gains[0].mean()),
        inactive_share=float((~last.active(target)).double().mean()),
        curves=tuple(curves),
    )


def _positions(hook: Hook) -> tuple[EditPositions, ...]:
    """All positions only where a block above the hook reads them."""
    is_below = hook.block < hook.people.model.shape.n_blocks
    return (EditPositions.LAST, EditPositions.ALL) if is_below else (EditPositions.LAST,)


def _operations(settings: DosesSettings) -> Iterator[tuple[Operation, tuple[float, ...]]]:
    yield "ADD", settings.add_strengths
    yield "SCALE", settings.scale_strengths


def replaced(shift: Tensor, edit: str, controls: Controls) -> list[Tensor]:
    """The shifts [n, n_edited, d_model] of an edit, each as long as the group's everywhere."""
    norms = shift.norm(dim=2, keepdim=True)
    match edit:
        case "wrong sign":
            return [-shift]
        case "random directions":
            return [norms * direction for direction in controls.random]
        case "hidden dimension":
            return [norms * controls.dimension]
        case _:
            return [shift]


def _path(hook: Hook, shifts: Sequence[Sequence[Tensor]], carries: Bools) -> DialPath:
    """Outcomes at each strength, the mean over its shifts."""
    found = [_slates(hook, alike) for alike in shifts]
    paths = [path_along(slates, hook.people, carries) for slates in found]
    return DialPath(
        np.stack([path.shares.mean(0) for path in paths]),
        np.stack([path.gains.mean(0) for path in paths]),
    )


def _slates(hook: Hook, shifts: Iterable[Tensor]) -> Iterator[Tensor]:
    for shift in shifts:
        yield hook.people.slates(shift)


def _measured(
    path: DialPath, plain: DialPath, settings: DosesSettings
) -> tuple[tuple[Band, ...], tuple[float, ...]]:
    """Shares with their bands, and what is kept, at each strength."""
    weights = user_draws(path.shares.shape[1], settings.draws, seed=settings.seed)
    kept = path.gains.mean(1) / max(float(plain.gains.mean()), 1e-12)
    return tuple(mean_band(row, weights) for row in path.shares), tuple(kept.tolist())


def _norm_shares(shifts: Iterable[Tensor], hook: Hook) -> tuple[float, ...]:
    norms = hook.people.newest.norm(dim=1).double().cpu().numpy()
    return tuple(float((newest_norms(shift) / norms).mean()) for shift in shifts)

"""Do effect cards keep what they promise? Doses picked from cards alone, tried on other users.

For each attribute group the card's ADD curve says which strength raises the share by 10 and by 25
points. That strength is applied to promised users, whom no card has seen, by their test items; the
share that comes out must lie within 3 points of the one that the card gives.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
import torch
from pydantic import Field
from scipy.interpolate import PchipInterpolator

from model_store.cards import AttributeGroup, Band, DosePoint, DoseResponse
from model_store.manifest import Share
from training.attributes import attribute_table
from training.config import Count, Settings
from training.dosing import IDENTITY, Subjects, Target
from training.pipeline import Run
from training.progress import Report, silent
from training.study.cohorts import audience_at_test
from training.study.outcomes import (
    Floats,
    Outcomes,
    Yardstick,
    mean_band,
    outcomes,
    ratio_band,
    user_draws,
)

KEPT, BROKEN, UNATTAINABLE = "KEPT", "BROKEN", "UNATTAINABLE"


class PromiseSettings(Settings):
    """What is promised, to whom, and how near is near enough."""

    rises: tuple[Share, ...] = (0.1, 0.25)
    """Wanted rises of the share at 20."""
    tolerance: Share = 0.03
    """Largest difference between the share promised and measured."""
    n_users: Count = 2_000
    """Promised users, at most."""
    draws: Annotated[int, Field(ge=0)] = 300
    """Of the bootstrap over users."""


@dataclass(frozen=True)
class Promise:
    """One dose, picked from a card, and what it did."""

    attribute: str
    """`name=value`."""
    rise: float
    """Wanted rise of the share at 20 over the card's unsteered one."""
    status: str
    """KEPT, BROKEN, or UNATTAINABLE where the card's curve never gets there."""
    strength: float | None
    """Reference units that the card names; None: unattainable."""
    promised_share: float
    """The card's unsteered share and the rise."""
    measured_share: Band | None
    """Of promised users under the strength."""
    promised_kept: float | None
    """NDCG@10 kept, by the card."""
    measured_kept: Band | None
    """NDCG@10 kept by promised users."""


@dataclass(frozen=True)
class PromisedGroup:
    """One attribute group's promises."""

    attribute: str
    """`name=value`."""
    carded_share: float
    """Unsteered share at 20, by the card."""
    measured_share: Band
    """The same of promised users."""
    is_kept: bool | None
    """Whether every attainable promise was kept; None: none is attainable."""
    promises: tuple[Promise, ...]
    """By rise."""


@dataclass(frozen=True)
class PromiseStudy:
    """All groups; `dataclasses.asdict` of it is JSON."""

    n_carded: int
    """Users whom cards were measured on."""
    n_promised: int
    """Users whom doses were tried on."""
    tolerance: float
    """Largest difference of shares for a promise kept."""
    n_groups: int
    """Groups with at least one attainable promise."""
    kept_group_share: float
    """Part of them that kept every attainable promise."""
    n_promises: int
    """Attainable promises."""
    kept_promise_share: float
    """Part of them that were kept."""
    n_unattainable: int
    """Promises that cards themselves rule out."""
    mean_share_error: float
    """Mean size of the difference between promised and measured share."""
    mean_kept_error: float
    """Mean of NDCG kept as measured less as promised."""
    groups: tuple[PromisedGroup, ...]
    """By attribute."""


class Dose(NamedTuple):
    """A strength read off a card."""

    strength: float
    """Reference units."""
    ndcg_kept_share: float
    """What the card says is kept."""


class Trying(NamedTuple):
    """Promised users, ready to be steered."""

    subjects: Subjects
    plain: torch.Tensor
    """Unsteered slates [n, 20]."""
    targets: torch.Tensor
    """Item index that came next [n]."""
    measured_by: Yardstick
    weights: Floats
    """Of users in the bootstrap [draws + 1, n]."""

    def outcomes(self, slates: torch.Tensor, value: int) -> Outcomes:
        """What slates are worth, about an attribute by its column."""
        return outcomes(slates, self.plain, self.targets, self.measured_by, value)


@torch.no_grad()
def study_of(
    run: Run, settings: PromiseSettings | None = None, report: Report = silent
) -> PromiseStudy:
    """The promise test of a run's cards, which are measured if they are not yet."""
    settings = settings or PromiseSettings()
    table = attribute_table(run.dataset, run.config.cards.min_items)
    trying = _trying(run, Yardstick.of(table, run.split.train), settings)
    carded = [(group, response) for group in run.cards.groups for response in _add(group)]
    groups = []
    for place, (group, response) in enumerate(carded):
        on = (trying, table.values.index(group.attribute))
        groups.append(_tried(group, response, *on, settings))
        report("promises", place + 1, len(carded))
    n_carded = max((response.n_users for _, response in carded), default=0)
    return _study(groups, n_carded, trying.subjects.n_users, settings.tolerance)


def strength_for(points: Sequence[DosePoint], share: float) -> Dose | None:
    """The dose at which a curve of ADD first reaches a share at 20; None: nowhere in the grid.

    Between strengths the curve is the monotone cubic through all of them (PCHIP): shares level
    off towards the large strengths, which lie far apart, and a straight line there reads too
    large a dose off a card (`training/LOG.md`, 2026-11-24).

    Args:
        points: by strength, ascending.
        share: not below the unsteered one.

    Source: Fritsch and Butland, SIAM J. Sci. Stat. Comput. 5 (1984).
    """
    if len(points) < 2:
        return None
    strengths = [point.strength for point in points]
    curve = PchipInterpolator(strengths, [point.share_at_20.value for point in points])
    reached = curve.solve(share, extrapolate=False)
    rising = [at for at in reached if at >= IDENTITY["ADD"]]
    if not rising:
        return None
    kept = PchipInterpolator(strengths, [point.ndcg_kept_share.value for point in points])
    return Dose(float(rising[0]), float(kept(rising[0])))


def _trying(run: Run, measured_by: Yardstick, settings: PromiseSettings) -> Trying:
    rows = run.cohorts.promised[: settings.n_users]
    people = audience_at_test(run.base_model, run.block, run.split, rows)
    positions = run.config.hook_point.positions
    return Trying(
        subjects=Subjects.of(people, run.sae, positions, run.cards.features),
        plain=people.slates(),
        targets=torch.from_numpy(people.targets).long(),
        measured_by=measured_by,
        weights=user_draws(len(rows), settings.draws, seed=run.config.seed),
    )


def _tried(
    group: AttributeGroup,
    response: DoseResponse,
    trying: Trying,
    value: int,
    settings: PromiseSettings,
) -> PromisedGroup:
    unsteered = trying.outcomes(trying.plain, value)
    base = next(p for p in response.points if p.strength == IDENTITY["ADD"]).share_at_20.value
    promises = tuple(
        _promise(group, response, base + rise, rise, (trying, value, unsteered), settings)
        for rise in settings.rises
    )
    attainable = [promise.status == KEPT for promise in promises if promise.status != UNATTAINABLE]
    return PromisedGroup(
        attribute=_name(group),
        carded_share=base,
        measured_share=mean_band(unsteered.shares_at_20, trying.weights),
        is_kept=all(attainable) if attainable else None,
        promises=promises,
    )


def _promise(
    group: AttributeGroup,
    response: DoseResponse,
    share: float,
    rise: float,
    on: tuple[Trying, int, Outcomes],
    settings: PromiseSettings,
) -> Promise:
    trying, value, unsteered = on
    dose = strength_for(response.points, share)
    if dose is None:
        return Promise(_name(group), rise, UNATTAINABLE, None, share, None, None, None)
    shift = trying.subjects.shift("ADD", Target.group(group), dose.strength)
    steered = trying.outcomes(trying.subjects.people.slates(shift), value)
    measured = mean_band(steered.shares_at_20, trying.weights)
    return Promise(
        attribute=_name(group),
        rise=rise,
        status=KEPT if abs(measured.value - share) <= settings.tolerance else BROKEN,
        strength=dose.strength,
        promised_share=share,
        measured_share=measured,
        promised_kept=dose.ndcg_kept_share,
        measured_kept=ratio_band(steered.gains, unsteered.gains, trying.weights),
    )


def _study(
    groups: Sequence[PromisedGroup], n_carded: int, n_promised: int, tolerance: float
) -> PromiseStudy:
    every = [promise for group in groups for promise in group.promises]
    tried = [promise for promise in every if promise.status != UNATTAINABLE]
    judged = [group for group in groups if group.is_kept is not None]
    return PromiseStudy(
        n_carded=n_carded,
        n_promised=n_promised,
        tolerance=tolerance,
        n_groups=len(judged),
        kept_group_share=_mean(bool(group.is_kept) for group in judged),
        n_promises=len(tried),
        kept_promise_share=_mean(promise.status == KEPT for promise in tried),
        n_unattainable=len(every) - len(tried),
        mean_share_error=_mean(abs(error) for error in _share_errors(tried)),
        mean_kept_error=_mean(_kept_errors(tried)),
        groups=tuple(groups),
    )


def _share_errors(tried: Sequence[Promise]) -> Iterator[float]:
    for promise in tried:
        if promise.measured_share:
            yield promise.measured_share.value - promise.promised_share


def _kept_errors(tried: Sequence[Promise]) -> Iterator[float]:
    for promise in tried:
        if promise.measured_kept and promise.promised_kept is not None:
            yield promise.measured_kept.value - promise.promised_kept


def _mean(values: Iterable[float]) -> float:
    """Mean; 0 of nothing."""
    found = list(values)
    return float(np.mean(found)) if found else 0.0


def _add(group: AttributeGroup) -> Iterator[DoseResponse]:
    """What ADD does, where it was measured."""
    return (effect for effect in group.effects if effect.operation == "ADD")


def _name(group: AttributeGroup) -> str:
    return f"{group.attribute.name}={group.attribute.value}"

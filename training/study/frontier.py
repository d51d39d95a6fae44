"""Share against NDCG: what raising an attribute costs, by every edit and by a plain re-rank.

Whatever needs choosing is chosen on the validation items of some users and measured on the test
items of the others. Rivals are compared at equal share, which makes their dials comparable.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field

from model_store.cards import Band
from training.config import Count
from training.pipeline import Run
from training.progress import Report, silent
from training.study.audience import Audience
from training.study.calissta import ALPHAS, Calibrations
from training.study.cohorts import audience_at_test, audience_at_validation
from training.study.outcomes import user_draws
from training.study.paths import (
    SHARE_STEPS,
    WANTED,
    DialPath,
    band,
    dialled_per_user,
    kept_of,
    mean_of_defined,
    path_along,
)
from training.study.reranks import RERANK, Rival
from training.study.rivals import LEARNED, candidates, feature_vectors, rivals_for
from training.study.targets import TargetSettings, targets

PER_USER = (RERANK, LEARNED)
"""Rivals whose dial is also set for each user, so that all slates have one share."""

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class FrontierSettings(TargetSettings):
    """Which attributes, on whom, and how finely."""

    n_choosers: Count = 3_000
    """Users who choose, at most."""
    n_users: Count = 2_000
    """Users measured on, at most."""
    n_strengths: Annotated[int, Field(ge=2)] = 13
    """Positions of each dial."""
    leave_out: tuple[str, ...] = ()
    """Names of rivals that are not run."""
    draws: Count = 300
    """Of the bootstrap over users."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of users, random directions and bootstrap."""


@dataclass(frozen=True)
class Kept:
    """NDCG@10 kept where a rival's path first reaches a share."""

    wanted: str
    """Which share: an entry of `paths.WANTED`."""
    kept: Band | None
    """NDCG@10 there over that without, interpolated between strengths; None: never reached."""
    over_rerank: Band | None
    """Kept, less what the re-rank keeps at the same share, on the same drawn users."""


@dataclass(frozen=True)
class Frontier:
    """A rival's path."""

    rival: str
    """Its name."""
    kind: str
    """`re-rank`, `sae`, `hybrid`, `probe`, `control` or `calibration`: see `reranks.KINDS`."""
    strengths: tuple[float, ...]
    """The dial's positions."""
    shares: tuple[float, ...]
    """Mean share of the attribute in the top 20 at each."""
    kept_shares: tuple[float, ...]
    """NDCG@10 at each over that at 0."""
    at: tuple[Kept, ...]
    """What is kept at the shares of the study."""


@dataclass(frozen=True)
class AttributeFrontier:
    """All rivals for one attribute on the same users."""

    attribute: str
    """`name=value`."""
    n_items: int
    """Items that carry it."""
    share: float
    """Of the attribute in the unsteered top 20."""
    frontiers: tuple[Frontier, ...]
    """By rival."""


@dataclass(frozen=True)
class MeanOverRerank:
    """A rival's difference from the re-rank, mean over the attributes that reach a share."""

    wanted: str
    """Which share."""
    over_rerank: Band | None
    """Mean difference of NDCG@10 kept; None: no attribute reaches it."""
    n_reached: int
    """Attributes for which rival and re-rank reach the share."""
    n_above: int
    """Of these, those whose interval lies above 0."""
    n_below: int
    """Those whose interval lies below 0."""


@dataclass(frozen=True)
class RivalSummary:
    """One rival over all attributes."""

    rival: str
    """Its name."""
    kind: str
    """As in `Frontier`."""
    at: tuple[MeanOverRerank, ...]
    """By wanted share."""


@dataclass(frozen=True)
class FrontierStudy:
    """All attributes on the same users; `dataclasses.asdict` of it is JSON."""

    block: int
    """Of the hook point."""
    n_choosers: int
    """Users who chose."""
    n_users: int
    """Users measured on."""
    ndcg: float
    """NDCG@10 of their unsteered slates."""
    attributes: tuple[AttributeFrontier, ...]
    """By attribute."""
    summaries: tuple[RivalSummary, ...]
    """By rival."""


@dataclass(frozen=True, eq=False)
class Raced:
    """A rival on the measured users."""

    name: str
    """The rival's."""
    kind: str
    """The rival's."""
    strengths: tuple[float, ...]
    """The dial's positions."""
    path: DialPath
    """Each user's outcomes."""
    kept: dict[str, Floats]
    """At each entry of `WANTED`, under each weighting of users [1 + draws]."""


def study_of(run: Run, settings: FrontierSettings, report: Report = silent) -> FrontierStudy:
    """The frontiers of a run's base model and SAE.

    Args:
        run: trained.
        settings: which attributes, on whom.
        report: told after each attribute.
    """
    table, names = targets(run.dataset, settings), []
    choosers, people = choosers_and_measured(run, settings)
    made_of = candidates(choosers, feature_vectors(run), table.carries, seed=settings.seed)
    weights = user_draws(len(people.targets), settings.draws, seed=settings.seed)
    calibrated = [Calibrations(run, people, alpha) for alpha in ALPHAS]
    races: list[list[Raced]] = []
    for column, value in enumerate(table.values):
        rivals = rivals_for(
            made_of, people, table.carries, column, n_strengths=settings.n_strengths
        )
        rivals += [made.rival(value, n_strengths=settings.n_strengths) for made in calibrated]
        allowed = [rival for rival in rivals if rival.name not in settings.leave_out]
        races.append(race(allowed, people, table.carries[:, column], weights))
        names.append(f"{value.name}={value.value}")
        report("frontier", column + 1, len(table.values), names[-1])
    return FrontierStudy(
        block=run.block,
        n_choosers=len(choosers.targets),
        n_users=len(people.targets),
        ndcg=float(races[0][0].path.gains[0].mean()),
        attributes=tuple(
            attribute_frontier(name, raced, int(n_items))
            for name, raced, n_items in zip(names, races, table.carries.sum(0), strict=True)
        ),
        summaries=summaries(races),
    )


def choosers_and_measured(run: Run, settings: FrontierSettings) -> tuple[Audience, Audience]:
    """Users with their validation items, and others with their test items.

    Carded users choose as well: no effect card is read here.
    """
    dealt = run.cohorts
    choosing = np.concatenate([dealt.choosers, dealt.carded])[: settings.n_choosers]
    measured = dealt.promised[: settings.n_users]
    where = (run.base_model, run.block, run.split)
    return audience_at_validation(*where, choosing), audience_at_test(*where, measured)


@torch.no_grad()
def race(rivals: Sequence[Rival], people: Audience, carries: Bools, weights: Floats) -> list[Raced]:
    """Every rival's path over the same users; those of `PER_USER` also dialled for each user.

    Args:
        rivals: one of them named `RERANK`, with which the others are compared.
        people: users on whom nothing was chosen.
        carries: [n_items + 1] which items carry the attribute.
        weights: of users [1 + draws, n], the first without a draw.
    """
    raced = []
    for rival in rivals:
        path = path_along(map(rival.slates, rival.strengths), people, carries)
        raced.append(Raced(rival.name, rival.kind, rival.strengths, path, kept_of(path, weights)))
        if rival.name in PER_USER:
            own, name = dialled_per_user(path), f"{rival.name}, one share for all"
            raced.append(Raced(name, rival.kind, SHARE_STEPS, own, kept_of(own, weights)))
    return raced


def attribute_frontier(name: str, raced: Sequence[Raced], n_items: int) -> AttributeFrontier:
    """The rivals of one attribute, each beside the re-rank."""
    plain = _plain(raced)
    return AttributeFrontier(
        attribute=name,
        n_items=n_items,
        share=float(raced[0].path.shares[0].mean()),
        frontiers=tuple(_frontier(one, plain) for one in raced),
    )


def summaries(races: Sequence[Sequence[Raced]]) -> tuple[RivalSummary, ...]:
    """Each rival's mean difference from the re-rank over the attributes."""
    return tuple(
        RivalSummary(
            rival=one.name,
            kind=one.kind,
            at=tuple(
                _mean_over_rerank(
                    wanted, [raced[place].kept[wanted] - _plain(raced)[wanted] for raced in races]
                )
                for wanted in WANTED
            ),
        )
        for place, one in enumerate(races[0])
    )


def _plain(raced: Sequence[Raced]) -> dict[str, Floats]:
    return next(one.kept for one in raced if one.name == RERANK)


def _frontier(one: Raced, plain: dict[str, Floats]) -> Frontier:
    shares, gains = one.path.shares.mean(1), one.path.gains.mean(1)
    return Frontier(
        rival=one.name,
        kind=one.kind,
        strengths=one.strengths,
        shares=tuple(shares.tolist()),
        kept_shares=tuple((gains / max(gains[0], 1e-12)).tolist()),
        at=tuple(
            Kept(wanted, band(kept), band(kept - plain[wanted]))
            for wanted, kept in one.kept.items()
        ),
    )


def _mean_over_rerank(wanted: str, differences: Sequence[Floats]) -> MeanOverRerank:
    bands = [found for found in map(band, differences) if found is not None]
    return MeanOverRerank(
        wanted=wanted,
        over_rerank=band(mean_of_defined(differences)),
        n_reached=len(bands),
        n_above=sum(found.low > 0 for found in bands),
        n_below=sum(found.high < 0 for found in bands),
    )

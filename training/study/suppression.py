"""Suppression that suppresses: a favourite attribute of its fans, brought to almost none.

Fans of a value are the tenth of the measured users with the largest share of it in their history.
What brings it under 5 % of their top 20, and what is that worth in NDCG?
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from model_store.cards import AttributeGroup, AttributeValue, Band
from model_store.manifest import Share
from training.config import Count
from training.dosing import Operation, Subjects, Target
from training.pipeline import Run
from training.progress import Report, silent
from training.study.audience import Audience
from training.study.cohorts import audience_at_test
from training.study.outcomes import mean_band, ratio_band, slates_of, user_draws
from training.study.paths import DialPath, path_along
from training.study.reranks import MAX_SCORE_SHARE, dial, score_deviation
from training.study.targets import TargetSettings, targets

ADD, SCALE, RERANK = "add", "scale", "re-rank"

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


class SuppressionSettings(TargetSettings):
    """What is suppressed, for whom, and how far."""

    n_common: int = 6
    n_rare: int = 0
    fans_share: Share = 0.1
    """Share of the users who are fans: those with the largest share of the value in the history."""
    min_fans: Count = 50
    """Fewest fans, where there are as many users."""
    wanted_share: Share = 0.05
    """A smaller share of the value in the top 20 counts as suppressed."""
    add_strengths: tuple[float, ...] = (
        0,
        -1,
        -2,
        -4,
        -8,
        -12,
        -16,
        -20,
        -24,
        -28,
        -32,
        -40,
        -48,
        -64,
    )
    """Reference units added to the group, from 0 downwards."""
    scale_strengths: tuple[float, ...] = (1, 0.5, 0)
    """Factors of the group's activations, from 1 downwards."""
    n_rerank: Annotated[int, Field(ge=2)] = 12
    """Strengths of the negative re-rank."""
    draws: Count = 300
    """Of the bootstrap over fans."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the bootstrap."""


@dataclass(frozen=True)
class Suppressed:
    """The first strength at which the share is small enough."""

    strength: float
    """Reference units, a factor, or what the re-rank takes off in deviations of scores."""
    share: Band
    """Mean share of the attribute in the fans' top 20 there."""
    kept: Band
    """NDCG@10 over that without."""
    kept_others: Band | None
    """The same over the fans whose next item does not carry the attribute; None: there are none."""


@dataclass(frozen=True)
class SuppressionPath:
    """One method along its strengths, the first of which does nothing."""

    method: str
    """`add`, `scale`, `re-rank`."""
    strengths: tuple[float, ...]
    """See `Suppressed`."""
    shares: tuple[float, ...]
    """Mean share of the attribute in the fans' top 20."""
    kept_shares: tuple[float, ...]
    """NDCG@10 over that without."""
    reached: Suppressed | None
    """Where the share is first small enough; None: nowhere."""


@dataclass(frozen=True)
class AttributeSuppression:
    """One attribute and its fans."""

    attribute: str
    """`name=value`."""
    n_fans: int
    """Users."""
    history_share: float
    """Mean share of the attribute in their histories."""
    share: float
    """In their unsteered top 20."""
    ndcg: float
    """NDCG@10 of their unsteered slates."""
    next_share: float
    """Share of fans whose next item carries the attribute."""
    paths: tuple[SuppressionPath, ...]
    """By method."""


@dataclass(frozen=True)
class SuppressionStudy:
    """All attributes; `dataclasses.asdict` of it is JSON."""

    n_users: int
    """Users among whom fans were looked for."""
    wanted_share: float
    """A smaller share counts as suppressed."""
    attributes: tuple[AttributeSuppression, ...]
    """By attribute; those without a group of features are left out."""


@torch.no_grad()
def study_of(run: Run, settings: SuppressionSettings, report: Report = silent) -> SuppressionStudy:
    """Suppression by the bundle's own groups, on users who did not choose them.

    Args:
        run: trained.
        settings: of what, and for whom.
        report: told after each attribute.
    """
    dealt = run.cohorts
    rows = np.concatenate([dealt.promised, dealt.carded])
    everyone = audience_at_test(run.base_model, run.block, run.split, rows)
    table, groups = targets(run.dataset, settings), _groups(run.cards.groups)
    found = []
    for column, value in enumerate(table.values):
        if value in groups:
            carries = table.carries[:, column]
            people = everyone.part(fans(everyone, carries, settings))
            positions = run.config.hook_point.positions
            subjects = Subjects.of(people, run.sae, positions, run.cards.features)
            name = f"{value.name}={value.value}"
            found.append(suppression(name, subjects, groups[value], carries, settings))
        report("suppression", column + 1, len(table.values))
    return SuppressionStudy(len(rows), settings.wanted_share, tuple(found))


def fans(people: Audience, carries: Bools, settings: SuppressionSettings) -> Tensor:
    """Row indices of the users with the largest share of an attribute in the history."""
    share = np.array([carries[items].mean() for items in people.histories])
    n_fans = min(max(round(settings.fans_share * len(share)), settings.min_fans), len(share))
    return torch.from_numpy(np.sort(np.argsort(-share, kind="stable")[:n_fans]))


def suppression(
    name: str, subjects: Subjects, target: Target, carries: Bools, settings: SuppressionSettings
) -> AttributeSuppression:
    """Every method on the fans of one attribute.

    Args:
        name: `name=value` of the attribute.
        subjects: its fans.
        target: its group.
        carries: [n_items + 1].
        settings: strengths.
    """
    people = subjects.people
    weights = user_draws(len(people.targets), settings.draws, seed=settings.seed)
    others = ~carries[people.targets]
    paths = []
    for method, strengths, slates in _methods(subjects, target, carries, settings):
        path = path_along(slates, people, carries)
        first = reached(path, strengths, weights, others, settings.wanted_share)
        paths.append(_path(method, strengths, path, first))
    return AttributeSuppression(
        attribute=name,
        n_fans=len(people.targets),
        history_share=float(np.mean([carries[items].mean() for items in people.histories])),
        share=paths[0].shares[0],
        ndcg=float(path.gains[0].mean()),
        next_share=float(carries[people.targets].mean()),
        paths=tuple(paths),
    )


def reached(
    path: DialPath, strengths: tuple[float, ...], weights: Floats, others: Bools, wanted: float
) -> Suppressed | None:
    """What the first strength gives at which the share is below `wanted`.

    Args:
        path: the first strength does nothing.
        strengths: of the path.
        weights: of users [1 + draws, n].
        others: whose next item does not carry the attribute [n].
        wanted: share of the top 20.
    """
    small = np.flatnonzero(path.shares.mean(1) < wanted)
    if not len(small):
        return None
    place = int(small[0])
    return Suppressed(
        strength=strengths[place],
        share=mean_band(path.shares[place], weights),
        kept=ratio_band(path.gains[place], path.gains[0], weights),
        kept_others=ratio_band(path.gains[place] * others, path.gains[0] * others, weights)
        if (path.gains[0] * others).any()
        else None,
    )


def _methods(
    subjects: Subjects, target: Target, carries: Bools, settings: SuppressionSettings
) -> Iterator[tuple[str, tuple[float, ...], Iterable[Tensor]]]:
    """Name, strengths and slates at each of them, of every method."""
    people = subjects.people
    yield ADD, settings.add_strengths, _steered(subjects, target, "ADD", settings.add_strengths)
    factors = settings.scale_strengths
    yield SCALE, factors, _steered(subjects, target, "SCALE", factors)
    unit = score_deviation(people)
    steps = tuple(-step for step in dial(MAX_SCORE_SHARE, settings.n_rerank))
    carried = torch.from_numpy(carries).to(people.hidden)
    yield RERANK, steps, (slates_of(people.scores() + step * unit * carried) for step in steps)


def _steered(
    subjects: Subjects, target: Target, operation: Operation, strengths: Iterable[float]
) -> Iterator[Tensor]:
    for strength in strengths:
        shift = subjects.shift(operation, target, strength)
        yield subjects.people.slates(shift)


def _path(
    method: str, strengths: tuple[float, ...], path: DialPath, first: Suppressed | None
) -> SuppressionPath:
    gains = path.gains.mean(1)
    return SuppressionPath(
        method=method,
        strengths=strengths,
        shares=tuple(path.shares.mean(1).tolist()),
        kept_shares=tuple((gains / max(gains[0], 1e-12)).tolist()),
        reached=first,
    )


def _groups(groups: Iterable[AttributeGroup]) -> dict[AttributeValue, Target]:
    return {group.attribute: Target.group(group) for group in groups}

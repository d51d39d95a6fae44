"""Suppression that suppresses: a favourite attribute of its fans, brought to almost none.

Fans of a value are the tenth of the measured users with the largest share of it in their history.
What brings it under 5 % of their top 20, and what is that worth in NDCG?
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from model_store.manifest import Share
from training.config import Count
from training.study.targets import TargetSettings


class SuppressionSettings(TargetSettings):
    """What is suppressed, for whom, and how far."""

    n_common: int = 6
    n_rare: int = 0
    fans_share: Share = 0.1
    """Share of the users who are fans: those with the largest share of the value in the history."""
    min_fans: Count = 50
    """Fewest fans, where there are as many users."""
    wanted_share: Share = 0.05
    """Largest share of the value in the top 20 that counts as suppressed."""
    add_strengths: tuple[float, ...] = (-0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0, -8.0)
    """Reference units added to the group."""
    n_rerank: Count = 12
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
    share: float
    """Mean share of the attribute in the fans' top 20 there."""
    share_low: float
    """Lower end of the 95 % interval, fans drawn with replacement."""
    share_high: float
    """Upper end."""
    kept: float
    """NDCG@10 over that without."""
    kept_low: float
    """Lower end of its 95 % interval."""
    kept_high: float
    """Upper end."""
    kept_others: float | None
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
    kept_others_shares: tuple[float, ...]
    """The same over the fans whose next item does not carry the attribute."""
    reached: Suppressed | None
    """Where the wanted share is first reached; None: nowhere."""


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
    """Largest share that counts as suppressed."""
    attributes: tuple[AttributeSuppression, ...]
    """By attribute."""

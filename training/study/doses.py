"""Dose-response of attribute groups: SCALE and ADD, last and all positions, at each hook point.

Beside each edit three controls whose shift has the same norm for each user and position: random
directions, the wrong sign, and the hidden dimension that raises the attribute most.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from training.config import Count
from training.study.targets import TargetSettings

GROUP, WRONG_SIGN = "group", "wrong sign"
RANDOM, DIMENSION = "random directions", "hidden dimension"
EDITS = (GROUP, WRONG_SIGN, RANDOM, DIMENSION)


class DosesSettings(TargetSettings):
    """Which doses are measured, where and on whom."""

    n_common: int = 3
    n_rare: int = 1
    hooks: tuple[int, ...] = ()
    """Blocks of the hook points; none: after each block, and after the final norm."""
    n_choosers: Count = 1_000
    """Users who choose the groups by their validation items, at most."""
    n_users: Count = 600
    """Users measured on, at most."""
    add_strengths: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
    """Reference units added to a group."""
    scale_strengths: tuple[float, ...] = (0.0, 0.5, 2.0, 4.0, 8.0, 16.0)
    """Factors of a group's activations."""
    n_random: Count = 5
    """Random directions, whose mean outcome is reported."""
    draws: Count = 300
    """Of the bootstrap over users."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of users, random directions and bootstrap."""


@dataclass(frozen=True)
class DoseCurve:
    """What one edit does along its strengths; every list has one entry for each strength."""

    attribute: str
    """`name=value`."""
    block: int
    """Of the hook point; n_blocks + 1 is after the final norm."""
    positions: str
    """`last` or `all`."""
    operation: str
    """`add` or `scale`."""
    edit: str
    """`group`, or a control of equal norm: see `EDITS`."""
    strengths: tuple[float, ...]
    """Reference units (`add`) or factors (`scale`)."""
    norm_shares: tuple[float, ...]
    """Mean norm of the shift over that of the hidden state, at the newest position."""
    shares: tuple[float, ...]
    """Mean share of the attribute in the top 20."""
    share_lows: tuple[float, ...]
    """Lower ends of the 95 % intervals, users drawn with replacement."""
    share_highs: tuple[float, ...]
    """Upper ends."""
    kept_shares: tuple[float, ...]
    """NDCG@10 over that of the unsteered slates."""


@dataclass(frozen=True)
class AttributeDoses:
    """One attribute's doses at one hook point."""

    attribute: str
    """`name=value`."""
    block: int
    """Of the hook point."""
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
    """By hook point, then attribute."""

"""Targeting, ready to be asked once per request. Never changed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from service.presets.rollout import CompiledRollout, compiled_rollout
from service.presets.schedule import CompiledSchedule, compiled_schedule
from service.presets.targeting import Targeting
from steering.errors import ConditionRefused, InvalidRule, RuleFault
from steering.resolved import Condition, Context


class SkipReason(Enum):
    """Why a preset did not take part; the numbers are the contract's."""

    CONDITION_FALSE = 1
    OUTSIDE_SCHEDULE = 2
    OUTSIDE_ROLLOUT = 3
    EXCLUDED = 4


class KeptOut(NamedTuple):
    """Why a preset does not apply to a request."""

    reason: SkipReason
    message: str
    """The same for a person."""


@dataclass(frozen=True, eq=False, slots=True)
class CompiledTargeting:
    """When a preset applies."""

    condition: Condition | None = None
    """None: always."""
    schedule: CompiledSchedule | None = None
    """None: at any time."""
    rollout: CompiledRollout | None = None
    """None: to all callers."""
    priority: int = 0
    """The higher applies later."""
    exclusivity_group: str = ""
    """Of its presets only one applies; empty: none."""
    is_default: bool = False
    """Whether it applies without being named."""

    def kept_out(self, context: Context, now: datetime) -> KeptOut | None:
        """Why the preset does not apply; None: it does.

        The cheapest part is asked first, and the first that does not hold is told.

        Args:
            context: of the request.
            now: its moment, with a time zone.
        """
        if self.schedule is not None and (why := self.schedule.why_not(now)):
            return KeptOut(SkipReason.OUTSIDE_SCHEDULE, why)
        if self.rollout is not None and (why := self.rollout.why_not(context)):
            return KeptOut(SkipReason.OUTSIDE_ROLLOUT, why)
        if self.condition is not None and (why := self.condition(context)):
            return KeptOut(SkipReason.CONDITION_FALSE, why)
        return None


ALWAYS = CompiledTargeting()
"""Of a preset that has no targeting."""


def compiled_targeting(
    targeting: Targeting | None, preset: str, compile_condition: Callable[[str], Condition]
) -> CompiledTargeting:
    """The targeting of a preset, ready to be asked.

    Raises:
        RuleFault: this version cannot read its condition, or this machine its time zone.
    """
    if targeting is None:
        return ALWAYS
    return CompiledTargeting(
        _condition(targeting, compile_condition),
        _schedule(targeting),
        compiled_rollout(targeting.rollout, preset) if targeting.rollout else None,
        targeting.priority,
        targeting.exclusivity_group,
        targeting.is_default,
    )


def never_asked(targeting: Targeting | None) -> CompiledTargeting:
    """What is left of a targeting that cannot be compiled: its place."""
    if targeting is None:
        return ALWAYS
    return CompiledTargeting(
        priority=targeting.priority,
        exclusivity_group=targeting.exclusivity_group,
        is_default=targeting.is_default,
    )


def _condition(
    targeting: Targeting, compile_condition: Callable[[str], Condition]
) -> Condition | None:
    if not targeting.condition:
        return None
    try:
        return compile_condition(targeting.condition)
    except ConditionRefused as refused:
        raise InvalidRule("targeting.condition", str(refused)) from refused


def _schedule(targeting: Targeting) -> CompiledSchedule | None:
    if targeting.schedule is None:
        return None
    try:
        return compiled_schedule(targeting.schedule)
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        zone = targeting.schedule.time_zone
        message = f"{zone!r} is not in this machine's time zone database; update it"
        raise RuleFault("targeting.schedule.time_zone", message) from None

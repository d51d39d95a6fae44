"""When a preset applies, as it is written: condition, schedule, rollout, and its place."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from steerrec.v1 import targeting_pb2

from service.errors import InvalidRequest, Violation
from service.presets.rollout import (
    Rollout,
    rollout_from_proto,
    rollout_to_proto,
    rollout_violations,
)
from service.presets.schedule import (
    Schedule,
    schedule_from_proto,
    schedule_to_proto,
    schedule_violations,
    zone_violations,
)
from steering.errors import ConditionRefused
from steering.rules import LINES, MAX_CONDITION, hidden_character

MAX_PRIORITY = 1000
GROUP = re.compile(r"[a-z][a-z0-9-]{0,62}")
FIELD = "preset.targeting"
"""Path in a write."""


@dataclass(frozen=True, slots=True)
class Targeting:
    """When a preset applies. Every part that is given must hold."""

    condition: str = ""
    """CEL over the context; empty: always."""
    schedule: Schedule | None = None
    """None: at any time."""
    rollout: Rollout | None = None
    """None: to all callers."""
    priority: int = 0
    """-1,000 to 1,000; the higher applies later."""
    exclusivity_group: str = ""
    """Of its presets only one applies; empty: none."""
    is_default: bool = False
    """Whether it applies without being named."""


def targeting_from_proto(message: targeting_pb2.Targeting, field: str = FIELD) -> Targeting:
    """The targeting that a message means.

    Raises:
        InvalidRequest: with every fault that it has on any machine, whatever its condition says.
    """
    faults: list[Violation] = []
    targeting = _read(message, field, faults)
    faults += _violations(targeting, field)
    if faults:
        raise InvalidRequest(faults)
    return targeting


def checked_targeting(
    message: targeting_pb2.Targeting,
    check_condition: Callable[[str], object],
    check_key: Callable[[str], str] = lambda _: "",
    field: str = FIELD,
) -> Targeting:
    """The targeting of a write, checked whole: time zone and condition too.

    Args:
        message: as received.
        check_condition: raises ConditionRefused where an expression is no condition.
        check_key: what is wrong with a rollout's key; empty: nothing.
        field: its path, for faults.

    Raises:
        InvalidRequest: with every fault.
    """
    faults: list[Violation] = []
    targeting = _read(message, field, faults)
    faults += _violations(targeting, field)
    if targeting.schedule is not None:
        faults += zone_violations(targeting.schedule, f"{field}.schedule")
    if targeting.rollout is not None and (why := check_key(targeting.rollout.context_key)):
        faults.append(Violation(f"{field}.rollout.context_key", why))
    if 0 < len(targeting.condition) <= MAX_CONDITION:
        try:
            check_condition(targeting.condition)
        except ConditionRefused as refused:
            faults.append(Violation(f"{field}.condition", str(refused)))
    if faults:
        raise InvalidRequest(faults)
    return targeting


def targeting_to_proto(targeting: Targeting) -> targeting_pb2.Targeting:
    """The message that means the targeting."""
    return targeting_pb2.Targeting(
        condition=targeting.condition,
        schedule=schedule_to_proto(targeting.schedule) if targeting.schedule else None,
        rollout=rollout_to_proto(targeting.rollout) if targeting.rollout else None,
        priority=targeting.priority,
        exclusivity_group=targeting.exclusivity_group,
        is_default=targeting.is_default,
    )


def _read(message: targeting_pb2.Targeting, field: str, faults: list[Violation]) -> Targeting:
    has_schedule, has_rollout = message.HasField("schedule"), message.HasField("rollout")
    return Targeting(
        message.condition,
        schedule_from_proto(message.schedule, f"{field}.schedule", faults)
        if has_schedule
        else None,
        rollout_from_proto(message.rollout) if has_rollout else None,
        message.priority,
        message.exclusivity_group,
        message.is_default,
    )


def _violations(targeting: Targeting, field: str) -> Iterator[Violation]:
    if len(targeting.condition) > MAX_CONDITION:
        message = f"{len(targeting.condition)} characters; at most {MAX_CONDITION}"
        yield Violation(f"{field}.condition", message)
    if character := hidden_character(targeting.condition, allowed=LINES):
        yield Violation(f"{field}.condition", f"holds {character}; remove it")
    if targeting.schedule is not None:
        yield from schedule_violations(targeting.schedule, f"{field}.schedule")
    if targeting.rollout is not None:
        yield from rollout_violations(targeting.rollout, f"{field}.rollout")
    if abs(targeting.priority) > MAX_PRIORITY:
        bounds = f"-{MAX_PRIORITY:,} to {MAX_PRIORITY:,}"
        yield Violation(f"{field}.priority", f"{targeting.priority} is not within {bounds}")
    if (group := targeting.exclusivity_group) and GROUP.fullmatch(group) is None:
        message = "must be a lower-case letter, then at most 62 of a-z, 0-9 and '-'"
        yield Violation(f"{field}.exclusivity_group", f"{group[:80]!r} {message}")

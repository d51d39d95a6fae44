"""Targeting as it is written: read, checked whole, and written back."""

from typing import Any

import pytest
from google.protobuf import json_format
from steerrec.v1 import targeting_pb2

from service.errors import InvalidRequest
from service.presets.conditions import compile_condition
from service.presets.targeting import (
    Targeting,
    checked_targeting,
    targeting_from_proto,
    targeting_to_proto,
)

NINE = {"hours": 9}
FIVE = {"hours": 17}
WINDOW = {"days": ["MONDAY"], "start": NINE, "end": FIVE}


def message(**fields: Any) -> targeting_pb2.Targeting:
    return json_format.ParseDict(fields, targeting_pb2.Targeting())


def faults(targeting: targeting_pb2.Targeting) -> list[str]:
    with pytest.raises(InvalidRequest) as refused:
        checked_targeting(targeting, compile_condition)
    return [f"{field}: {text}" for field, text in refused.value.violations]


def scheduled(window: dict[str, Any] | None = None, **fields: Any) -> targeting_pb2.Targeting:
    windows = [] if window is None else [window]
    return message(schedule={"windows": windows, "time_zone": "UTC"} | fields)


def test_a_whole_targeting_is_written_back_as_it_was_read() -> None:
    whole = message(
        condition="context.age > 3",
        schedule={
            "start_time": "2026-11-24T10:00:00Z",
            "end_time": "2026-12-24T10:00:00.5Z",
            "windows": [{"days": ["SATURDAY", "SUNDAY"], "start": FIVE, "end": {"hours": 24}}],
            "time_zone": "Europe/Berlin",
        },
        rollout={"percent": 12.5, "context_key": "user_id", "salt": "autumn"},
        priority=-3,
        exclusivity_group="seasons",
        is_default=True,
    )
    assert targeting_to_proto(checked_targeting(whole, compile_condition)) == whole


def test_an_empty_targeting_says_always() -> None:
    assert targeting_from_proto(message()) == Targeting()


@pytest.mark.parametrize(
    ("targeting", "fault"),
    [
        (message(condition="context.a =="), ".condition: column 13: ends too soon"),
        (message(condition="1 + 1"), ".condition: gives INT, not true or false"),
        (message(condition="a" * 1025), ".condition: 1025 characters; at most 1024"),
        (message(priority=1001), ".priority: 1001 is not within -1,000 to 1,000"),
        (message(exclusivity_group="A"), ".exclusivity_group: 'A' must be a lower-case letter"),
        (
            message(rollout={"percent": 101, "context_key": "u"}),
            ".rollout.percent: 101 is not within 0 to 100",
        ),
        (
            scheduled(start_time="2026-12-01T00:00:00Z", end_time="2026-12-01T00:00:00Z"),
            ".schedule.end_time: 2026-12-01T00:00:00Z is not after start_time, 2026-12-01T00",
        ),
        (
            scheduled(WINDOW, time_zone="Mars/Olympus"),
            ".schedule.time_zone: 'Mars/Olympus' is no time zone",
        ),
        (scheduled(WINDOW, time_zone=""), ".schedule.time_zone: is required with windows, e.g."),
        (scheduled(WINDOW | {"days": []}), ".schedule.windows[0].days: is required: the days on"),
        (
            scheduled(WINDOW | {"days": ["MONDAY", "MONDAY"]}),
            ".schedule.windows[0].days: names a day twice; each once",
        ),
        (
            scheduled(WINDOW | {"days": [9]}),
            ".schedule.windows[0].days: 9 is no DayOfWeek; MONDAY to SUNDAY",
        ),
        (
            scheduled({"days": ["MONDAY"], "end": FIVE}),
            ".schedule.windows[0].start: is required: a time of day",
        ),
        (
            scheduled(WINDOW | {"start": {"hours": 24}}),
            ".schedule.windows[0].start: 24:00 is no time within 00:00 to 23:59",
        ),
        (
            scheduled(WINDOW | {"end": {"hours": 24, "minutes": 1}}),
            ".schedule.windows[0].end: 24:01 is no time within 00:00 to 24:00",
        ),
        (
            scheduled(WINDOW | {"end": {"hours": 9, "minutes": 75}}),
            ".schedule.windows[0].end: 09:75 is no time within 00:00 to 24:00",
        ),
        (
            scheduled(WINDOW | {"end": {"hours": 9, "seconds": 1}}),
            ".schedule.windows[0].end: goes to the minute: leave seconds out",
        ),
        (
            message(schedule={"windows": [WINDOW] * 51, "time_zone": "UTC"}),
            ".schedule.windows: more than 50 of them; merge some",
        ),
    ],
)
def test_a_fault_is_told_with_its_field(targeting: targeting_pb2.Targeting, fault: str) -> None:
    (told,) = faults(targeting)
    assert told.startswith(f"preset.targeting{fault}")


def test_a_moment_beyond_the_calendar_is_refused() -> None:
    targeting = message(schedule={})
    targeting.schedule.start_time.seconds = 2**60
    assert faults(targeting) == [
        "preset.targeting.schedule.start_time: is no moment of the years 1 to 9999"
    ]


def test_every_fault_is_told_at_once() -> None:
    targeting = message(
        condition="1 +",
        priority=5000,
        rollout={"percent": -1},
        schedule={"windows": [{"days": [8], "start": NINE, "end": FIVE}], "time_zone": "Nowhere"},
    )
    assert [
        fault.split(":")[0].removeprefix("preset.targeting.") for fault in faults(targeting)
    ] == [
        "schedule.windows[0].days",
        "rollout.percent",
        "rollout.context_key",
        "priority",
        "schedule.time_zone",
        "condition",
    ]

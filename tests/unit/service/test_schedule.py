"""Schedules, against a clock that is read minute by minute."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st
from steerrec.v1 import targeting_pb2

from service.errors import Violation
from service.presets.schedule import (
    Schedule,
    WeeklyWindow,
    compiled_schedule,
    schedule_from_proto,
    zone_violations,
)

BERLIN = "Europe/Berlin"
MINUTE = timedelta(minutes=1)
EVERY_DAY = (1, 2, 3, 4, 5, 6, 7)
CHANGES = {
    BERLIN: (datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 10, 24, tzinfo=UTC)),
    "America/New_York": (datetime(2026, 3, 7, tzinfo=UTC), datetime(2026, 10, 31, tzinfo=UTC)),
    "Australia/Lord_Howe": (datetime(2026, 4, 4, tzinfo=UTC), datetime(2026, 10, 3, tzinfo=UTC)),
    "Asia/Kathmandu": (datetime(2026, 1, 3, tzinfo=UTC),),
    "Pacific/Apia": (datetime(2011, 12, 29, tzinfo=UTC),),  # which had no 30 December
}
"""Days around which each zone's clock changes: by an hour, by half an hour, never, by a day."""


def at(hours: int, minutes: int = 0) -> int:
    return hours * 60 + minutes


def windows_of(*windows: WeeklyWindow, zone: str = BERLIN) -> Schedule:
    return Schedule(windows=windows, time_zone=zone)


def is_inside(schedule: Schedule, moment: datetime) -> bool:
    return not compiled_schedule(schedule).why_not(moment)


def shows(window: WeeklyWindow, clock: datetime) -> bool:
    """Whether a wall clock shows a time within the window: from the words of the contract."""
    shown, start = clock.time(), time(*divmod(window.start, 60))
    midnight = window.end == 24 * 60
    end = time(0) if midnight else time(*divmod(window.end, 60))
    today, yesterday = clock.isoweekday(), (clock - timedelta(days=1)).isoweekday()
    if midnight:
        return today in window.days and start <= shown
    if start < end:
        return today in window.days and start <= shown < end
    return (today in window.days and start <= shown) or (yesterday in window.days and shown < end)


def minutes(first: datetime, days: int) -> Iterator[datetime]:
    for i in range(days * 24 * 60):
        yield first + i * MINUTE


window = st.builds(
    WeeklyWindow,
    st.sets(st.integers(1, 7), min_size=1).map(tuple),
    st.integers(0, 24 * 60 - 1),
    st.integers(0, 24 * 60),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(window, min_size=1, max_size=4), st.sampled_from(sorted(CHANGES)), st.data())
def test_windows_hold_as_the_clock_on_the_wall_shows(
    windows: list[WeeklyWindow], zone: str, data: st.DataObject
) -> None:
    first = data.draw(st.sampled_from(CHANGES[zone]))
    compiled = compiled_schedule(windows_of(*windows, zone=zone))
    for moment in minutes(first, 2):
        clock = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        assert (not compiled.why_not(moment)) == any(shows(own, clock) for own in windows)


def test_a_window_past_midnight_ends_on_the_next_day() -> None:
    friday_night = windows_of(WeeklyWindow((5,), at(22), at(2)), zone="UTC")
    saturday = datetime(2026, 11, 28, 1, 59, tzinfo=UTC)
    assert is_inside(friday_night, saturday)
    assert not is_inside(friday_night, saturday + MINUTE)


def test_a_window_of_sunday_night_reaches_into_monday() -> None:
    sunday_night = windows_of(WeeklyWindow((7,), at(23), at(1)), zone="UTC")
    assert is_inside(sunday_night, datetime(2026, 11, 30, 0, 30, tzinfo=UTC))


def test_a_window_that_ends_as_it_starts_lasts_a_day() -> None:
    monday = windows_of(WeeklyWindow((1,), at(9), at(9)), zone="UTC")
    assert is_inside(monday, datetime(2026, 12, 1, 8, 59, tzinfo=UTC))
    assert not is_inside(monday, datetime(2026, 12, 1, 9, 0, tzinfo=UTC))


def test_a_window_until_24_00_ends_with_the_day() -> None:
    monday = windows_of(WeeklyWindow((1,), at(0), at(24)), zone="UTC")
    assert is_inside(monday, datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC))
    assert not is_inside(monday, datetime(2026, 12, 1, tzinfo=UTC))


def test_windows_that_touch_are_one() -> None:
    day = windows_of(
        WeeklyWindow(EVERY_DAY, at(0), at(12)), WeeklyWindow(EVERY_DAY, at(12), at(24))
    )
    assert all(is_inside(day, moment) for moment in minutes(datetime(2026, 11, 30, tzinfo=UTC), 1))


def test_a_window_in_the_hour_that_spring_skips_does_not_come() -> None:
    skipped = windows_of(WeeklyWindow((7,), at(2, 15), at(2, 45)))
    sunday = datetime(2026, 3, 29, tzinfo=UTC)
    assert not any(is_inside(skipped, moment) for moment in minutes(sunday, 1))


def test_a_window_that_ends_in_the_hour_that_spring_skips_ends_at_the_change() -> None:
    early = windows_of(WeeklyWindow((7,), at(1), at(2, 30)))
    change = datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert is_inside(early, change - MINUTE)
    assert not is_inside(early, change)


def test_a_window_in_the_hour_that_autumn_repeats_comes_twice() -> None:
    repeated = windows_of(WeeklyWindow((7,), at(2), at(2, 30)))
    sunday = datetime(2026, 10, 25, tzinfo=UTC)
    assert sum(is_inside(repeated, moment) for moment in minutes(sunday, 1)) == 60


def test_a_schedule_starts_at_its_first_moment() -> None:
    start = datetime(2026, 12, 1, 9, tzinfo=UTC)
    schedule = Schedule(start_time=start)
    assert is_inside(schedule, start)
    assert not is_inside(schedule, start - timedelta(microseconds=1))


def test_a_schedule_ends_before_its_last_moment() -> None:
    end = datetime(2026, 12, 1, 9, tzinfo=UTC)
    schedule = Schedule(end_time=end)
    assert not is_inside(schedule, end)
    assert is_inside(schedule, end - timedelta(microseconds=1))


def test_an_empty_schedule_always_holds() -> None:
    assert is_inside(Schedule(), datetime(1, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("schedule", "why"),
    [
        (
            Schedule(start_time=datetime(2026, 12, 1, 9, tzinfo=UTC)),
            "it starts at 2026-12-01T09:00:00Z",
        ),
        (
            Schedule(end_time=datetime(2026, 11, 1, 9, tzinfo=UTC)),
            "it ended at 2026-11-01T09:00:00Z",
        ),
        (
            windows_of(WeeklyWindow((1,), at(9), at(17))),
            "Tuesday 13:30 in Europe/Berlin is outside its windows",
        ),
    ],
)
def test_a_moment_outside_is_told_why(schedule: Schedule, why: str) -> None:
    tuesday = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
    assert compiled_schedule(schedule).why_not(tuesday) == why


def test_a_time_zone_that_is_misspelled_gets_the_nearest() -> None:
    faults = list(zone_violations(Schedule(time_zone="Europe/Berln"), "s"))
    assert faults == [
        ("s.time_zone", "'Europe/Berln' is no time zone; did you mean \"Europe/Berlin\"?")
    ]


def test_a_moment_finer_than_a_microsecond_is_refused_and_not_rounded() -> None:
    message = targeting_pb2.Schedule(end_time=Timestamp(seconds=1, nanos=1_500))
    faults: list[Violation] = []
    schedule_from_proto(message, "s", faults)
    assert faults == [("s.end_time", "goes to the microsecond: round nanos to thousands")]

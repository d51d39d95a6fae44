"""When a preset applies: a span of time, and hours of the week within it.

Windows are read off the wall clock: a moment is inside where the zone's clock shows, at that
moment, a day and time within a window. Minutes that a clock change skips are never shown, and
minutes that it repeats are shown twice; the window holds, or does not, as the clock says.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp
from google.type import dayofweek_pb2, timeofday_pb2
from steerrec.v1 import targeting_pb2

from service.errors import Violation
from service.presets.time_zones import zone_names, zone_remedy

MAX_WINDOWS = 50
MAX_ZONE_NAME = 64
DAY = 24 * 60
WEEK = 7 * DAY
"""Minutes."""


class WeeklyWindow(NamedTuple):
    """The same hours on some days of the week."""

    days: tuple[int, ...]
    """On which it starts: 1, Monday, to 7, Sunday."""
    start: int
    """Minute of the day, wall clock, 0 to 1,439."""
    end: int
    """Minute of the day, wall clock, 0 to 1,440; at or before `start`: of the next day."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A span of time and the windows within it."""

    start_time: datetime | None = None
    """First moment, UTC; None: since ever."""
    end_time: datetime | None = None
    """First moment after it, UTC; None: for ever."""
    windows: tuple[WeeklyWindow, ...] = ()
    """Empty: all hours."""
    time_zone: str = ""
    """IANA name, of the windows."""


@dataclass(frozen=True, eq=False, slots=True)
class CompiledSchedule:
    """A schedule, ready to be asked."""

    start_time: datetime | None
    end_time: datetime | None
    zone: ZoneInfo | None
    """None: no windows."""
    bounds: Sequence[int]
    """Minutes of the week at which it turns, inside first: [on, off, on, off, ...]."""

    def why_not(self, now: datetime) -> str:
        """Why a moment is outside; empty: inside.

        Args:
            now: with its time zone.
        """
        if self.start_time is not None and now < self.start_time:
            return f"it starts at {_utc(self.start_time)}"
        if self.end_time is not None and now >= self.end_time:
            return f"it ended at {_utc(self.end_time)}"
        if self.zone is None:
            return ""
        local = now.astimezone(self.zone)
        minute = local.weekday() * DAY + local.hour * 60 + local.minute
        if bisect_right(self.bounds, minute) % 2:
            return ""
        return f"{local:%A %H:%M} in {self.zone.key} is outside its windows"


def compiled_schedule(schedule: Schedule) -> CompiledSchedule:
    """The schedule, ready to be asked.

    Raises:
        ZoneInfoNotFoundError, ValueError: the time zone is not known here.
    """
    zone = ZoneInfo(schedule.time_zone) if schedule.windows else None
    return CompiledSchedule(schedule.start_time, schedule.end_time, zone, _bounds(schedule.windows))


def _bounds(windows: Iterable[WeeklyWindow]) -> list[int]:
    """Where the union of the windows begins and ends, in minutes of the week, in order."""
    merged: list[list[int]] = []
    for start, end in sorted(_spans(windows)):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return [bound for span in merged for bound in span]


def _spans(windows: Iterable[WeeklyWindow]) -> Iterator[tuple[int, int]]:
    """[start, end) in minutes of the week; one past Sunday's midnight comes in two."""
    for days, start, end in windows:
        length = end - start if end > start else end + DAY - start
        for day in days:
            first = (day - 1) * DAY + start
            yield first, min(first + length, WEEK)
            if first + length > WEEK:
                yield 0, first + length - WEEK


def schedule_from_proto(
    message: targeting_pb2.Schedule, field: str, faults: list[Violation]
) -> Schedule:
    """The schedule that a message means; what it cannot mean is added to `faults`."""
    return Schedule(
        _moment(message.start_time, f"{field}.start_time", faults)
        if message.HasField("start_time")
        else None,
        _moment(message.end_time, f"{field}.end_time", faults)
        if message.HasField("end_time")
        else None,
        tuple(
            _window(window, f"{field}.windows[{i}]", faults)
            for i, window in enumerate(message.windows[: MAX_WINDOWS + 1])
        ),
        message.time_zone,
    )


def schedule_to_proto(schedule: Schedule) -> targeting_pb2.Schedule:
    """The message that means the schedule."""
    message = targeting_pb2.Schedule(
        windows=[
            targeting_pb2.WeeklyWindow(
                days=[dayofweek_pb2.DayOfWeek.ValueType(day) for day in window.days],
                start=_time_of_day(window.start),
                end=_time_of_day(window.end),
            )
            for window in schedule.windows
        ],
        time_zone=schedule.time_zone,
    )
    if schedule.start_time is not None:
        message.start_time.FromDatetime(schedule.start_time)
    if schedule.end_time is not None:
        message.end_time.FromDatetime(schedule.end_time)
    return message


def schedule_violations(schedule: Schedule, field: str) -> Iterator[Violation]:
    """What is wrong with a schedule on any machine; paths start with `field`."""
    start, end = schedule.start_time, schedule.end_time
    if start is not None and end is not None and end <= start:
        yield Violation(f"{field}.end_time", f"{_utc(end)} is not after start_time, {_utc(start)}")
    if len(schedule.windows) > MAX_WINDOWS:
        yield Violation(f"{field}.windows", f"more than {MAX_WINDOWS} of them; merge some")
    if schedule.windows and not schedule.time_zone:
        yield Violation(f"{field}.time_zone", 'is required with windows, e.g. "Europe/Berlin"')


def zone_violations(schedule: Schedule, field: str) -> Iterator[Violation]:
    """What is wrong with its time zone on this machine; paths start with `field`."""
    name = schedule.time_zone
    if not name or (len(name) <= MAX_ZONE_NAME and name in zone_names()):
        return
    short = name[:MAX_ZONE_NAME]
    yield Violation(f"{field}.time_zone", f"{short!r} is no time zone; {zone_remedy(short)}")


def _moment(message: Timestamp, field: str, faults: list[Violation]) -> datetime | None:
    try:
        moment = message.ToDatetime(UTC)
    except (ValueError, OverflowError):
        faults.append(Violation(field, "is no moment of the years 1 to 9999"))
        return None
    if message.nanos % 1000:
        faults.append(Violation(field, "goes to the microsecond: round nanos to thousands"))
    return moment


def _window(
    message: targeting_pb2.WeeklyWindow, field: str, faults: list[Violation]
) -> WeeklyWindow:
    faults.extend(_day_violations(message.days, f"{field}.days"))
    faults.extend(
        Violation(f"{field}.{name}", "is required: a time of day")
        for name, is_there in (
            ("start", message.HasField("start")),
            ("end", message.HasField("end")),
        )
        if not is_there
    )
    return WeeklyWindow(
        tuple(message.days),
        _minute(message.start, f"{field}.start", DAY - 1, faults),
        _minute(message.end, f"{field}.end", DAY, faults),
    )


def _day_violations(days: Sequence[int], field: str) -> Iterator[Violation]:
    if not days:
        yield Violation(field, "is required: the days on which the window starts")
    if wrong := [day for day in days if not 1 <= day <= 7]:
        yield Violation(field, f"{wrong[0]} is no DayOfWeek; MONDAY to SUNDAY")
    elif len(set(days)) < len(days):
        yield Violation(field, "names a day twice; each once")


def _minute(
    message: timeofday_pb2.TimeOfDay, field: str, latest: int, faults: list[Violation]
) -> int:
    minute = int(message.hours) * 60 + int(message.minutes)
    is_sound = 0 <= message.minutes < 60 and 0 <= minute <= latest
    if not is_sound:
        shown = f"{message.hours:02}:{message.minutes:02}"
        most = f"{latest // 60:02}:{latest % 60:02}"
        faults.append(Violation(field, f"{shown} is no time within 00:00 to {most}"))
        return 0
    if message.seconds or message.nanos:
        faults.append(Violation(field, "goes to the minute: leave seconds out"))
    return minute


def _time_of_day(minute: int) -> timeofday_pb2.TimeOfDay:
    return timeofday_pb2.TimeOfDay(hours=minute // 60, minutes=minute % 60)


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

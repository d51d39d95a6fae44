"""What the `targeting` section of a preset file may say, and the contract's message of it."""

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp
from google.type import dayofweek_pb2, timeofday_pb2
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString
from steerrec.v1 import targeting_pb2

from cli.shown import shown
from service.presets.time_zones import zone_names, zone_remedy

NAME = r"^[a-z][a-z0-9-]{0,62}$"
MAX_WINDOWS = 50
MAX_PRIORITY = 1000
MAX_SALT = 63
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?(\.\d{1,6})?\s?(Z|[+-]\d{2}:\d{2})?")
CLOCK = re.compile(r"([0-9]{2}):([0-9]{2})")
DAY_MINUTES = 24 * 60
"""Of the latest end of a window, 24:00."""


class Part(BaseModel):
    """A section of a preset file: exact types, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @field_validator("*", mode="before")
    @classmethod
    def _not_empty(cls, given: Any) -> Any:
        if given is None:
            raise ValueError("is empty")
        return given

    @classmethod
    def known_keys(cls) -> list[str]:
        """The keys that the section may hold, as a file spells them."""
        return [field.alias or name for name, field in cls.model_fields.items()]


class DayName(StrEnum):
    """A day of the week."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"

    @property
    def number(self) -> dayofweek_pb2.DayOfWeek:
        """The day as the contract has it."""
        return dayofweek_pb2.DayOfWeek.ValueType([*DayName].index(self) + 1)


class WindowPart(Part):
    """One entry of `windows`: the same hours on some days of the week."""

    days: Annotated[tuple[Annotated[DayName, Field(strict=False)], ...], Field(strict=False)]
    """Days on which the window starts."""
    start: str
    """When it starts, wall clock."""
    end: str
    """When it ends, wall clock; at or before `start`: on the next day."""

    @field_validator("days")
    @classmethod
    def _each_once(cls, days: tuple[DayName, ...]) -> tuple[DayName, ...]:
        if not days:
            raise ValueError("names no day; give at least one of mon to sun")
        if twice := sorted({day.value for day in days if days.count(day) > 1}):
            raise ValueError(f"names {', '.join(twice)} twice; each day once")
        return days

    @field_validator("start")
    @classmethod
    def _within_a_day(cls, start: str) -> str:
        return _clock(start, "00:00 to 23:59", DAY_MINUTES - 1)

    @field_validator("end")
    @classmethod
    def _at_most_a_whole_day(cls, end: str) -> str:
        return _clock(end, "00:00 to 24:00", DAY_MINUTES)

    def message(self) -> targeting_pb2.WeeklyWindow:
        """The window as the contract has it."""
        return targeting_pb2.WeeklyWindow(
            days=[day.number for day in self.days],
            start=_time_of_day(self.start),
            end=_time_of_day(self.end),
        )


class SchedulePart(Part):
    """`schedule`: a span of time and the hours of the week within it."""

    time_zone: str | None = None
    """IANA name of the time zone of the windows, and of moments without an offset."""
    start: Annotated[str | None, Field(alias="from")] = None
    """First moment."""
    end: Annotated[str | None, Field(alias="until")] = None
    """First moment after it."""
    windows: Annotated[tuple[WindowPart, ...] | None, Field(strict=False)] = None
    """Hours of the week; left out: all."""

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, zone: str | None) -> str | None:
        if zone is not None and zone not in zone_names():
            raise ValueError(f"{shown(zone)} is no time zone; {zone_remedy(zone)}")
        return zone

    @field_validator("start", "end")
    @classmethod
    def _a_moment(cls, text: str | None, known: ValidationInfo) -> str | None:
        if text is None:
            return None
        moment = _moment(text, known)
        start = known.data.get("start")
        if known.field_name == "end" and start is not None and moment is not None:
            first = _moment(start, known)
            if first is not None and moment <= first:
                raise ValueError(f"{text} is not after from, {start}; it would never apply")
        return text

    @field_validator("windows")
    @classmethod
    def _some_in_a_zone(
        cls, windows: tuple[WindowPart, ...] | None, known: ValidationInfo
    ) -> tuple[WindowPart, ...] | None:
        if windows is None:
            return None
        if not 1 <= len(windows) <= MAX_WINDOWS:
            raise ValueError(f"{len(windows)} windows; a schedule has 1 to {MAX_WINDOWS}")
        if known.data.get("time_zone", "") is None:
            raise ValueError("hours of which time zone? give time_zone, e.g. Europe/Berlin")
        return windows

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if self.start is None and self.end is None and self.windows is None:
            raise ValueError("bounds nothing; give from, until or windows")
        return self

    def message(self) -> targeting_pb2.Schedule:
        """The schedule as the contract has it."""
        return targeting_pb2.Schedule(
            start_time=self._timestamp(self.start),
            end_time=self._timestamp(self.end),
            windows=[window.message() for window in self.windows or ()],
            time_zone=self.time_zone or "",
        )

    def _timestamp(self, text: str | None) -> Timestamp | None:
        if text is None:
            return None
        stamp = Timestamp()
        stamp.FromDatetime(_in_zone(text, self.time_zone))
        return stamp


class RolloutPart(Part):
    """`rollout`: a part of the callers, always the same ones."""

    percent: Annotated[float, Field(allow_inf_nan=False)]
    """Part of the callers, 0 to 100."""
    key: str
    """Key of the context whose value tells callers apart."""
    salt: str = ""
    """Presets with the same salt take the same callers; left out: the preset's name."""

    @field_validator("percent")
    @classmethod
    def _a_percentage(cls, percent: float) -> float:
        if not 0 <= percent <= 100:
            raise ValueError(f"{percent!r} is not within 0 to 100")
        return percent

    @field_validator("key")
    @classmethod
    def _names_a_key(cls, key: str) -> str:
        if not key:
            raise ValueError("is empty; name the key of the context, e.g. user_id")
        return key

    @field_validator("salt")
    @classmethod
    def _short(cls, salt: str) -> str:
        if len(salt) > MAX_SALT:
            raise ValueError(f"{len(salt)} characters; at most {MAX_SALT}")
        return salt

    def message(self) -> targeting_pb2.Rollout:
        """The rollout as the contract has it."""
        return targeting_pb2.Rollout(percent=self.percent, context_key=self.key, salt=self.salt)


class TargetingPart(Part):
    """`targeting`: when a preset applies; every part that is given must hold."""

    condition: str = ""
    """CEL expression over `context`."""
    schedule: SchedulePart | None = None
    """When it applies."""
    rollout: RolloutPart | None = None
    """To which part of the callers."""
    priority: int = 0
    """Order among default presets and within a group; the higher applies later."""
    group: Annotated[str, Field(pattern=NAME)] | None = None
    """Of the presets of one group only the one with the highest priority applies."""
    default: bool = False
    """Whether it applies to every request without being named."""

    @field_validator("priority")
    @classmethod
    def _in_range(cls, priority: int) -> int:
        if abs(priority) > MAX_PRIORITY:
            raise ValueError(f"{shown(priority)} is not within -{MAX_PRIORITY} to {MAX_PRIORITY}")
        return priority

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("says nothing; give it a key or remove it")
        return self

    def message(self) -> targeting_pb2.Targeting:
        """The section as the contract has it."""
        return targeting_pb2.Targeting(
            condition=self.condition,
            schedule=None if self.schedule is None else self.schedule.message(),
            rollout=None if self.rollout is None else self.rollout.message(),
            priority=self.priority,
            exclusivity_group=self.group or "",
            is_default=self.default,
        )


def targeting_content(targeting: targeting_pb2.Targeting) -> dict[str, Any]:
    """The section that would be read as this message; empty where it says nothing."""
    content: dict[str, Any] = {}
    if targeting.condition:
        content["condition"] = targeting.condition
    if targeting.HasField("schedule"):
        content["schedule"] = _schedule_content(targeting.schedule)
    if targeting.HasField("rollout"):
        content["rollout"] = _rollout_content(targeting.rollout)
    if targeting.priority:
        content["priority"] = targeting.priority
    if targeting.exclusivity_group:
        content["group"] = targeting.exclusivity_group
    if targeting.is_default:
        content["default"] = True
    return content


def _schedule_content(schedule: targeting_pb2.Schedule) -> dict[str, Any]:
    content: dict[str, Any] = {"time_zone": schedule.time_zone} if schedule.time_zone else {}
    if schedule.HasField("start_time"):
        content["from"] = schedule.start_time.ToJsonString()
    if schedule.HasField("end_time"):
        content["until"] = schedule.end_time.ToJsonString()
    if schedule.windows:
        content["windows"] = [_window_content(window) for window in schedule.windows]
    return content


def _window_content(window: targeting_pb2.WeeklyWindow) -> dict[str, Any]:
    names = [*DayName]
    days = CommentedSeq(names[day - 1].value for day in window.days)
    content = CommentedMap(days=days, start=_quoted(window.start), end=_quoted(window.end))
    content.fa.set_flow_style()
    days.fa.set_flow_style()
    return content


def _quoted(clock: timeofday_pb2.TimeOfDay) -> str:
    """The time in quotes: older readers of YAML take 18:00 for a number."""
    quoted: str = DoubleQuotedScalarString(f"{clock.hours:02d}:{clock.minutes:02d}")
    return quoted


def _rollout_content(rollout: targeting_pb2.Rollout) -> dict[str, Any]:
    content: dict[str, Any] = {"percent": rollout.percent, "key": rollout.context_key}
    return {**content, "salt": rollout.salt} if rollout.salt else content


def _clock(text: str, allowed: str, last_minute: int) -> str:
    """`text`, a wall clock time to the minute, at most `last_minute` after midnight."""
    read = CLOCK.fullmatch(text)
    if read is None or int(read[2]) > 59 or int(read[1]) * 60 + int(read[2]) > last_minute:
        raise ValueError(f"{shown(text)} is no time of day; HH:MM, {allowed}")
    return text


def _time_of_day(text: str) -> timeofday_pb2.TimeOfDay:
    hours, _, minutes = text.partition(":")
    return timeofday_pb2.TimeOfDay(hours=int(hours), minutes=int(minutes))


def _moment(text: str, known: ValidationInfo) -> datetime | None:
    """The moment that `text` spells; None where its time zone was at fault itself."""
    if not MOMENT.fullmatch(text):
        raise ValueError(
            f"{shown(text)} is no moment; a date and a time, e.g. 2026-12-01T18:00:00Z"
        )
    try:
        moment = _in_zone(text, known.data.get("time_zone"))
    except (ValueError, OverflowError):
        raise ValueError(f"{shown(text)} is no moment; no day or clock has it") from None
    if moment.tzinfo is None and "time_zone" in known.data:
        raise ValueError(f"{shown(text)} is in no time zone; end it in Z or give time_zone")
    return None if moment.tzinfo is None else moment


def _in_zone(text: str, zone: str | None) -> datetime:
    """The moment in UTC; one without an offset is read in the zone, or stays without."""
    moment = datetime.fromisoformat(re.sub(r"\s(?=Z|[+-])", "", text))
    if moment.tzinfo is None and zone is None:
        return moment
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=ZoneInfo(zone or "UTC"))
    return aware.astimezone(UTC)

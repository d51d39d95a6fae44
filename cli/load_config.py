"""A load from the words of a command line: a profile or a config file, and what goes before it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cli.errors import Refused, told_as
from cli.options import DEFAULT_ADDRESS
from cli.spelling import hint
from loadtest.durations import seconds
from loadtest.errors import LoadRefused
from loadtest.ghz_config import load_of, read_config
from loadtest.levels import LINE_STEP_S, Stairs
from loadtest.load import Load

Ghz = dict[str, Any]
"""Options of ghz by their names."""

COMMON: Ghz = {
    "host": DEFAULT_ADDRESS,
    "insecure": True,
    "call": "steerrec.v1.RecommenderService.Recommend",
    "concurrency": 64,
    "connections": 8,
    "timeout": "5s",
    "disable-template-functions": True,
    "disable-template-data": True,
}
PROFILES: dict[str, Ghz] = {
    "closed": {"concurrency": 32, "total": 20000},
    "constant": {"async": True, "rps": 200, "duration": "30s"},
    "step": {
        "async": True,
        "load-schedule": "step",
        "load-start": 50,
        "load-step": 50,
        "load-step-duration": "10s",
        "load-end": 400,
    },
    "ramp": {
        "async": True,
        "load-schedule": "line",
        "load-start": 10,
        "load-step": 10,
        "load-end": 600,
    },
    "soak": {"async": True, "rps": 100, "duration": "30m"},
}
"""Beside COMMON; without a duration a load lasts until its rate has changed to the end."""


def load_from(
    config: Path | None,
    profile: str | None,
    given: Mapping[str, object],
    *,
    max_in_flight: int | None,
    processes: int,
) -> Load:
    """The load of a config file or a profile.

    Args:
        config: one of ghz's files; None: the profile.
        profile: one of PROFILES; None without a config: constant.
        given: ghz's names and values that go before it; `rate` is the rate of whatever schedule.
        max_in_flight: see `loadtest.ghz_config.load_of`.
        processes: that share the load.

    Raises:
        Refused: with every fault.
    """
    with told_as(Refused, LoadRefused):
        base = read_config(config) if config else _profile(profile or "constant")
        merged = _merged(base, {name: value for name, value in given.items() if value is not None})
        return load_of(merged, max_in_flight=max_in_flight, processes=processes)


def _profile(name: str) -> Ghz:
    if name not in PROFILES:
        raise Refused(f'--profile: "{name}" is none; {hint(name, PROFILES)}')
    return {"name": name, **COMMON, **PROFILES[name]}


def _merged(base: Ghz, given: Ghz) -> Ghz:
    """What is given goes before; of number and duration only one can hold."""
    rate = given.pop("rate", None)
    if rate is not None:
        changes = base.get("load-schedule", "const") != "const"
        given |= {"load-start": rate} if changes else {"rps": rate, "async": True}
    for bound, others in (("total", ("duration", "max-duration")), ("duration", ("total",))):
        if bound in given:
            base = {name: value for name, value in base.items() if name not in others}
    merged = base | given
    shared = base.get("connections", 1)
    if "connections" not in given and "concurrency" in given and isinstance(shared, int):
        merged["connections"] = min(shared, given["concurrency"])
    return merged if _is_bounded(merged) else merged | {"duration": _until_changed(merged)}


def _is_bounded(merged: Ghz) -> bool:
    names = ("total", "duration", "max-duration")
    return merged.get("load-schedule", "const") == "const" or any(map(merged.get, names))


def _until_changed(merged: Ghz) -> object:
    """Seconds until the rate has reached its end; what cannot be told is left to the checks."""
    is_line = merged["load-schedule"] == "line"
    try:
        shape = Stairs(
            start=merged["load-start"],
            step=merged["load-step"],
            step_s=LINE_STEP_S if is_line else seconds(merged["load-step-duration"]),
            end=merged["load-end"],
        )
        lasts_s = shape.constant_from_s if shape.step else 0
    except (KeyError, TypeError, ValueError, OverflowError):
        return 0
    return lasts_s

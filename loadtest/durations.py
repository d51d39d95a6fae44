"""Durations as Go writes them: 500ms, 30s, 1h30m."""

import re

SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
MAX_S = 366 * 86400.0
"""A year: what is longer was not meant."""


def seconds(text: str) -> float:
    """The duration in seconds.

    Raises:
        ValueError: it is no duration of Go, or longer than a year.
    """
    parts = PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f'"{text[:40]}" is no duration; write it as 500ms, 30s, 5m or 1h30m')
    total_s = sum(float(number) * SECONDS[unit] for number, unit in parts)
    if total_s > MAX_S:
        raise ValueError(f'"{text[:40]}" is longer than a year')
    return total_s

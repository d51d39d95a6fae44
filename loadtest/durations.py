"""Durations as Go writes them: 500ms, 30s, 1h30m."""

import re

SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")


def seconds(text: str) -> float:
    """The duration in seconds.

    Raises:
        ValueError: it is no duration of Go.
    """
    parts = PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f'"{text}" is no duration; write it as 500ms, 30s, 5m or 1h30m')
    return sum(float(number) * SECONDS[unit] for number, unit in parts)

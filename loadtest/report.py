"""A result as ghz's JSON report: its keys and units (nanoseconds), and ours beside them."""

from typing import Any

from loadtest.latencies import Latencies
from loadtest.result import Result, Window
from loadtest.tally import Tally

PERCENTAGES = (10, 25, 50, 75, 90, 95, 99)
"""Those that ghz prints."""
NS = 1e9


def as_report(result: Result) -> dict[str, Any]:
    """The whole result; what ghz has too is under ghz's own keys."""
    whole, load = result.whole, result.load
    return {
        "name": load.name,
        "endReason": result.end,
        "options": {
            "call": load.path.strip("/").replace("/", "."),
            "host": load.address,
            "profile": load.profile,
            "connections": load.connections,
            "processes": load.processes,
            "maxInFlight": load.in_flight,
        },
        "count": whole.count,
        "total": _ns(result.total_s),
        "average": _ns(whole.latency.mean_s),
        "fastest": _ns(whole.latency.fastest_s),
        "slowest": _ns(whole.latency.slowest_s),
        "rps": whole.count / result.total_s,
        "statusCodeDistribution": dict(whole.statuses.most_common()),
        "errorDistribution": dict(whole.errors.most_common()),
        "latencyDistribution": _distribution(whole.latency),
        "dropped": whole.dropped,
        "serviceTimeDistribution": _distribution(whole.service),
        "generator": {
            "sendLagDistribution": _distribution(whole.lag) if load.is_open else [],
            "mostInFlight": result.most_in_flight,
            "cores": result.cores,
            "isLate": result.is_late,
            "isBusy": result.is_busy,
        },
        "windows": [
            _window(window, tally)
            for window, tally in zip(result.windows, result.tallies, strict=True)
        ],
    }


def _window(window: Window, tally: Tally) -> dict[str, Any]:
    is_bounded = window.end_s < float("inf")
    return {
        "start": _ns(window.start_s),
        "end": _ns(window.end_s) if is_bounded else None,
        "rate": window.rate,
        "count": tally.count,
        "okPerSecond": tally.answered / (window.end_s - window.start_s) if is_bounded else None,
        "dropped": tally.dropped,
        "statusCodeDistribution": dict(tally.statuses.most_common()),
        "latencyDistribution": _distribution(tally.latency),
    }


def _distribution(latencies: Latencies) -> list[dict[str, int]]:
    """Empty where nothing was timed, as ghz has it."""
    if not len(latencies):
        return []
    return [
        {"percentage": percent, "latency": _ns(latencies.percentile_s(percent))}
        for percent in PERCENTAGES
    ]


def _ns(duration_s: float) -> int:
    return round(duration_s * NS)

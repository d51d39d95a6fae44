"""The Prometheus page of a replica, as the few tables that the demo shows."""

import http.client
from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from rich.table import Table

from cli.output import table

TIMEOUT_S = 5


def page(address: str) -> str:
    """The text at `/metrics`."""
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def tables(text: str) -> Iterator[Table]:
    """Requests by method and code, time per stage, rules by status."""
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    yield _counts(samples, "steerrec_requests_total", ("method", "code"), "requests")
    yield _stages(samples)
    yield _counts(samples, "steerrec_rule_status_total", ("status",), "rules")


def _counts(samples: list[Sample], name: str, labels: tuple[str, ...], title: str) -> Table:
    made = table(*labels, "count", title=f"{title} ({name})", right=["count"])
    for sample in samples:
        if sample.name == name:
            made.add_row(*(sample.labels[label] for label in labels), f"{sample.value:.0f}")
    return made


def _stages(samples: list[Sample]) -> Table:
    name = "steerrec_stage_seconds"
    totals = {s.labels["stage"]: s.value for s in samples if s.name == f"{name}_sum"}
    counts = {s.labels["stage"]: s.value for s in samples if s.name == f"{name}_count"}
    columns = ("stage", "count", "mean ms")
    made = table(*columns, title=f"time per stage ({name})", right=("count", "mean ms"))
    for stage, count in counts.items():
        mean_ms = 1000 * totals[stage] / count if count else 0.0
        made.add_row(stage, f"{count:.0f}", f"{mean_ms:.2f}")
    return made

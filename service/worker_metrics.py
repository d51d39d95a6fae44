"""One Prometheus page for all workers: the parent asks each and merges what they tell.

Not prometheus_client's multiprocess mode: its files know no gauge that is asked at the scrape
(the age of the presets), and it must be switched on before the library is imported. ADR 0012.
"""

import json
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer
from threading import Lock, Thread
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from service.metrics import Metrics

ASK_TIMEOUT_S = 2.0
"""For one worker's answer; one that hangs is shown as it was."""
STOP_LOOK_S = 0.1

GAUGES: Mapping[str, Callable[[Iterable[float]], float]] = {
    "steerrec_queued_requests": sum,
    "steerrec_connections": sum,
    "steerrec_held_bytes": sum,
    "steerrec_state_cache_bytes": sum,
    "steerrec_state_cache_entries": sum,
    # the worker that is furthest behind is the one to know of
    "steerrec_presets_in_force": min,
    "steerrec_snapshot_age_seconds": max,
    "steerrec_redis_connected": min,
    "steerrec_preset_store_lost_data": max,
    "steerrec_presets_unreadable": max,
    "steerrec_redis_risk": max,
    "steerrec_model_info": max,
    "steerrec_label_followed": min,
}
"""What each gauge of several workers is as one; every gauge is here."""
CREATED = "_created"
"""End of the name of a counter's birth time, which is no count."""


class Series(NamedTuple):
    """What identifies a time series."""

    name: str
    """Of the sample, e.g. `steerrec_requests_total`."""
    labels: tuple[tuple[str, str], ...]
    """Name and value of each, in the metric's order."""


Readings = Mapping[Series, float]


def readings(registry: CollectorRegistry) -> dict[Series, float]:
    """Every series of a registry now."""
    return {
        Series(sample.name, tuple(sample.labels.items())): sample.value
        for family in registry.collect()
        for sample in family.samples
    }


def totals(told: Iterable[Readings]) -> dict[Series, float]:
    """Each series summed over all; birth times are the earliest."""
    sums: dict[Series, float] = {}
    for own in told:
        for series, value in own.items():
            if series.name.endswith(CREATED):
                sums[series] = min(value, sums.get(series, value))
            else:
                sums[series] = sums.get(series, 0.0) + value
    return sums


def merged(
    families: Iterable[Metric], counted: Sequence[Readings], living: Sequence[Readings]
) -> Iterator[Metric]:
    """One metric for each family.

    Args:
        families: what metrics there are; their values do not count.
        counted: whose counters and histograms are summed, those of ended workers among them.
        living: whose gauges count.
    """
    sums = totals(counted)
    for family in families:
        values = _gauge(family.name, living) if family.type == "gauge" else sums
        yield _with_values(family, values)


def _gauge(name: str, living: Sequence[Readings]) -> Readings:
    told: dict[Series, list[float]] = {}
    for own in living:
        for series, value in own.items():
            if series.name == name:
                told.setdefault(series, []).append(value)
    return {series: GAUGES[name](values) for series, values in told.items()}


def _with_values(family: Metric, values: Readings) -> Metric:
    made = Metric(family.name, family.documentation, family.type)
    suffixes = {"counter": ("_total", CREATED), "gauge": ("",)}.get(
        family.type, ("_bucket", "_count", "_sum", CREATED)
    )
    names = {f"{family.name}{suffix}" for suffix in suffixes}
    for series, value in values.items():
        if series.name in names:
            made.add_sample(series.name, dict(series.labels), value)
    return made


class WorkersMetrics(Collector):
    """The metrics of all workers and of the parent, as one."""

    def __init__(self, own: Metrics, sockets: Sequence[Path]) -> None:
        """Ask nobody yet.

        Args:
            own: what the parent counts; its gauges say nothing.
            sockets: of each worker.
        """
        self._own = own
        self._sockets = sockets
        self._last: dict[int, Readings] = {}
        """What each running worker told last."""
        self._past: dict[Series, float] = {}
        """Totals of the workers that ended, as they told them last: counters never go back."""
        self._lock = Lock()

    def collect(self) -> Iterator[Metric]:
        """Asks every worker; one that does not answer counts as it told last."""
        with self._lock:
            living = {
                i: told
                for i, place in enumerate(self._sockets)
                if (told := told_at(place)) is not None
            }
            self._last |= living
            counted = [self._past, *self._last.values(), self._own_totals()]
            yield from merged(self._own.registry.collect(), counted, [*living.values()])

    def ended(self, index: int) -> None:
        """Keeps the counts of a worker that has ended, before its place is taken again."""
        with self._lock:
            if (last := self._last.pop(index, None)) is not None:
                self._past = totals([self._past, last])

    def _own_totals(self) -> Readings:
        return readings(self._own.registry)


@contextmanager
def told_metrics(registry: CollectorRegistry, place: Path) -> Iterator[None]:
    """Tells the registry's readings to whoever connects to the Unix socket, within the block."""

    class Told(StreamRequestHandler):
        def handle(self) -> None:
            """One answer, then the end."""
            listed = [[*series, value] for series, value in readings(registry).items()]
            self.wfile.write(json.dumps(listed).encode())

    place.unlink(missing_ok=True)  # of a worker that was killed
    with ThreadingUnixStreamServer(str(place), Told) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, args=(STOP_LOOK_S,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            place.unlink(missing_ok=True)


def told_at(place: Path) -> Readings | None:
    """What the worker at this socket tells; None: it does not answer."""
    try:
        with socket.socket(socket.AF_UNIX) as own:
            own.settimeout(ASK_TIMEOUT_S)
            own.connect(str(place))
            with own.makefile("rb") as answer:
                listed = json.loads(answer.read())
    except (OSError, ValueError):
        return None
    return {
        Series(name, tuple((label, value) for label, value in labels)): number
        for name, labels, number in listed
    }

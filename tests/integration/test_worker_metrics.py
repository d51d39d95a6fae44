"""Workers that tell their metrics on Unix sockets, and the one who asks."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from prometheus_client import CollectorRegistry

from service.metrics import Metrics
from service.worker_metrics import WorkersMetrics, told_metrics


@pytest.fixture
def place() -> Iterator[Path]:
    """Of a socket; a Unix socket's path is short."""
    with TemporaryDirectory(prefix="steerrec-") as folder:
        yield Path(folder) / "w0.sock"


@contextmanager
def worker(place: Path, n_dropped: int) -> Iterator[Metrics]:
    """A worker that has dropped so many."""
    metrics = Metrics()
    metrics.dropped.labels("deadline").inc(n_dropped)
    metrics.queued.set(n_dropped)
    with told_metrics(metrics.registry, place):
        yield metrics


def page(gathered: WorkersMetrics) -> CollectorRegistry:
    """What the metrics page shows."""
    registry = CollectorRegistry()
    registry.register(gathered)
    return registry


def dropped(gathered: WorkersMetrics) -> float | None:
    return page(gathered).get_sample_value("steerrec_dropped_total", {"reason": "deadline"})


def test_a_worker_is_asked_at_each_scrape(place: Path) -> None:
    with worker(place, 2) as metrics:
        gathered = WorkersMetrics(Metrics(), [place])
        before = dropped(gathered)
        metrics.dropped.labels("deadline").inc()
        assert (before, dropped(gathered)) == (2, 3)


def test_the_counts_of_a_worker_outlive_it(place: Path) -> None:
    gathered = WorkersMetrics(Metrics(), [place])
    with worker(place, 2):
        dropped(gathered)
    gathered.ended(0)
    with worker(place, 1):
        assert dropped(gathered) == 3


def test_a_worker_that_does_not_answer_counts_as_it_told_last(place: Path) -> None:
    gathered = WorkersMetrics(Metrics(), [place])
    with worker(place, 2):
        dropped(gathered)
    assert dropped(gathered) == 2


def test_the_gauges_of_a_worker_end_with_it(place: Path) -> None:
    gathered = WorkersMetrics(Metrics(), [place])
    with worker(place, 2):
        dropped(gathered)
    assert page(gathered).get_sample_value("steerrec_queued_requests") is None


def test_what_the_parent_counts_is_on_the_page(place: Path) -> None:
    own = Metrics()
    own.worker_restarts.inc()
    shown = page(WorkersMetrics(own, [place]))
    assert shown.get_sample_value("steerrec_worker_restarts_total") == 1


def test_a_socket_of_a_killed_worker_is_taken_again(place: Path) -> None:
    gathered = WorkersMetrics(Metrics(), [place])
    place.touch()
    with worker(place, 2):
        assert dropped(gathered) == 2

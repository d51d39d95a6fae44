"""What several workers' metrics are as one."""

from collections.abc import Callable

import pytest

from service.metrics import Metrics
from service.worker_metrics import GAUGES, Readings, Series, merged, readings, totals


def value(name: str, counted: list[Readings], living: list[Readings], **labels: str) -> float:
    """Of one series of the merged page."""
    page = merged(Metrics().registry.collect(), counted, living)
    found = {Series(s.name, tuple(s.labels.items())): s.value for m in page for s in m.samples}
    return found[Series(name, tuple(labels.items()))]


def told(change: Callable[..., None], *values: object) -> Readings:
    """What a worker tells after a change by these values."""
    own = Metrics()
    change(own, *values)
    return readings(own.registry)


def test_every_gauge_has_a_meaning_for_several_workers() -> None:
    gauges = {family.name for family in Metrics().registry.collect() if family.type == "gauge"}
    assert gauges == GAUGES.keys()


def test_counters_are_summed() -> None:
    both = [told(lambda m, n: m.dropped.labels("deadline").inc(n), n) for n in (2, 3)]
    assert value("steerrec_dropped_total", both, [], reason="deadline") == 5


def test_a_counter_that_one_worker_has_is_shown() -> None:
    both = [told(lambda m: m.dropped.labels("deadline").inc()), told(lambda _: None)]
    assert value("steerrec_dropped_total", both, [], reason="deadline") == 1


def test_buckets_are_summed() -> None:
    both = [told(lambda m, n: m.batch_size.observe(n), n) for n in (1, 4)]
    assert [
        value("steerrec_batch_size_bucket", both, [], le=bound) for bound in ("1.0", "4.0")
    ] == [1, 2]


def test_a_birth_time_is_the_earliest() -> None:
    born = Series("steerrec_batch_size_created", ())
    assert totals([{born: 20.0}, {born: 10.0}]) == {born: 10.0}


@pytest.mark.parametrize(
    ("name", "own", "expected"),
    [
        ("steerrec_queued_requests", "queued", 5),
        ("steerrec_state_cache_bytes", "state_bytes", 5),
        ("steerrec_state_cache_entries", "state_entries", 5),
        ("steerrec_presets_in_force", "presets_in_force", 2),
        ("steerrec_snapshot_age_seconds", "snapshot_age", 3),
        ("steerrec_redis_connected", "redis_connected", 2),
        ("steerrec_preset_store_lost_data", "store_lost_data", 3),
    ],
)
def test_a_gauge_of_two_and_three(name: str, own: str, expected: float) -> None:
    living = [told(lambda m, n: getattr(m, own).set(n), n) for n in (2, 3)]
    assert value(name, [], living) == expected


def test_a_bundle_that_one_worker_serves_is_shown() -> None:
    living = [told(lambda m, v: m.show_models([("canary", v)]), v) for v in ("a", "b")]
    assert value("steerrec_model_info", [], living, label="canary", version="b") == 1

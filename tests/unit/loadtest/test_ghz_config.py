"""A config means the load that ghz would make of it; tests/contract/test_loadtest.py has faults."""

import math
from typing import Any

from loadtest.ghz_config import DEFAULT_TOTAL, OPEN_IN_FLIGHT, load_of
from loadtest.levels import Level
from loadtest.load import Certificates, Load

MINIMAL = {
    "host": "127.0.0.1:50051",
    "insecure": True,
    "call": "steerrec.v1.RecommenderService/Recommend",
    "data": {"history": ["50"]},
}


def load(**options: Any) -> Load:
    """Of the least config and these options."""
    return load_of(MINIMAL | {name.replace("_", "-"): value for name, value in options.items()})


def test_without_a_rate_it_is_a_closed_loop_of_ghzs_own_size() -> None:
    own = load()
    assert not own.is_open
    assert (own.total, own.in_flight, own.duration_s) == (DEFAULT_TOTAL, 50, math.inf)


def test_a_rate_makes_it_an_open_loop() -> None:
    assert load(rps=20, duration="2s").levels == (Level(20, 2),)


def test_the_longest_duration_goes_before_the_duration() -> None:
    assert load(rps=20, duration="2s", **{"max-duration": "1s"}).duration_s == 1


def test_a_line_is_a_stair_a_second() -> None:
    own = load(load_schedule="line", load_start=1, load_step=1, load_end=3, duration="3s")
    assert own.levels == (Level(1, 1), Level(2, 1), Level(3, 1))


def test_workers_bound_a_load_that_is_not_asynchronous() -> None:
    assert load(rps=20, concurrency=7).in_flight == 7


def test_an_asynchronous_load_has_our_bound() -> None:
    assert load(rps=20, concurrency=7, **{"async": True}).in_flight == OPEN_IN_FLIGHT


def test_the_path_is_http2s() -> None:
    assert load().path == "/steerrec.v1.RecommenderService/Recommend"


def test_other_methods_are_loaded_too() -> None:
    own = load(call="steerrec.v1.FeatureService.ListFeatures", data={})
    assert own.path == "/steerrec.v1.FeatureService/ListFeatures"


def test_without_insecure_the_connection_is_tls() -> None:
    own = load(insecure=False, cacert="ca.pem", cname="steerrec")
    assert own.certificates == Certificates(authority="ca.pem", name="steerrec")


def test_metadata_go_with_every_call() -> None:
    assert load(metadata={"x-tenant": "a"}).metadata == (("x-tenant", "a"),)


def test_an_object_is_one_request() -> None:
    assert len(load().requests) == 1


def test_a_timeout_of_nothing_is_none() -> None:
    assert load(timeout="0s").timeout_s == math.inf

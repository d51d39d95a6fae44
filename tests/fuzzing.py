"""How long the fuzzers look: the same few seconds everywhere, or longer where a person asks."""

import os

from hypothesis import HealthCheck, settings

FACTOR = int(os.environ.get("FUZZ_FACTOR", "1"))
"""Times as many examples, at random; 1: always the same ones."""


def bounded(max_examples: int) -> settings:
    """Settings of a fuzzer that tries this many examples."""
    return settings(
        max_examples=max_examples * FACTOR,
        derandomize=FACTOR == 1,
        database=None,
        deadline=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.filter_too_much,
        ],
    )

"""Load goes on while Redis is broken in every way: no request fails, none waits, all is said."""

from pathlib import Path

import pytest

from bench.chaos import Outcome, outcome_of
from bench.redis_faults import FAULTS
from model_store.store import Store

pytestmark = pytest.mark.e2e

NOTICED_S = 2.0
NOTICED_LATE_S = 4.0
"""A Redis that answers late, or not at all, is noticed only by waiting for it."""
LATE = {"paused", "slowed to 2 s a reply"}
LONGEST_PAUSE_MS = 900.0
"""Below what a request that waited for Redis would take, far above what a busy machine does."""
UNNOTICED = {"none", "slot moved"}


async def outcome(fault: str, store: Store, folder: Path) -> Outcome:
    return await outcome_of(
        fault, store.root, folder, NOTICED_LATE_S if fault in LATE else NOTICED_S
    )


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "none"])
async def test_requests_are_answered_through(fault: str, tiny_store: Store, tmp_path: Path) -> None:
    came = await outcome(fault, tiny_store, tmp_path)
    assert came.failures == []
    assert came.longest_pause_ms < LONGEST_PAUSE_MS
    assert (came.stale_age_s is None) == (fault in UNNOTICED)

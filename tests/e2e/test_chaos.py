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
DEADLINE_S = 60.0
"""A busy machine fails no call."""
UNWAITED = 40
"""Answers while Redis is broken: ten times what callers would get if each call waited for it."""
UNNOTICED = {"none", "slot moved"}


async def outcome(fault: str, store: Store, folder: Path) -> Outcome:
    return await outcome_of(
        fault,
        store.root,
        folder,
        hold_s=NOTICED_LATE_S if fault in LATE else NOTICED_S,
        deadline_s=DEADLINE_S,
    )


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "none"])
async def test_requests_are_answered_through(fault: str, tiny_store: Store, tmp_path: Path) -> None:
    came = await outcome(fault, tiny_store, tmp_path)
    assert came.failures == []
    assert came.answered_while_broken >= UNWAITED
    assert (came.stale_age_s is None) == (fault in UNNOTICED)

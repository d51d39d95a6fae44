"""How many refusals are logged, and what becomes of the others."""

import asyncio
import logging

import pytest

from service.call_log import MOST_LINES, SPAN_S, CallLog
from service.errors import Draining, Overloaded


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        """Seconds now."""
        return self.now


@pytest.fixture(autouse=True)
def from_info_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


async def flood(call_log: CallLog, count: int) -> None:
    for _ in range(count):
        call_log.refused("/s/M", Overloaded(1), "id", 0.0)


async def test_so_many_are_logged_in_a_span(caplog: pytest.LogCaptureFixture) -> None:
    await flood(CallLog(Clock()), 10 * MOST_LINES)
    assert len(caplog.messages) == MOST_LINES


async def test_the_next_span_begins_with_the_count_of_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    call_log = CallLog(clock)
    await flood(call_log, MOST_LINES + 6)
    call_log.refused("/s/M", Draining(), "id", 0.0)
    clock.now += SPAN_S
    await flood(call_log, 1)
    assert caplog.messages[MOST_LINES:] == [
        "7 more refused calls within 10 s are not in the log: 6 OVERLOADED, 1 DRAINING",
        "refused: /s/M UNAVAILABLE OVERLOADED after 10000.0 ms:"
        " 1 requests are waiting already; try again",
    ]


async def test_the_others_are_told_without_another_refusal(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.call_log.SPAN_S", 0.01)
    await flood(CallLog(), MOST_LINES + 1)
    async with asyncio.timeout(10):
        while len(caplog.messages) == MOST_LINES:
            await asyncio.sleep(0.01)
    assert caplog.messages[-1].startswith("1 more refused calls")


async def test_a_fault_of_ours_is_no_refusal(caplog: pytest.LogCaptureFixture) -> None:
    CallLog().refused("/s/M", RuntimeError("inner"), "id", 0.0)
    assert caplog.messages == []

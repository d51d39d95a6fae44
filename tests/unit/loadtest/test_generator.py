"""Sends at their time, latencies from when a call was due, on services that stall."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.generator import GRACE_S, Call, Generator, numbers_of, share_of
from loadtest.levels import bounded, constant, send_times
from loadtest.tally import OK, Answer, Tally
from tests.fakes.virtual_time import VirtualTime, in_virtual_time

ANSWER_S = 0.001
STALL_FROM_S, STALL_TO_S = 1.0, 2.0
RATE, SECONDS = 100, 3
MANY = 10_000


def stalling(loop: VirtualTime) -> Call:
    """Answers in a millisecond, but for a second in which nobody is answered."""

    async def call(_: int) -> Answer:
        is_stalled = STALL_FROM_S <= loop.time() < STALL_TO_S
        await asyncio.sleep(STALL_TO_S - loop.time() if is_stalled else ANSWER_S)
        return Answer(OK)

    return call


def open_loop(
    call_of: Callable[[VirtualTime], Call],
    *,
    most_in_flight: int = MANY,
    skip_first: int = 0,
    count_errors: bool = False,
) -> Generator:
    """A generator that has sent RATE calls a second for SECONDS."""
    loop = VirtualTime()
    generator = Generator(
        call_of(loop),
        [0.0],
        skip_first=skip_first,
        count_errors=count_errors,
        clock=loop.time,
    )
    sends = enumerate(send_times(bounded(constant(RATE), duration_s=SECONDS)))
    in_virtual_time(loop, generator.open_loop(sends, 0.0, most_in_flight))
    return generator


def closed_loop(
    call_of: Callable[[VirtualTime], Call], *, callers: int, total: int | None = None
) -> Generator:
    """A generator that has kept calls in flight for SECONDS, or made so many."""
    loop = VirtualTime()
    generator = Generator(call_of(loop), [0.0], clock=loop.time)
    numbers = numbers_of(total, 0, 1)
    work = generator.closed_loop(numbers, 0.0, callers=callers, duration_s=SECONDS)
    in_virtual_time(loop, work)
    return generator


def tally(generator: Generator) -> Tally:
    """Of its one window."""
    (own,) = generator.tallies
    return own


def test_every_call_is_sent_once_and_counted() -> None:
    assert tally(open_loop(stalling)).statuses == {OK: RATE * SECONDS}


def test_callers_who_come_in_a_stall_wait_until_its_end() -> None:
    own = tally(open_loop(stalling)).latency
    # a third of the calls came in the stall, evenly: they waited up to a second
    assert own.percentile_s(60) == pytest.approx(ANSWER_S, rel=0.01)
    assert own.percentile_s(100 * (2 / 3 + 1 / 6)) == pytest.approx(0.5, rel=0.05)
    assert own.slowest_s == pytest.approx(1.0)


def test_a_closed_loop_leaves_them_out() -> None:
    own = tally(closed_loop(stalling, callers=1)).latency
    assert own.percentile_s(99.9) == pytest.approx(ANSWER_S, rel=0.01)
    assert own.slowest_s == pytest.approx(1.0, rel=0.01)


def blocking(loop: VirtualTime) -> Call:
    """Answers at once; one call blocks the generator's own process for a second."""

    async def call(number: int) -> Answer:
        if number == RATE:
            loop.pass_by(1.0)
        return Answer(OK)

    return call


def test_a_generator_that_is_late_counts_it_in_the_latency_and_says_so() -> None:
    own = tally(open_loop(blocking))
    late_s = own.lag.percentile_s(100 * (2 / 3 + 1 / 6))
    assert late_s == pytest.approx(0.5, rel=0.05)
    assert own.latency.percentile_s(100 * (2 / 3 + 1 / 6)) == pytest.approx(0.5, rel=0.05)
    assert own.service.percentile_s(99) == pytest.approx(0.0, abs=1e-6)


@settings(deadline=None)
@given(st.integers(1, 60))
def test_what_is_due_above_the_bound_is_dropped_and_counted(bound: int) -> None:
    generator = open_loop(stalling, most_in_flight=bound)
    own = tally(generator)
    assert generator.most_in_flight <= bound
    assert own.dropped == RATE * (STALL_TO_S - STALL_FROM_S) - bound
    assert own.count + own.dropped == RATE * SECONDS


def test_the_first_calls_may_be_left_out() -> None:
    assert tally(open_loop(stalling, skip_first=40)).count == RATE * SECONDS - 40


def refusing(_: VirtualTime) -> Call:
    """Refuses every second call at once."""

    async def call(number: int) -> Answer:
        await asyncio.sleep(0 if number % 2 else ANSWER_S)
        return Answer("Unavailable", "full") if number % 2 else Answer(OK)

    return call


def test_refused_calls_show_by_status_and_in_no_latency() -> None:
    own = tally(open_loop(refusing))
    assert own.statuses == {OK: 150, "Unavailable": 150}
    assert own.errors == {"full": 150}
    assert len(own.latency) == 150
    assert own.latency.fastest_s == pytest.approx(ANSWER_S)


def test_refused_calls_are_timed_where_errors_count() -> None:
    assert len(tally(open_loop(refusing, count_errors=True)).latency) == 300


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 60))
def test_a_closed_loop_makes_so_many_calls_and_keeps_so_many_in_flight(
    callers: int, total: int
) -> None:
    generator = closed_loop(stalling, callers=callers, total=total)
    assert tally(generator).count == total
    assert generator.most_in_flight == min(callers, total)


def test_a_closed_loop_ends_with_its_time() -> None:
    assert tally(closed_loop(stalling, callers=2)).count == pytest.approx(
        2 * (SECONDS - 1) / ANSWER_S, rel=0.01
    )


def stopped_at(seconds: float, call: Callable[[int], Awaitable[Answer]]) -> Generator:
    """An open loop that is told to stop after so long."""
    loop = VirtualTime()
    generator = Generator(call, [0.0], clock=loop.time)

    async def work() -> None:
        loop.call_later(seconds, setattr, generator, "is_stopped", True)
        sends = ((n, n / RATE) for n in count())
        await generator.open_loop(sends, 0.0, MANY)
        assert loop.time() <= seconds + GRACE_S + 1

    in_virtual_time(loop, work())
    return generator


async def _soon(_: int) -> Answer:
    await asyncio.sleep(ANSWER_S)
    return Answer(OK)


async def _never(_: int) -> Answer:
    await asyncio.sleep(1e6)
    return Answer(OK)


def test_a_stop_keeps_what_was_measured() -> None:
    assert tally(stopped_at(1.0, _soon)).statuses[OK] == pytest.approx(RATE, abs=11)


def test_a_stop_waits_only_a_while_for_answers() -> None:
    statuses = tally(stopped_at(1.0, _never)).statuses
    assert statuses["Canceled"] == statuses.total() == pytest.approx(RATE, abs=11)


def test_answers_are_counted_in_the_window_that_they_came_in() -> None:
    loop = VirtualTime()
    generator = Generator(stalling(loop), [0.0, 1.0, 2.0], end_s=2.5, clock=loop.time)
    sends = enumerate(send_times(bounded(constant(RATE), duration_s=SECONDS)))
    in_virtual_time(loop, generator.open_loop(sends, 0.0, MANY))
    answered = [own.answered for own in generator.tallies]
    # nobody in the stall; after it all who waited, and those of the half second that is left
    assert answered == pytest.approx([RATE, 0, RATE + RATE / 2], abs=2)


def test_calls_are_counted_in_the_window_that_they_were_due_in() -> None:
    loop = VirtualTime()
    generator = Generator(stalling(loop), [0.0, 1.0, 2.0], clock=loop.time)
    sends = enumerate(send_times(bounded(constant(RATE), duration_s=SECONDS)))
    in_virtual_time(loop, generator.open_loop(sends, 0.0, MANY))
    assert [own.count for own in generator.tallies] == [RATE] * SECONDS
    assert [own.latency.slowest_s > 0.5 for own in generator.tallies] == [False, True, False]


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(0, 50))
def test_processes_share_the_sends_and_make_each_once(processes: int, total: int) -> None:
    times = [n / RATE for n in range(total)]
    shares = [list(share_of(times, index, processes)) for index in range(processes)]
    assert sorted(send for share in shares for send in share) == list(enumerate(times))


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(0, 50))
def test_processes_share_the_numbers_of_a_closed_loop(processes: int, total: int) -> None:
    shares = [list(numbers_of(total, index, processes)) for index in range(processes)]
    assert sorted(number for share in shares for number in share) == list(range(total))

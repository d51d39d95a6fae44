"""Inflating in steps: sizes, ratios, turns of connections, cancelled jobs."""

import asyncio
import gzip
import zlib

import grpc
import pytest

from service.wire.inflating import (
    ANY_RATIO_BYTES,
    MAX_RATIO,
    STEP_BYTES,
    Inflater,
    Inflation,
    Job,
    Outcome,
)
from service.wire.unacceptable import Unacceptable

MOST = 2**22
LARGE = bytes(number * number % 251 for number in range(5 * STEP_BYTES))


def inflation(message: bytes, most: int = MOST) -> Inflation:
    return Inflation("gzip", gzip.compress(message), most)


def whole(own: Inflation) -> bytes:
    while (message := own.step()) is None:
        pass
    return message


@pytest.mark.parametrize("size", [0, 1, STEP_BYTES - 1, STEP_BYTES, STEP_BYTES + 1, len(LARGE)])
def test_a_message_is_inflated_in_steps(size: int) -> None:
    assert whole(inflation(LARGE[:size])) == LARGE[:size]


def test_what_does_not_compress_is_inflated() -> None:
    message = zlib.compress(LARGE)
    assert whole(Inflation("deflate", zlib.compress(message), MOST)) == message


def test_what_one_step_yields_is_there_at_once() -> None:
    assert inflation(LARGE[:STEP_BYTES]).at_once() == LARGE[:STEP_BYTES]


def test_what_needs_more_steps_begins_anew() -> None:
    own = inflation(LARGE)
    assert own.at_once() is None
    assert whole(own) == LARGE


def test_what_waits_for_its_turn_holds_no_part_of_its_result() -> None:
    packed = gzip.compress(LARGE)
    own = Inflation("gzip", packed, MOST)
    own.at_once()
    assert own.held_bytes == len(packed)


@pytest.mark.parametrize("most", [STEP_BYTES // 2, STEP_BYTES, 3 * STEP_BYTES])
def test_no_more_is_inflated_than_tells_that_it_is_too_large(most: int) -> None:
    packed = gzip.compress(LARGE)
    own = Inflation("gzip", packed, most)
    with pytest.raises(Unacceptable) as caught:
        whole(own)
    assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert own.held_bytes == len(packed) + most + 1


def test_a_small_message_may_have_any_ratio() -> None:
    message = bytes(ANY_RATIO_BYTES)
    assert len(message) > MAX_RATIO * len(gzip.compress(message))
    assert whole(inflation(message)) == message


def test_a_larger_one_is_refused_for_its_ratio() -> None:
    with pytest.raises(Unacceptable, match="over 500 times its size"):
        whole(inflation(bytes(2 * ANY_RATIO_BYTES)))


@pytest.mark.parametrize("cut", [1, 5, 9])
def test_a_large_message_that_is_cut_off_is_refused(cut: int) -> None:
    own = Inflation("gzip", gzip.compress(LARGE)[:-cut], MOST)
    with pytest.raises(Unacceptable, match="Failed to decompress"):
        whole(own)


def job(name: str, delivered: list[str], message: bytes = LARGE) -> Job:
    """A job that writes its name down once it is done."""

    def done(outcome: Outcome) -> None:
        delivered.append(name if outcome == message else f"{name}: {outcome!r:.40}")

    return Job(inflation(message), done, lambda _: None)


async def until(delivered: list[str], count: int) -> None:
    async with asyncio.timeout(10):
        while len(delivered) < count:
            await asyncio.sleep(0.001)


async def test_connections_take_turns() -> None:
    inflater, delivered = Inflater(), list[str]()
    for number in range(20):
        inflater.put("greedy", job(f"greedy {number}", delivered))
    inflater.put("modest", job("modest", delivered))
    await until(delivered, 21)
    assert delivered.index("modest") <= 2


async def test_jobs_of_a_connection_keep_their_order() -> None:
    inflater, delivered = Inflater(), list[str]()
    for name in "abc":
        inflater.put("one", job(name, delivered))
    await until(delivered, 3)
    assert delivered == ["a", "b", "c"]


async def test_a_cancelled_job_delivers_nothing() -> None:
    inflater, delivered = Inflater(), list[str]()
    first = job("cancelled", delivered)
    inflater.put("one", first)
    inflater.put("one", job("next", delivered))
    first.cancel()
    await until(delivered, 1)
    assert delivered == ["next"]


async def test_a_job_that_cannot_be_delivered_leaves_the_next_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(_outcome: Outcome) -> None:
        raise ValueError("a fault of ours")

    inflater, delivered = Inflater(), list[str]()
    inflater.put("one", Job(inflation(LARGE), fails, lambda _: None))
    inflater.put("one", job("next", delivered))
    with caplog.at_level("ERROR"):
        await until(delivered, 1)
    assert "a fault of ours" in caplog.text


async def test_a_job_tells_how_much_it_holds() -> None:
    held: list[int] = []
    own = Job(inflation(LARGE), lambda _: None, held.append)
    while not own.run(0.0):
        pass
    assert held == sorted(held)
    assert held[0] >= STEP_BYTES

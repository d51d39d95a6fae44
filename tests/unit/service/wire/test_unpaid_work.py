"""Work that brings no answer: what one connection may have us do, and what is never punished."""

from collections.abc import Callable
from itertools import repeat
from typing import Any

import pytest

from service.wire import frames
from service.wire.budget import (
    BLOCK_UNIT_BYTES,
    FREE_PER_S,
    MAX_PING_STRIKES,
    MAX_UNPAID,
    MIN_DATA_BYTES,
    UNPAID_WARNED,
)
from service.wire.connection import BLOCK_WORK_BYTES, TOO_MANY_PINGS, Connection
from service.wire.frames import INITIAL_WINDOW_SIZE, MOST_WINDOW, frame
from service.wire.headers import Fields, encoded
from service.wire.stream import Stream
from tests.unit.service.wire.peer import (
    HEADS,
    REQUEST,
    TRAILERS,
    Told,
    codes,
    data,
    opened,
    request,
    sent,
    written,
)

PING = frame(frames.PING, 0, 0, b"are you?")
LARGE = REQUEST + encoded([(b"a", b"x" * 8000)])
"""A header block that takes long to read."""
FRAMES = {
    "pings": PING,
    "acknowledged pings": frame(frames.PING, frames.ACK, 0, bytes(8)),
    "wider windows of the connection": frames.window_update(0, 1),
    "wider windows of a stream": frames.window_update(1, 1),
    "wider windows of an old stream": frames.window_update(3, 1),
    "settings": frames.settings({99: 1}),
    "empty settings": frames.settings({}),
    "acknowledged settings": frame(frames.SETTINGS, frames.ACK, 0),
    "other windows": frames.settings({INITIAL_WINDOW_SIZE: 1, 99: 1}),
    "priorities": frame(frames.PRIORITY, 0, 1, bytes(5)),
    "unknown frames": frame(99, 0, 0),
    "unknown frames of a stream": frame(99, 0, 1, b"some"),
    "goaways": frame(frames.GOAWAY, 0, 0, bytes(8)),
    "bytes of data one by one": data(1, b"x"),
}


class Clock:
    """Time as a test sets it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


class Streams(dict[int, Stream]):
    """Open streams that count how often all were looked at."""

    n_looks = 0

    def values(self) -> Any:
        """All of them."""
        self.n_looks += 1
        return super().values()


def behind_requests(clock: Clock | None = None) -> tuple[Told, Connection[Fields]]:
    """A connection with request 1 open and request 3 over."""
    told, connection = opened(clock=clock or Clock())
    connection.receive(request(1) + request(3) + frames.rst_stream(3, 8))
    connection.out.clear()
    return told, connection


def many_streams(count: int = 1000) -> tuple[Told, Connection[Fields], Streams]:
    """A connection with so many open streams."""
    told, connection = opened()
    connection.receive(b"".join(request(2 * at + 1) for at in range(count)))
    streams = Streams(connection.streams)
    connection.streams = streams
    connection.out.clear()
    return told, connection, streams


def answered(told: Told, connection: Connection[Fields], number: int, block: bytes) -> None:
    """Asks and answers one call."""
    connection.receive(request(number, ends=True, block=block))
    connection.respond(told.streams[number], HEADS, b"answer", TRAILERS)


@pytest.mark.parametrize("sent", FRAMES.values(), ids=FRAMES)
def test_a_flood_without_answers_ends_its_connection(sent: bytes) -> None:
    _, connection = behind_requests()
    connection.receive(sent * (MAX_UNPAID + 1))
    assert codes(connection, frames.GOAWAY)[-1:] == [frames.ENHANCE_YOUR_CALM]


@pytest.mark.parametrize("sent", FRAMES.values(), ids=FRAMES)
def test_half_of_a_flood_asks_its_sender_to_connect_anew(sent: bytes) -> None:
    _, connection = behind_requests()
    connection.receive(sent * UNPAID_WARNED)
    assert codes(connection, frames.GOAWAY) == [frames.NO_ERROR]


@pytest.mark.parametrize("sent", FRAMES.values(), ids=FRAMES)
def test_what_comes_slowly_is_never_too_much(sent: bytes) -> None:
    clock = Clock()
    _, connection = behind_requests(clock)
    for _ in range(3 * MAX_UNPAID // FREE_PER_S):
        clock.now += 1
        connection.receive(sent * FREE_PER_S)
    assert not codes(connection, frames.GOAWAY)


def test_costly_header_blocks_end_their_connection() -> None:
    _, connection = opened(max_streams=1)
    units = len(LARGE) // BLOCK_UNIT_BYTES
    for at in range(MAX_UNPAID // units + 1):
        connection.receive(request(2 * at + 1, block=LARGE) + frames.rst_stream(2 * at + 1, 8))
    assert codes(connection, frames.GOAWAY)[-1:] == [frames.ENHANCE_YOUR_CALM]


def test_costly_header_blocks_of_answered_calls_are_free() -> None:
    told, connection = opened()
    for at in range(2 * MAX_UNPAID * BLOCK_UNIT_BYTES // len(LARGE)):
        answered(told, connection, 2 * at + 1, LARGE)
    assert not codes(connection, frames.GOAWAY)


def test_refused_calls_do_not_pay_for_resets() -> None:
    told, connection = opened()
    for at in range(1, 4 * MAX_UNPAID + 8, 4):
        connection.receive(request(at, ends=True) + request(at + 2))
        if at in told.streams and at + 2 in told.streams:
            connection.send_headers(told.streams[at], TRAILERS, ends=True)
        connection.receive(frames.rst_stream(at + 2, 8))
    assert connection.fault is not None


def test_an_answer_drawn_out_byte_by_byte_does_not_pay_for_its_windows() -> None:
    told, connection = opened({INITIAL_WINDOW_SIZE: 0})
    connection.receive(request(1, ends=True))
    connection.send_data(told.streams[1], bytes(3 * MAX_UNPAID))
    connection.receive(frames.window_update(1, 1) * (MAX_UNPAID + 1))
    assert connection.fault is not None


@pytest.mark.parametrize(
    "updates", [frames.window_update(0, 600), frames.window_update(0, 600) + PING]
)
def test_windows_and_pings_that_follow_answers_are_free(updates: bytes) -> None:
    told, connection = opened(min_ping_s=10)
    for at in range(1, 4 * MAX_UNPAID, 2):
        answered(told, connection, at, REQUEST)
        connection.receive(updates)
        connection.out.clear()
    assert not connection.is_closed


def test_a_talk_of_small_messages_is_free() -> None:
    told, connection = opened()
    connection.receive(request(1))
    for _ in range(2 * MAX_UNPAID):
        connection.receive(data(1, b"\0\0\0\0\0") + frames.window_update(1, 5))
        connection.receive(frames.window_update(0, 5))
        connection.send_data(told.streams[1], b"\0\0\0\0\0")
        connection.out.clear()
    assert not connection.is_closed


def test_data_of_some_size_is_free() -> None:
    told, connection = opened()
    connection.receive(request(1))
    for _ in range(2 * MAX_UNPAID):
        connection.receive(data(1, bytes(MIN_DATA_BYTES)))
        connection.consumed(told.streams[1], MIN_DATA_BYTES)
    assert not connection.is_closed


# pings (gRFC A8)


def pinging(
    *between: Callable[[Connection[Fields], Told], None], gap_s: float
) -> Connection[Fields]:
    """A connection after many pings with so much time, and something else, between."""
    clock = Clock()
    told, connection = opened(min_ping_s=10, clock=clock)
    connection.receive(request(1))
    connection.out.clear()
    for _ in range(3 * MAX_PING_STRIKES):
        connection.receive(PING)
        clock.now += gap_s
        for act in between:
            act(connection, told)
    return connection


def test_pings_too_soon_are_told_as_grpcs_clients_know_it() -> None:
    last = written(pinging(gap_s=1))[-1]
    assert (last.kind, last.payload[8:]) == (frames.GOAWAY, TOO_MANY_PINGS.encode())


def test_the_first_pings_too_soon_are_forgiven() -> None:
    _, connection = opened(min_ping_s=10)
    connection.receive(PING * (1 + MAX_PING_STRIKES))
    assert codes(connection, frames.GOAWAY) == []


@pytest.mark.parametrize("gap_s", [9.5, 10, 100])
def test_pings_in_time_are_never_too_many(gap_s: float) -> None:
    assert not pinging(gap_s=gap_s).is_closed


def test_pings_that_follow_data_of_ours_are_never_too_many() -> None:
    def answer(connection: Connection[Fields], told: Told) -> None:
        connection.send_data(told.streams[1], b"some")

    assert not pinging(answer, gap_s=0).is_closed


def test_pings_that_follow_windows_of_ours_are_never_too_many() -> None:
    def widen(connection: Connection[Fields], told: Told) -> None:
        connection.receive(data(1, bytes(16_384)) * 32)
        connection.consumed(told.streams[1], 2**19)

    assert not pinging(widen, gap_s=0).is_closed


# windows of many streams (RFC 9113, section 6.9.2)


def test_other_initial_windows_look_at_no_stream() -> None:
    _, connection, streams = many_streams()
    for size in range(1000):
        connection.receive(frames.settings({INITIAL_WINDOW_SIZE: size}))
    assert (streams.n_looks, connection.is_closed) == (0, False)


def test_a_window_far_too_wide_once_is_looked_for_once() -> None:
    _, connection, streams = many_streams(10)
    connection.receive(frames.window_update(1, MOST_WINDOW - 65_535) + frames.rst_stream(1, 8))
    for size in range(100):
        connection.receive(frames.settings({INITIAL_WINDOW_SIZE: 70_000 + size}))
    assert (streams.n_looks, connection.is_closed) == (1, False)


def test_looking_at_streams_is_paid_for() -> None:
    told, connection, _ = many_streams()
    connection.receive(frames.settings({INITIAL_WINDOW_SIZE: 0}))
    for stream in told.streams.values():
        connection.send_data(stream, bytes(100))
    for _ in range(MAX_UNPAID // 1000 + 1):
        connection.receive(
            frames.settings({INITIAL_WINDOW_SIZE: 1}) + frames.settings({INITIAL_WINDOW_SIZE: 0})
        )
    assert connection.fault is not None


def test_a_stream_opened_before_uses_a_wider_window() -> None:
    told, connection = opened({INITIAL_WINDOW_SIZE: 5})
    connection.receive(request(1, ends=True))
    connection.send_data(told.streams[1], b"0123456789")
    connection.receive(frames.settings({INITIAL_WINDOW_SIZE: 8}))
    assert sent(connection, 1) == b"01234567"


def test_a_window_below_nothing_opens_when_it_is_above() -> None:
    told, connection = opened({INITIAL_WINDOW_SIZE: 10})
    connection.receive(request(1, ends=True))
    connection.send_data(told.streams[1], b"0123456789abcdef")
    connection.receive(frames.settings({INITIAL_WINDOW_SIZE: 4}) + frames.window_update(1, 6))
    before = sent(connection, 1)
    connection.receive(frames.window_update(1, 3))
    assert (before, sent(connection, 1)) == (b"0123456789", b"abc")


def test_a_stream_opened_after_begins_with_the_new_window() -> None:
    told, connection = opened({INITIAL_WINDOW_SIZE: 10})
    connection.receive(frames.settings({INITIAL_WINDOW_SIZE: 3}) + request(1, ends=True))
    connection.send_data(told.streams[1], b"0123456789")
    assert sent(connection, 1) == b"012"


@pytest.mark.parametrize("excess", [0, 1])
def test_settings_may_fill_a_window_but_not_exceed_it(excess: int) -> None:
    _, connection = opened({INITIAL_WINDOW_SIZE: 100})
    connection.receive(request(1) + frames.window_update(1, 900))
    connection.receive(frames.settings({INITIAL_WINDOW_SIZE: MOST_WINDOW - 900 + excess}))
    assert codes(connection, frames.GOAWAY) == [frames.FLOW_CONTROL_ERROR] * excess


# turns


def test_a_turn_leaves_the_rest_for_the_next() -> None:
    _, connection = opened()
    connection.receive(PING * 10, most=4)
    first, more = len(written(connection)), connection.has_more
    connection.receive(b"", most=100)
    assert (first, more, len(written(connection)), connection.has_more) == (4, True, 6, False)


def test_turns_take_every_frame_once() -> None:
    told, connection = opened()
    connection.receive(b"".join(map(request, range(1, 101, 2))) + data(99, b"end"), most=1)
    turns = 1
    while connection.has_more:
        connection.receive(b"", most=1)
        turns += 1
    assert (len(told.streams), told.events[-1][2], turns > 50) == (50, b"end", True)


def test_a_costly_header_block_is_a_turn_of_its_own() -> None:
    told, connection = opened()
    connection.receive(request(1, block=LARGE) + request(3), most=100)
    assert [*told.streams] == [1]


def test_what_a_turn_took_too_much_is_taken_from_the_next() -> None:
    told, connection = opened()
    connection.receive(request(1, block=LARGE) + request(3), most=100)
    turns = 1
    while connection.has_more:
        connection.receive(b"", most=100)
        turns += 1
    assert ([*told.streams], turns > len(LARGE) // BLOCK_WORK_BYTES // 100) == ([1, 3], True)


def test_what_comes_during_a_turn_is_kept_in_order() -> None:
    told, connection = opened()
    connection.receive(request(1) + request(3), most=1)
    connection.receive(request(5) + request(7)[:5], most=1)
    connection.receive(request(7)[5:])
    assert [*told.streams] == [1, 3, 5, 7]


def test_settings_and_windows_of_any_number_keep_streams_alike() -> None:
    """Against the plain reading of the RFC: every change moves every window."""
    told, connection = opened()
    connection.receive(request(1) + request(3))
    expected = dict.fromkeys((1, 3), 65_535)
    initial = 65_535
    for step, size in enumerate((0, 70_000, 5, 2**20, 65_535)):
        connection.receive(frames.settings({INITIAL_WINDOW_SIZE: size}))
        connection.receive(frames.window_update(1, 7 + step))
        expected = {number: own + size - initial for number, own in expected.items()}
        expected[1] += 7 + step
        initial = size
        own = {number: connection._window_of(told.streams[number]) for number in (1, 3)}
        assert own == expected


def test_no_flood_is_told_twice() -> None:
    _, connection = behind_requests()
    connection.receive(b"".join(repeat(PING, 3 * MAX_UNPAID)))
    assert codes(connection, frames.GOAWAY) == [frames.NO_ERROR, frames.ENHANCE_YOUR_CALM]

"""What a peer does wrong: the code that the standard names, for its stream or its connection."""

from collections.abc import Callable, Iterable
from itertools import repeat

import pytest

from service.wire import frames
from service.wire.budget import MAX_UNPAID, UNPAID_WARNED
from service.wire.connection import (
    MAX_BLOCK_FRAMES,
    STREAM_ROOM,
    WARNING,
    Connection,
)
from service.wire.frames import MOST_WINDOW, PREFACE, frame
from service.wire.headers import Fields, encoded
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

HEADERS, CONTINUATION, END_HEADERS = frames.HEADERS, frames.CONTINUATION, frames.END_HEADERS
PIECE = 16_384
FULL = bytes(PIECE)


def setting(name: int, value: int) -> bytes:
    return frames.settings({name: value})


ENDING = {
    "a frame too large": (frame(99, 0, 0, bytes(PIECE + 1)), frames.FRAME_SIZE_ERROR),
    "DATA of the connection": (data(0, b"x"), frames.PROTOCOL_ERROR),
    "DATA before a request": (data(3, b"x"), frames.PROTOCOL_ERROR),
    "DATA of a server's stream": (data(2, b"x"), frames.PROTOCOL_ERROR),
    "DATA all padding": (frame(0, frames.PADDED, 1, b"\2x"), frames.PROTOCOL_ERROR),
    "DATA of an unknown padding": (frame(0, frames.PADDED, 1), frames.FRAME_SIZE_ERROR),
    "a request of the connection": (request(0), frames.PROTOCOL_ERROR),
    "a request of a server's stream": (request(2), frames.PROTOCOL_ERROR),
    "HEADERS all padding": (frame(HEADERS, 0xC, 3, b"\5x"), frames.PROTOCOL_ERROR),
    "HEADERS of half a priority": (frame(HEADERS, 0x24, 3, b"abcd"), frames.FRAME_SIZE_ERROR),
    "PRIORITY of the connection": (frame(frames.PRIORITY, 0, 0, bytes(5)), frames.PROTOCOL_ERROR),
    "PRIORITY of 4 bytes": (frame(frames.PRIORITY, 0, 9, bytes(4)), frames.FRAME_SIZE_ERROR),
    "a reset of the connection": (frames.rst_stream(0, 8), frames.PROTOCOL_ERROR),
    "a reset before a request": (frames.rst_stream(3, 8), frames.PROTOCOL_ERROR),
    "a reset of 3 bytes": (frame(frames.RST_STREAM, 0, 1, bytes(3)), frames.FRAME_SIZE_ERROR),
    "SETTINGS of a stream": (frame(frames.SETTINGS, 0, 1), frames.PROTOCOL_ERROR),
    "SETTINGS of 5 bytes": (frame(frames.SETTINGS, 0, 0, bytes(5)), frames.FRAME_SIZE_ERROR),
    "an ACK of settings with more": (frame(4, frames.ACK, 0, bytes(6)), frames.FRAME_SIZE_ERROR),
    "push neither on nor off": (setting(frames.ENABLE_PUSH, 2), frames.PROTOCOL_ERROR),
    "a window too large": (setting(4, MOST_WINDOW + 1), frames.FLOW_CONTROL_ERROR),
    "frames too small": (setting(frames.MAX_FRAME_SIZE, PIECE - 1), frames.PROTOCOL_ERROR),
    "frames too large": (setting(frames.MAX_FRAME_SIZE, 2**24), frames.PROTOCOL_ERROR),
    "a bad setting before a good one": (
        frame(4, 0, 0, (frames.settings({5: 1}) + frames.settings({5: PIECE}))[9:15] + bytes(6)),
        frames.PROTOCOL_ERROR,
    ),
    "PUSH_PROMISE": (frame(frames.PUSH_PROMISE, 0, 1, bytes(4)), frames.PROTOCOL_ERROR),
    "PING of a stream": (frame(frames.PING, 0, 1, bytes(8)), frames.PROTOCOL_ERROR),
    "PING of 7 bytes": (frame(frames.PING, 0, 0, bytes(7)), frames.FRAME_SIZE_ERROR),
    "GOAWAY of a stream": (frame(frames.GOAWAY, 0, 1, bytes(8)), frames.PROTOCOL_ERROR),
    "GOAWAY of 7 bytes": (frame(frames.GOAWAY, 0, 0, bytes(7)), frames.FRAME_SIZE_ERROR),
    "WINDOW_UPDATE of 3 bytes": (frame(8, 0, 0, bytes(3)), frames.FRAME_SIZE_ERROR),
    "WINDOW_UPDATE of nothing": (frames.window_update(0, 0), frames.PROTOCOL_ERROR),
    "WINDOW_UPDATE beyond all": (frames.window_update(0, MOST_WINDOW), frames.FLOW_CONTROL_ERROR),
    "WINDOW_UPDATE before a request": (frames.window_update(3, 1), frames.PROTOCOL_ERROR),
    "CONTINUATION of nothing": (frame(CONTINUATION, END_HEADERS, 1), frames.PROTOCOL_ERROR),
    "CONTINUATION of another": (
        frame(HEADERS, 0, 3, REQUEST) + frame(CONTINUATION, END_HEADERS, 5),
        frames.PROTOCOL_ERROR,
    ),
    "an interrupted block": (
        frame(HEADERS, 0, 3, REQUEST) + frame(frames.PING, 0, 0, bytes(8)),
        frames.PROTOCOL_ERROR,
    ),
    "a block interrupted by the unknown": (
        frame(HEADERS, 0, 3, REQUEST) + frame(99, 0, 3),
        frames.PROTOCOL_ERROR,
    ),
    "a block that is none": (request(3, block=b"\xff"), frames.COMPRESSION_ERROR),
    "trailers that are none": (request(1, block=b"\xff", ends=True), frames.COMPRESSION_ERROR),
    "a block too large": (
        frame(HEADERS, 0, 3, FULL) + b"".join(repeat(frame(CONTINUATION, 0, 3, FULL), 4)),
        frames.ENHANCE_YOUR_CALM,
    ),
    "a block in too many frames": (
        frame(HEADERS, 0, 3) + b"".join(repeat(frame(CONTINUATION, 0, 3), 16)),
        frames.ENHANCE_YOUR_CALM,
    ),
    "a small block of large fields": (
        request(3, block=REQUEST + b"\x40\x01a\x7f\x81\x17" + bytes(3072) + b"\xbe" * 100),
        frames.ENHANCE_YOUR_CALM,
    ),
    "a window that settings made too large": (
        frames.window_update(1, MOST_WINDOW - 65_535) + setting(4, 65_536),
        frames.FLOW_CONTROL_ERROR,
    ),
}
ENDING_ITS_STREAM = {
    "a request without a path": (request(3, block=HEADS), frames.PROTOCOL_ERROR),
    "DATA behind the end": (data(1, b"", ends=True) + data(1, b"x"), frames.STREAM_CLOSED),
    "trailers behind the end": (
        data(1, b"", ends=True) + request(1, block=TRAILERS, ends=True),
        frames.STREAM_CLOSED,
    ),
    "DATA behind the trailers": (
        request(1, block=TRAILERS, ends=True) + data(1, b"x"),
        frames.STREAM_CLOSED,
    ),
    "trailers that do not end": (request(1, block=TRAILERS), frames.PROTOCOL_ERROR),
    "a request within a request": (request(1, ends=True), frames.PROTOCOL_ERROR),
    "trailers with a forbidden field": (
        request(1, block=encoded([(b"upgrade", b"h2c")]), ends=True),
        frames.PROTOCOL_ERROR,
    ),
    "WINDOW_UPDATE of nothing": (frames.window_update(1, 0), frames.PROTOCOL_ERROR),
    "a window too large": (frames.window_update(1, MOST_WINDOW), frames.FLOW_CONTROL_ERROR),
    "PRIORITY of 6 bytes": (frame(frames.PRIORITY, 0, 1, bytes(6)), frames.FRAME_SIZE_ERROR),
    "DATA beyond its window": (
        b"".join(repeat(data(1, FULL), STREAM_ROOM // PIECE)) + data(1, b"x"),
        frames.FLOW_CONTROL_ERROR,
    ),
}
FLOODS: dict[str, Callable[[int], bytes]] = {
    "resets": lambda at: request(2 * at + 3) + frames.rst_stream(2 * at + 3, 8),
    "settings": lambda _: setting(99, 1),
    "empty data": lambda _: data(1, b""),
    "padded empty data": lambda _: frame(frames.DATA, frames.PADDED, 1, b"\2ab"),
    "late empty data": lambda at: data(1, b"") if at else frames.rst_stream(1, 8),
    "priorities": lambda _: frame(frames.PRIORITY, 0, 1, bytes(5)),
    "malformed requests": lambda at: request(2 * at + 3, block=HEADS),
}


def behind_a_request(sent: bytes) -> tuple[Told, Connection[Fields]]:
    """Who is told, and a connection, after a request 1 and these bytes."""
    told, connection = opened()
    connection.receive(request(1))
    connection.receive(sent)
    return told, connection


def beginning_with(sent: bytes) -> Connection[Fields]:
    connection = Connection(Told())
    connection.receive(sent)
    return connection


@pytest.mark.parametrize(("sent", "code"), ENDING.values(), ids=ENDING)
def test_a_fault_ends_the_connection(sent: bytes, code: int) -> None:
    assert codes(behind_a_request(sent)[1], frames.GOAWAY) == [code]


@pytest.mark.parametrize(("sent", "_code"), ENDING.values(), ids=ENDING)
def test_a_request_is_told_once_that_its_connection_has_ended(sent: bytes, _code: int) -> None:
    assert behind_a_request(sent)[0].events.count(("reset", 1)) == 1


@pytest.mark.parametrize(("sent", "code"), ENDING_ITS_STREAM.values(), ids=ENDING_ITS_STREAM)
def test_a_fault_of_a_stream_resets_it(sent: bytes, code: int) -> None:
    assert codes(behind_a_request(sent)[1], frames.RST_STREAM) == [code]


@pytest.mark.parametrize(("sent", "_code"), ENDING_ITS_STREAM.values(), ids=ENDING_ITS_STREAM)
def test_a_fault_of_a_stream_leaves_the_connection_alone(sent: bytes, _code: int) -> None:
    assert behind_a_request(sent + request(9))[0].events[-1][:2] == ("begun", 9)


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n\r\n", PREFACE[:-1] + b"x", b"X"])
def test_another_protocol_is_told_at_its_first_bytes(first: bytes) -> None:
    assert codes(beginning_with(first), frames.GOAWAY) == [frames.PROTOCOL_ERROR]


@pytest.mark.parametrize(
    "first", [request(1), frame(frames.SETTINGS, frames.ACK, 0), frame(99, 0, 0)]
)
def test_settings_come_first(first: bytes) -> None:
    assert codes(beginning_with(PREFACE + first), frames.GOAWAY) == [frames.PROTOCOL_ERROR]


def test_a_block_in_as_many_frames_as_allowed_is_read() -> None:
    told, _ = behind_a_request(
        frame(HEADERS, 0, 3)
        + frame(CONTINUATION, 0, 3) * (MAX_BLOCK_FRAMES - 2)
        + frame(CONTINUATION, END_HEADERS, 3, REQUEST)
    )
    assert told.events[-1][:2] == ("begun", 3)


def test_the_largest_window_is_no_fault() -> None:
    _, connection = opened()
    connection.receive(frames.window_update(0, MOST_WINDOW - frames.DEFAULT_WINDOW))
    assert not connection.is_closed


def test_a_number_of_a_stream_is_not_used_twice() -> None:
    told, connection = opened()
    connection.receive(request(1))
    connection.reset(told.streams[1], frames.CANCEL)
    connection.receive(request(1))
    assert codes(connection, frames.GOAWAY) == [frames.PROTOCOL_ERROR]


def test_a_number_below_the_last_is_not_used() -> None:
    _, connection = opened()
    connection.receive(request(5) + request(3))
    assert codes(connection, frames.GOAWAY) == [frames.PROTOCOL_ERROR]


@pytest.mark.parametrize("make", FLOODS.values(), ids=FLOODS)
def test_a_flood_ends_the_connection(make: Callable[[int], bytes]) -> None:
    _, connection = opened()
    connection.receive(request(1))
    connection.receive(b"".join(map(make, range(MAX_UNPAID + 1))))
    assert codes(connection, frames.GOAWAY)[-1:] == [frames.ENHANCE_YOUR_CALM]


def test_a_flood_of_refused_requests_ends_the_connection() -> None:
    _, connection = opened(max_streams=1)
    numbers: Iterable[int] = range(1, 2 * MAX_UNPAID + 5, 2)
    connection.receive(b"".join(map(request, numbers)))
    assert codes(connection, frames.GOAWAY)[-1:] == [frames.ENHANCE_YOUR_CALM]


def cancelling(count: int) -> tuple[Told, Connection[Fields]]:
    """A connection with one call, behind which so many were cancelled."""
    told, connection = opened()
    connection.receive(request(1, ends=True))
    for number in range(3, 2 * count + 3, 2):
        connection.receive(request(number) + frames.rst_stream(number, 8))
    return told, connection


def test_a_client_that_cancels_very_many_calls_is_asked_to_connect_anew() -> None:
    _, connection = cancelling(UNPAID_WARNED)
    assert codes(connection, frames.GOAWAY) == [frames.NO_ERROR]


def test_a_client_that_is_asked_to_connect_anew_gets_its_answer() -> None:
    told, connection = cancelling(UNPAID_WARNED)
    connection.receive(frame(frames.PING, frames.ACK, 0, WARNING))
    connection.out.clear()
    connection.respond(told.streams[1], HEADS, b"x", TRAILERS)
    assert sent(connection, 1) == b"x"


def test_a_client_that_cancels_half_of_its_calls_goes_on() -> None:
    told, connection = opened()
    for number in range(1, 4 * MAX_UNPAID, 4):
        connection.receive(request(number, ends=True) + request(number + 2))
        connection.respond(told.streams[number], HEADS, b"x", TRAILERS)
        connection.receive(frames.rst_stream(number + 2, 8))
        connection.receive(frames.window_update(0, 1))
    assert not connection.is_closed


def test_a_request_too_many_is_refused() -> None:
    _, connection = opened(max_streams=2)
    connection.receive(request(1) + request(3) + request(5))
    assert codes(connection, frames.RST_STREAM) == [frames.REFUSED_STREAM]


def test_a_request_too_many_is_not_told() -> None:
    told, connection = opened(max_streams=1)
    connection.receive(request(1) + request(3))
    assert [*told.streams] == [1]


def test_a_request_that_is_over_makes_room_for_another() -> None:
    told, connection = opened(max_streams=1)
    connection.receive(request(1) + frames.rst_stream(1, 8) + request(3))
    assert [*told.streams] == [1, 3]


def test_a_refused_request_changes_the_table_all_the_same() -> None:
    told, connection = opened(max_streams=1)
    connection.receive(request(1) + request(3, block=REQUEST + b"\x40\x03x-a\x011"))
    connection.receive(frames.rst_stream(1, 8) + request(5, block=REQUEST + b"\xbe"))
    assert told.events[-1][:2] == ("begun", 5)


def test_nothing_is_read_behind_a_fault() -> None:
    told, connection = opened()
    connection.receive(frames.window_update(0, 0) + request(1))
    connection.receive(request(3))
    assert not told.streams


def test_a_goaway_names_the_last_request_that_was_taken() -> None:
    _, connection = opened()
    connection.receive(request(1) + request(7) + frames.window_update(0, 0))
    assert int.from_bytes(written(connection)[-1].payload[:4]) == 7


def test_what_a_fault_ends_is_never_answered() -> None:
    told, connection = opened()
    connection.receive(request(1, ends=True) + frames.window_update(0, 0))
    connection.out.clear()
    connection.respond(told.streams[1], HEADS, b"late", TRAILERS)
    assert not sent(connection, 1)

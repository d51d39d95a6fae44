"""One connection: what its receiver is told, and what it writes as windows allow."""

import pytest

from service.wire import frames
from service.wire.connection import CONNECTION_ROOM, STREAM_ROOM, Connection
from service.wire.frames import DEFAULT_WINDOW, PREFACE, frame
from service.wire.headers import Fields
from service.wire.stream import Stream
from tests.unit.service.wire.peer import (
    HEADS,
    REQUEST,
    TRAILERS,
    Answering,
    Frame,
    Told,
    answering,
    codes,
    data,
    opened,
    request,
    sent,
    written,
)

HALF = len(REQUEST) // 2
PIECE = 16_384
WINDOW = frames.INITIAL_WINDOW_SIZE
LARGE = bytes(range(256)) * 400
"""More than the window that a client has at first."""


def kinds(own: list[Frame]) -> list[int]:
    return [each.kind for each in own]


def begun(settings: dict[int, int] | None = None) -> tuple[Told, Connection[Fields]]:
    """A connection with a whole request 1."""
    told, connection = opened(settings)
    connection.receive(request(1, ends=True))
    return told, connection


# what comes in


def test_a_connection_begins_with_its_settings() -> None:
    _, connection = answering()
    assert kinds(written(connection)) == [frames.SETTINGS, frames.WINDOW_UPDATE]


def test_settings_are_acknowledged() -> None:
    _, connection = answering()
    connection.out.clear()
    connection.receive(PREFACE + frames.settings({}))
    assert written(connection) == [Frame(frames.SETTINGS, frames.ACK, 0, b"")]


def test_an_acknowledgement_is_not_acknowledged() -> None:
    _, connection = opened()
    connection.receive(frame(frames.SETTINGS, frames.ACK, 0))
    assert not connection.out


def test_a_ping_comes_back() -> None:
    _, connection = opened()
    connection.receive(frame(frames.PING, 0, 0, b"12345678"))
    assert written(connection) == [Frame(frames.PING, frames.ACK, 0, b"12345678")]


def test_the_echo_of_a_ping_does_not_come_back() -> None:
    _, connection = opened()
    connection.receive(frame(frames.PING, frames.ACK, 0, b"12345678"))
    assert not connection.out


@pytest.mark.parametrize(
    "ignored",
    [
        pytest.param(frame(99, 0xFF, 0, b"x"), id="an unknown frame"),
        pytest.param(frames.settings({99: 1}), id="an unknown setting"),
        pytest.param(frame(frames.PRIORITY, 0, 1, bytes(5)), id="PRIORITY"),
        pytest.param(frame(frames.PRIORITY, 0, 5, bytes(5)), id="PRIORITY before its request"),
        pytest.param(frame(frames.GOAWAY, 0, 0, bytes(8)), id="GOAWAY"),
        pytest.param(frame(frames.PING, 0, 1 << 31, bytes(8)), id="the reserved bit"),
        pytest.param(frames.rst_stream(1, 8) + frames.rst_stream(1, 8), id="two resets"),
        pytest.param(frames.rst_stream(1, 8) + frames.window_update(1, 9), id="a late window"),
        pytest.param(frames.rst_stream(1, 8) + data(1, b"x"), id="late data"),
        pytest.param(
            frames.rst_stream(1, 8) + request(1, block=TRAILERS, ends=True), id="late trailers"
        ),
    ],
)
def test_what_may_be_ignored_is(ignored: bytes) -> None:
    told, connection = opened()
    connection.receive(request(1) + ignored + request(3))
    assert told.events[-1][:2] == ("begun", 3)


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([frame(1, 0x4, 1, REQUEST)], id="plain"),
        pytest.param([frame(1, 0xC, 1, b"\3" + REQUEST + b"\0\0\0")], id="padded"),
        pytest.param([frame(1, 0x24, 1, bytes(5) + REQUEST)], id="with a priority"),
        pytest.param([frame(1, 0x2C, 1, b"\2" + bytes(5) + REQUEST + b"\0\0")], id="with both"),
        pytest.param(
            [frame(1, 0, 1, REQUEST[:HALF]), frame(9, 4, 1, REQUEST[HALF:])], id="in two frames"
        ),
        pytest.param(
            [frame(1, 0, 1), frame(9, 0, 1), frame(9, 4, 1, REQUEST)], id="in three, two empty"
        ),
        pytest.param(
            [frame(1, 8, 1, b"\1" + REQUEST[:HALF] + b"\0"), frame(9, 4, 1, REQUEST[HALF:])],
            id="padded, in two frames",
        ),
    ],
)
def test_a_request_begins_however_its_fields_come(parts: list[bytes]) -> None:
    told, connection = opened()
    connection.receive(b"".join(parts))
    assert told.events == [("begun", 1, b"/a.B/C", False)]


def test_a_request_may_end_where_it_begins() -> None:
    told, _ = begun()
    assert told.events == [("begun", 1, b"/a.B/C", True)]


def test_data_comes_without_its_padding() -> None:
    told, connection = opened()
    connection.receive(request(1) + frame(0, frames.PADDED, 1, b"\2abc\0\0"))
    assert told.events[-1] == ("data", 1, b"abc", False)


def test_trailers_end_a_request() -> None:
    told, connection = opened()
    connection.receive(request(1) + request(1, block=TRAILERS, ends=True))
    assert told.events[-1] == ("data", 1, b"", True)


def test_a_reset_is_told() -> None:
    told, connection = opened()
    connection.receive(request(1) + frames.rst_stream(1, 8))
    assert told.events[-1] == ("reset", 1)


def test_a_lost_connection_is_told_to_every_request() -> None:
    told, connection = opened()
    connection.receive(request(1) + request(3))
    connection.lost()
    assert told.events[-2:] == [("reset", 1), ("reset", 3)]


def test_a_request_that_we_have_reset_is_not_told_of_the_loss() -> None:
    told, connection = begun()
    connection.reset(told.streams[1], frames.CANCEL)
    connection.lost()
    assert ("reset", 1) not in told.events


def test_a_receiver_may_reset_others_at_a_loss() -> None:
    class Domino(Answering):
        def reset(self, _stream: Stream) -> None:
            for other in self.streams.values():
                self.connection.reset(other, frames.CANCEL)

    told = Domino()
    told.connection = Connection(told)
    told.connection.receive(PREFACE + frames.settings({}) + request(1) + request(3))
    told.connection.lost()
    assert not told.connection.streams


# room for what comes in


def test_the_connections_window_is_given_back_for_data_that_nobody_takes() -> None:
    told, connection = opened()
    connection.receive(request(1))
    connection.reset(told.streams[1], frames.CANCEL)
    connection.out.clear()
    connection.receive(data(1, bytes(PIECE)) * (CONNECTION_ROOM // PIECE))
    given = [own for own in written(connection) if own.kind == frames.WINDOW_UPDATE]
    assert {own.stream_id for own in given} == {0}


def test_a_window_is_given_back_only_for_what_was_taken() -> None:
    _, connection = opened()
    connection.receive(request(1) + data(1, bytes(PIECE)) * (STREAM_ROOM // PIECE))
    assert not written(connection)


def test_a_window_is_given_back_for_what_was_taken() -> None:
    told, connection = opened()
    connection.receive(request(1) + data(1, bytes(PIECE)) * (STREAM_ROOM // PIECE))
    connection.consumed(told.streams[1], STREAM_ROOM)
    connection.receive(data(1, bytes(PIECE)) * (STREAM_ROOM // PIECE))
    assert not codes(connection, frames.RST_STREAM)


def test_padding_is_given_back_by_itself() -> None:
    told, connection = opened()
    connection.receive(request(1))
    padded = frame(0, frames.PADDED, 1, b"\xff" + bytes(255))
    for _ in range(2 * STREAM_ROOM // 256):
        connection.receive(padded)
        connection._budget.spent = 0
    assert not codes(connection, frames.RST_STREAM)
    assert told.events[-1] == ("data", 1, b"", False)


def test_a_request_that_has_ended_gets_no_window() -> None:
    told, connection = opened()
    connection.receive(request(1) + data(1, bytes(PIECE), ends=True))
    connection.consumed(told.streams[1], STREAM_ROOM)
    assert not connection.out


# what goes out


def test_an_answer_is_three_frames_in_one_piece() -> None:
    told, connection = begun()
    connection.respond(told.streams[1], HEADS, b"body", TRAILERS)
    assert len(connection.out) == 1
    assert written(connection) == [
        Frame(frames.HEADERS, frames.END_HEADERS, 1, HEADS),
        Frame(frames.DATA, 0, 1, b"body"),
        Frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, 1, TRAILERS),
    ]


def test_an_answer_before_the_requests_end_stops_the_request() -> None:
    told, connection = opened()
    connection.receive(request(1))
    connection.respond(told.streams[1], HEADS, b"body", TRAILERS)
    assert codes(connection, frames.RST_STREAM) == [frames.NO_ERROR]


def test_an_answer_ends_its_stream() -> None:
    told, connection = begun()
    connection.respond(told.streams[1], HEADS, b"body", TRAILERS)
    assert not connection.streams


def test_a_second_answer_is_not_sent() -> None:
    told, connection = begun()
    connection.respond(told.streams[1], HEADS, b"body", TRAILERS)
    connection.out.clear()
    connection.respond(told.streams[1], HEADS, b"body", TRAILERS)
    assert not connection.out


def test_an_answer_goes_as_far_as_its_window() -> None:
    told, connection = begun()
    connection.respond(told.streams[1], HEADS, LARGE, TRAILERS)
    assert sent(connection, 1) == LARGE[:DEFAULT_WINDOW]


def test_what_waits_is_counted() -> None:
    told, connection = begun()
    connection.send_data(told.streams[1], LARGE)
    assert told.streams[1].unsent == len(LARGE) - DEFAULT_WINDOW


def test_trailers_wait_behind_their_data() -> None:
    told, connection = begun()
    connection.respond(told.streams[1], HEADS, LARGE, TRAILERS)
    connection.out.clear()
    connection.receive(frames.window_update(0, len(LARGE)) + frames.window_update(1, len(LARGE)))
    assert written(connection)[-1].payload == TRAILERS


@pytest.mark.parametrize("step", [1000, 30_000, 10**6])
def test_the_rest_of_an_answer_follows_its_windows(step: int) -> None:
    told, connection = begun()
    connection.respond(told.streams[1], HEADS, LARGE, TRAILERS)
    own = sent(connection, 1)
    for _ in range(len(LARGE) // step + 1):
        connection.receive(frames.window_update(1, step) + frames.window_update(0, step))
        own += sent(connection, 1)
    assert own == LARGE


def test_a_flush_is_told_once() -> None:
    told, connection = begun({WINDOW: 3})
    connection.send_data(told.streams[1], b"abcdef")
    connection.receive(frames.window_update(1, 2) + frames.window_update(1, 9))
    connection.receive(frames.window_update(1, 9))
    assert told.events[1:] == [("flushed", 1)]


def test_what_fits_is_no_flush() -> None:
    told, connection = begun()
    connection.send_data(told.streams[1], b"abcdef")
    assert told.events[1:] == []


def test_a_lower_window_holds_for_open_streams() -> None:
    told, connection = begun()
    connection.receive(frames.settings({WINDOW: 2}))
    connection.send_data(told.streams[1], b"abcdef")
    assert sent(connection, 1) == b"ab"


def test_a_window_below_nothing_has_to_be_filled_first() -> None:
    told, connection = begun({WINDOW: 10})
    connection.send_data(told.streams[1], b"0123456789")
    connection.receive(frames.settings({WINDOW: 4}))
    connection.send_data(told.streams[1], b"abc")
    connection.out.clear()
    connection.receive(frames.window_update(1, 8))
    assert sent(connection, 1) == b"ab"


def test_a_window_below_nothing_holds_an_answer_back() -> None:
    told, connection = begun({WINDOW: 10})
    connection.send_data(told.streams[1], b"0123456789")
    connection.receive(frames.settings({WINDOW: 4}))
    connection.out.clear()
    connection.respond(told.streams[1], HEADS, b"abc", TRAILERS)
    assert kinds(written(connection)) == [frames.HEADERS]


def test_a_larger_window_is_used_behind_its_acknowledgement() -> None:
    told, connection = begun({WINDOW: 0})
    connection.send_data(told.streams[1], b"abc")
    connection.out.clear()
    connection.receive(frames.settings({WINDOW: 9}))
    assert kinds(written(connection)) == [frames.SETTINGS, frames.DATA]


def test_the_last_of_two_windows_in_one_frame_holds() -> None:
    told, connection = begun()
    both = frames.settings({WINDOW: 0})[9:] + frames.settings({WINDOW: 2})[9:]
    connection.receive(frame(frames.SETTINGS, 0, 0, both))
    connection.send_data(told.streams[1], b"abcdef")
    assert sent(connection, 1) == b"ab"


def test_data_is_cut_to_the_frames_that_a_peer_takes() -> None:
    told, connection = begun()
    connection.send_data(told.streams[1], bytes(PIECE + 1))
    assert [len(own.payload) for own in written(connection)] == [PIECE, 1]


def test_a_peer_may_take_larger_frames() -> None:
    told, connection = begun({frames.MAX_FRAME_SIZE: 40_000})
    connection.send_data(told.streams[1], bytes(40_001))
    assert [len(own.payload) for own in written(connection)] == [40_000, 1]


def test_a_large_block_is_cut_into_frames() -> None:
    told, connection = begun()
    connection.send_headers(told.streams[1], bytes(PIECE + 1))
    own = [(each.kind, each.flags, len(each.payload)) for each in written(connection)]
    assert own == [(frames.HEADERS, 0, PIECE), (frames.CONTINUATION, frames.END_HEADERS, 1)]


def test_a_large_head_of_an_answer_is_cut_into_frames() -> None:
    told, connection = begun()
    connection.respond(told.streams[1], bytes(PIECE + 1), b"x", TRAILERS)
    assert kinds(written(connection))[:2] == [frames.HEADERS, frames.CONTINUATION]


def test_streams_take_turns_at_the_connections_window() -> None:
    told, connection = opened({WINDOW: 10**6})
    connection.receive(request(1, ends=True) + request(3, ends=True) + request(5, ends=True))
    for number in (1, 3, 5):
        connection.send_data(told.streams[number], bytes(DEFAULT_WINDOW))
    connection.out.clear()
    turns = []
    for _ in range(4):
        connection.receive(frames.window_update(0, 10))
        turns += [own.stream_id for own in written(connection)]
    assert turns == [3, 5, 3, 5]


def test_a_stream_without_window_costs_no_turn() -> None:
    told, connection = begun({WINDOW: 0})
    connection.send_data(told.streams[1], b"abc")
    assert not connection._waiting


def test_a_stream_that_was_reset_sends_nothing_of_what_waited() -> None:
    told, connection = begun({WINDOW: 0})
    connection.send_data(told.streams[1], b"abc")
    connection.receive(frames.rst_stream(1, 8))
    connection.out.clear()
    connection.receive(frames.settings({WINDOW: 100}))
    assert not sent(connection, 1)


@pytest.mark.parametrize("is_waiting", [False, True])
def test_a_peer_without_a_table_is_told_so_before_the_next_block(is_waiting: bool) -> None:
    """RFC 7541, section 4.2: else strict clients end the connection."""
    told, connection = begun({WINDOW: 0} if is_waiting else None)
    connection.send_data(told.streams[1], b"x")
    if is_waiting:
        connection.send_headers(told.streams[1], TRAILERS, ends=True)
    connection.receive(frames.settings({frames.HEADER_TABLE_SIZE: 0, WINDOW: 9}))
    if not is_waiting:
        connection.send_headers(told.streams[1], TRAILERS, ends=True)
    assert written(connection)[-1].payload == b"\x20" + TRAILERS


def test_a_peer_without_a_table_is_told_so_once() -> None:
    told, connection = opened({frames.HEADER_TABLE_SIZE: 0})
    connection.receive(frames.settings({frames.HEADER_TABLE_SIZE: 100}))
    connection.receive(request(1, ends=True) + request(3, ends=True))
    connection.respond(told.streams[1], HEADS, b"x", TRAILERS)
    connection.out.clear()
    connection.respond(told.streams[3], HEADS, b"x", TRAILERS)
    assert written(connection)[0].payload == HEADS


def test_a_peer_with_a_larger_table_is_told_nothing() -> None:
    told, connection = begun({frames.HEADER_TABLE_SIZE: 65_536})
    connection.respond(told.streams[1], HEADS, b"x", TRAILERS)
    assert written(connection)[0].payload == HEADS

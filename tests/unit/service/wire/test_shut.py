"""A connection that ends in peace: warned first, then shut, with nothing under way cut off."""

from service.wire import frames
from service.wire.connection import WARNING, Connection
from service.wire.frames import ACK, MOST_WINDOW, PREFACE, frame
from service.wire.headers import Fields
from tests.unit.service.wire.peer import (
    HEADS,
    REQUEST,
    TRAILERS,
    Frame,
    Told,
    codes,
    data,
    opened,
    request,
    sent,
    written,
)

ECHO = frame(frames.PING, ACK, 0, WARNING)


def last_ids(connection: Connection[Fields]) -> list[int]:
    """What each GOAWAY since the last look names as the last stream."""
    own = [each for each in written(connection) if each.kind == frames.GOAWAY]
    return [int.from_bytes(each.payload[:4]) for each in own]


def warned() -> tuple[Told, Connection[Fields]]:
    """A connection with a request 1, that was asked to begin nothing more."""
    told, connection = opened()
    connection.receive(request(1))
    connection.shut()
    return told, connection


def shut() -> tuple[Told, Connection[Fields]]:
    """The same once the peer has echoed it; nothing waits to be written."""
    told, connection = warned()
    connection.receive(ECHO)
    connection.out.clear()
    return told, connection


def test_a_peer_is_warned_without_a_last_stream() -> None:
    assert last_ids(warned()[1]) == [MOST_WINDOW]


def test_a_warning_is_followed_by_a_ping() -> None:
    assert written(warned()[1])[-1] == Frame(frames.PING, 0, 0, WARNING)


def test_a_request_behind_the_warning_begins() -> None:
    told, connection = warned()
    connection.receive(request(3))
    assert [*told.streams] == [1, 3]


def test_the_echo_of_the_warning_shuts_the_connection() -> None:
    _, connection = warned()
    connection.receive(request(3) + ECHO)
    assert (last_ids(connection), connection.is_shut) == ([MOST_WINDOW, 3], True)


def test_another_echo_shuts_nothing() -> None:
    _, connection = warned()
    connection.receive(frame(frames.PING, ACK, 0, b"12345678"))
    assert not connection.is_shut


def test_an_echo_of_no_warning_shuts_nothing() -> None:
    _, connection = opened()
    connection.receive(ECHO)
    assert not connection.is_shut


def test_a_second_call_shuts_without_an_echo() -> None:
    _, connection = warned()
    connection.shut()
    assert (last_ids(connection), connection.is_shut) == ([MOST_WINDOW, 1], True)


def test_a_peer_that_has_not_begun_is_shut_at_once() -> None:
    connection: Connection[Fields] = Connection(Told())
    connection.shut()
    assert last_ids(connection) == [0]


def test_a_connection_is_shut_once() -> None:
    _, connection = shut()
    connection.receive(ECHO)
    connection.shut()
    assert not connection.out


def test_a_connection_that_has_failed_is_not_shut() -> None:
    _, connection = opened()
    connection.receive(frames.window_update(0, 0))
    connection.out.clear()
    connection.shut()
    connection.shut()
    assert not connection.out


def test_codes_of_a_connection_in_peace_are_no_errors() -> None:
    _, connection = warned()
    connection.receive(ECHO)
    assert codes(connection, frames.GOAWAY) == [frames.NO_ERROR] * 2


def test_a_request_to_a_shut_connection_is_ignored() -> None:
    told, connection = shut()
    connection.receive(request(3) + data(3, b"x", ends=True))
    assert ([*told.streams], connection.out) == ([1], [])


def test_a_request_to_a_shut_connection_changes_the_table_all_the_same() -> None:
    _, connection = shut()
    connection.receive(request(3, block=REQUEST + b"\x40\x03x-a\x011"))
    connection.receive(request(5, block=REQUEST + b"\xbe"))
    assert not connection.is_closed


def test_a_reset_of_an_ignored_request_is_no_fault() -> None:
    _, connection = shut()
    connection.receive(request(3) + frames.rst_stream(3, 8) + frames.window_update(3, 1))
    assert not connection.is_closed


def test_a_request_in_progress_is_read_and_answered() -> None:
    told, connection = shut()
    connection.receive(data(1, b"more", ends=True))
    connection.respond(told.streams[1], HEADS, b"body", TRAILERS)
    assert (told.events[-1], sent(connection, 1)) == (("data", 1, b"more", True), b"body")


def test_a_connection_may_be_warned_before_its_requests() -> None:
    told = Told()
    connection: Connection[Fields] = Connection(told)
    connection.receive(PREFACE + frames.settings({}))
    connection.shut()
    connection.receive(request(1) + ECHO)
    assert [*told.streams] == [1]

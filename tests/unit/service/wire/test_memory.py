"""Bytes held, of a connection and of its process."""

from service.wire import frames
from service.wire.frames import END_HEADERS, END_STREAM
from service.wire.memory import Memory
from tests.unit.service.wire.peer import HEADS, REQUEST, TRAILERS, opened, request


def test_what_a_connection_holds_the_process_holds() -> None:
    process = Memory(100)
    first, second = Memory(50, process), Memory(50, process)
    first.add(30)
    second.add(20)
    first.add(-10)
    assert (first.held_bytes, second.held_bytes, process.held_bytes) == (20, 20, 40)


def test_a_limit_is_exceeded_beyond_it() -> None:
    memory = Memory(50)
    memory.add(50)
    assert not memory.is_over
    memory.add(1)
    assert memory.is_over


def test_a_connection_is_over_where_its_process_is() -> None:
    process = Memory(30)
    memory = Memory(50, process)
    memory.add(31)
    assert memory.is_over


def test_a_quarter_is_released_with_the_excess() -> None:
    memory = Memory(100)
    memory.add(101)
    assert memory.excess_bytes == 26


def test_nothing_is_released_within_the_limit() -> None:
    memory = Memory(100)
    memory.add(100)
    assert memory.excess_bytes == 0


def test_what_waits_for_a_window_is_held_until_it_is_sent() -> None:
    told, connection = opened()
    connection.receive(request(1, ends=True))
    connection.respond(told.streams[1], HEADS, bytes(100_000), TRAILERS)
    assert connection.memory.held_bytes == 100_000 - 65_535


def test_what_waits_for_the_socket_is_held_and_sent_once_there_is_room() -> None:
    told, connection = opened()
    connection.socket_room = 1000
    connection.receive(request(1, ends=True))
    connection.respond(told.streams[1], HEADS, bytes(3000), TRAILERS)
    assert connection.memory.held_bytes == 2000
    connection.socket_room = 5000
    connection.send_waiting()
    assert (connection.memory.held_bytes, connection.streams) == (0, {})


def test_what_a_stream_holds_is_released_when_it_is_reset() -> None:
    told, connection = opened()
    connection.receive(request(1, ends=True))
    connection.respond(told.streams[1], HEADS, bytes(100_000), TRAILERS)
    connection.reset(told.streams[1], 8)
    assert connection.memory.held_bytes == 0


def test_a_header_block_is_held_until_its_end() -> None:
    _, connection = opened()
    connection.receive(frames.frame(frames.HEADERS, END_STREAM, 1, REQUEST[:20]))
    assert connection.memory.held_bytes == 20
    connection.receive(frames.frame(frames.CONTINUATION, END_HEADERS, 1, REQUEST[20:]))
    assert (connection.memory.held_bytes, [*connection.streams]) == (0, [1])


def test_a_header_block_is_held_until_its_connection_is_lost() -> None:
    _, connection = opened()
    connection.receive(frames.frame(frames.HEADERS, 0, 1, REQUEST[:20]))
    connection.lost()
    assert connection.memory.held_bytes == 0


def test_a_header_block_is_held_until_it_is_interrupted() -> None:
    _, connection = opened()
    connection.receive(frames.frame(frames.HEADERS, 0, 1, REQUEST[:20]) + request(3))
    assert (connection.memory.held_bytes, connection.is_closed) == (0, True)

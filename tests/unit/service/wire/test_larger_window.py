"""When a window that the peer has made larger is used."""

from typing import Any

from service.wire import frames
from service.wire.connection import Connection
from service.wire.frames import HEAD, HEAD_BYTES, INITIAL_WINDOW_SIZE, PREFACE
from service.wire.headers import Fields, encoded
from service.wire.stream import Stream

REQUEST = encoded(
    ((b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/s/M"), (b"te", b"trailers"))
)


class Receiver:
    """Keeps the stream that begins."""

    def head(self, fields: Fields) -> Fields:
        """The fields."""
        return fields

    def begun(self, stream: Stream, head: Fields, *, is_ended: bool) -> None:  # noqa: ARG002
        """Keeps it."""
        self.stream = stream

    def data(self, stream: Stream, data: bytes, *, is_ended: bool) -> None:
        """Nothing."""

    def reset(self, stream: Stream) -> None:
        """Nothing."""

    def flushed(self, stream: Stream) -> None:
        """Nothing."""


def kinds(out: list[bytes]) -> list[int]:
    """Of the frames, in order."""
    buffer, at, found = b"".join(out), 0, []
    while at < len(buffer):
        high, low, kind, _, _ = HEAD.unpack_from(buffer, at)
        found.append(kind)
        at += HEAD_BYTES + (high << 16) + low
    return found


def waiting() -> tuple[Connection[Any], Stream]:
    """A stream of which five bytes wait for window."""
    receiver = Receiver()
    connection: Connection[Any] = Connection(receiver)
    connection.receive(PREFACE + frames.settings({INITIAL_WINDOW_SIZE: 5}))
    connection.receive(frames.headers(1, REQUEST, ends=True))
    connection.send_data(receiver.stream, b"x" * 10)
    connection.out.clear()
    return connection, receiver.stream


def test_a_larger_window_is_used_behind_its_acknowledgement() -> None:
    connection, _ = waiting()
    connection.receive(frames.settings({INITIAL_WINDOW_SIZE: 100}))
    assert kinds(connection.out) == [frames.SETTINGS, frames.DATA]


def test_a_larger_window_sends_what_waits() -> None:
    connection, stream = waiting()
    connection.receive(frames.settings({INITIAL_WINDOW_SIZE: 100}))
    assert stream.unsent == 0


def test_a_smaller_window_sends_nothing() -> None:
    connection, _ = waiting()
    connection.receive(frames.settings({INITIAL_WINDOW_SIZE: 0}))
    assert kinds(connection.out) == [frames.SETTINGS]

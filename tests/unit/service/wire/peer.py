"""Both ends of a connection in memory: who is told, and what is written."""

from typing import Any, Final, NamedTuple

from service.wire import frames
from service.wire.budget import Clock
from service.wire.connection import Connection
from service.wire.frames import HEAD, HEAD_BYTES
from service.wire.headers import Fields, encoded
from service.wire.stream import Stream

REQUEST: Final = encoded(
    (
        *((b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/a.B/C")),
        *((b"content-type", b"application/grpc"), (b"te", b"trailers")),
    )
)
HEADS: Final = encoded(((b":status", b"200"), (b"content-type", b"application/grpc")))
TRAILERS: Final = encoded(((b"grpc-status", b"0"),))


class Frame(NamedTuple):
    """One frame that was written."""

    kind: int
    flags: int
    stream_id: int
    payload: bytes


class Told:
    """A receiver that writes down what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.streams: dict[int, Stream] = {}
        """All that ever began."""

    def head(self, fields: Fields) -> Fields:
        """The fields."""
        return fields

    def begun(self, stream: Stream, head: Fields, *, is_ended: bool) -> None:
        """Writes it down."""
        self.streams[stream.id] = stream
        self.events.append(("begun", stream.id, dict(head)[b":path"], is_ended))

    def data(self, stream: Stream, data: bytes, *, is_ended: bool) -> None:
        """Writes it down."""
        self.events.append(("data", stream.id, data, is_ended))

    def reset(self, stream: Stream) -> None:
        """Writes it down."""
        self.events.append(("reset", stream.id))

    def flushed(self, stream: Stream) -> None:
        """Writes it down."""
        self.events.append(("flushed", stream.id))


class Answering(Told):
    """A receiver that takes what it is told, and answers every whole request."""

    connection: Connection[Fields]

    def __init__(self, body: bytes = b"\0\0\0\0\2ok") -> None:
        super().__init__()
        self.body = body

    def begun(self, stream: Stream, head: Fields, *, is_ended: bool) -> None:
        """Answers."""
        super().begun(stream, head, is_ended=is_ended)
        self._answer(stream, is_ended=is_ended)

    def data(self, stream: Stream, data: bytes, *, is_ended: bool) -> None:
        """Answers."""
        super().data(stream, data, is_ended=is_ended)
        self.connection.consumed(stream, len(data))
        self._answer(stream, is_ended=is_ended)

    def _answer(self, stream: Stream, *, is_ended: bool) -> None:
        if is_ended:
            self.connection.respond(stream, HEADS, self.body, TRAILERS)


def answering(body: bytes = b"\0\0\0\0\2ok") -> tuple[Answering, Connection[Fields]]:
    """A server that has nothing but its settings to say yet."""
    own = Answering(body)
    own.connection = Connection(own)
    return own, own.connection


def opened(
    settings: dict[int, int] | None = None,
    *,
    max_streams: int = 1024,
    min_ping_s: float = 0.0,
    clock: Clock = lambda: 0.0,
) -> tuple[Told, Connection[Fields]]:
    """A connection that has begun, at which time stands still; nothing waits to be written."""
    told = Told()
    connection = Connection(told, max_streams=max_streams, min_ping_s=min_ping_s, clock=clock)
    connection.receive(frames.PREFACE + frames.settings(settings or {}))
    connection.out.clear()
    return told, connection


def request(stream_id: int, *, ends: bool = False, block: bytes = REQUEST) -> bytes:
    """The beginning of a request."""
    return frames.headers(stream_id, block, ends=ends)


def data(stream_id: int, payload: bytes, *, ends: bool = False) -> bytes:
    """A frame of data."""
    return frames.frame(frames.DATA, frames.END_STREAM if ends else 0, stream_id, payload)


def frames_of(written: bytes) -> list[Frame]:
    """The frames of what was written."""
    own, at = list[Frame](), 0
    while at < len(written):
        high, low, kind, flags, stream_id = HEAD.unpack_from(written, at)
        end = at + HEAD_BYTES + (high << 16) + low
        own.append(Frame(kind, flags, stream_id, written[at + HEAD_BYTES : end]))
        at = end
    return own


def written(connection: Connection[Any]) -> list[Frame]:
    """What was written since the last look."""
    own = frames_of(b"".join(connection.out))
    connection.out.clear()
    return own


def sent(connection: Connection[Fields], stream_id: int) -> bytes:
    """The data of a stream that was written since the last look."""
    own = written(connection)
    return b"".join(
        frame.payload for frame in own if frame.kind == frames.DATA and frame.stream_id == stream_id
    )


def codes(connection: Connection[Fields], kind: int) -> list[int]:
    """Error codes of the frames of a kind (RST_STREAM, GOAWAY) since the last look."""
    return [
        int.from_bytes(frame.payload[-4:] if kind == frames.RST_STREAM else frame.payload[4:8])
        for frame in written(connection)
        if frame.kind == kind
    ]

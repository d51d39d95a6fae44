"""A client that says what it is told to say, over HTTP/2 by the h2 library."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    PingAckReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)

from tests.conformance.wire.both import METHOD

Fields = Iterable[tuple[str, str]]


@dataclass
class Reply:
    """What a stream got."""

    headers: dict[str, str] = field(default_factory=dict)
    data: bytes = b""
    trailers: dict[str, str] = field(default_factory=dict)
    reset: int | None = None
    """Code of the stream's reset."""
    is_over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def status(self) -> str | None:
        """gRPC's; None: none came."""
        return (self.headers | self.trailers).get("grpc-status")

    @property
    def message(self) -> str:
        """Beside the status; none is an empty one."""
        return (self.headers | self.trailers).get("grpc-message", "")


def head(*more: tuple[str, str], **changed: str | None) -> list[tuple[str, str]]:
    """Fields of a request; those that are changed by name (`_` for `-`), and without the None."""
    own: dict[str, str | None] = {
        ":method": "POST",
        ":scheme": "http",
        ":path": METHOD,
        ":authority": "localhost",
        "content-type": "application/grpc",
        "te": "trailers",
    }
    own |= {name.replace("_", "-").replace("--", ":"): value for name, value in changed.items()}
    return [*((name, value) for name, value in own.items() if value is not None), *more]


def framed(message: bytes, flag: int = 0) -> bytes:
    """A message as it is sent."""
    return bytes((flag,)) + len(message).to_bytes(4, "big") + message


class RawClient:
    """One connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, reads: bool
    ) -> None:
        """Begin.

        Args:
            reader: of the socket.
            writer: of the socket.
            reads: whether windows are opened again as data comes.
        """
        self._reader = reader
        self._writer = writer
        self._reads = reads
        self._h2 = H2Connection(
            H2Configuration(
                client_side=True,
                header_encoding="utf-8",
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self._h2.initiate_connection()
        self._replies: dict[int, Reply] = {}
        self.pongs: list[bytes] = []
        """Answers to our pings."""
        self.goaway: int | None = None
        """Code of the peer's GOAWAY."""
        self.is_closed = asyncio.Event()
        """Set once the peer has closed."""
        self.received = 0
        """Bytes of data that came."""
        self._flush()

    def begin(self, fields: Fields, *, ends: bool = False) -> tuple[int, Reply]:
        """Begins a request."""
        stream_id = self._h2.get_next_available_stream_id()
        self._replies[stream_id] = reply = Reply()
        self._h2.send_headers(stream_id, [*fields], end_stream=ends)
        self._flush()
        return stream_id, reply

    def send(self, stream_id: int, data: bytes, *, ends: bool = False) -> None:
        """Sends data, which must fit the windows."""
        size = self._h2.max_outbound_frame_size
        parts = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
        for number, part in enumerate(parts, 1):
            self._h2.send_data(stream_id, part, end_stream=ends and number == len(parts))
        self._flush()

    def reset(self, stream_id: int) -> None:
        """Cancels a request."""
        self._h2.reset_stream(stream_id, 8)
        self._flush()

    def ping(self, data: bytes) -> None:
        """Pings."""
        self._h2.ping(data)
        self._flush()

    def open_window(self, count: int, stream_id: int) -> None:
        """Lets so many bytes more come."""
        self._h2.increment_flow_control_window(count)
        self._h2.increment_flow_control_window(count, stream_id)
        self._flush()

    def window(self, stream_id: int) -> int:
        """Bytes that may be sent now."""
        return self._h2.local_flow_control_window(stream_id)

    async def asked(self, fields: Fields, data: bytes = b"") -> Reply:
        """The reply to a whole request."""
        stream_id, reply = self.begin(fields)
        self.send(stream_id, data, ends=True)
        await self.over(reply)
        return reply

    async def over(self, reply: Reply) -> None:
        """Waits until a reply has ended, or the connection."""
        waits = [asyncio.ensure_future(own.wait()) for own in (reply.is_over, self.is_closed)]
        await asyncio.wait(waits, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        for own in waits:
            own.cancel()

    async def read(self) -> None:
        """Reads until the peer closes."""
        while data := await self._reader.read(65_536):
            for event in self._h2.receive_data(data):
                self._take(event)
            self._flush()
        self.is_closed.set()

    def _take(self, event: Event) -> None:
        if isinstance(event, PingAckReceived):
            self.pongs.append(event.ping_data or b"")
        elif isinstance(event, ConnectionTerminated):
            self.goaway = int(event.error_code or 0)
        reply = self._replies.get(getattr(event, "stream_id", None) or 0)
        if reply is None:
            return
        if isinstance(event, ResponseReceived):
            reply.headers = {str(name): str(value) for name, value in event.headers or ()}
        elif isinstance(event, DataReceived):
            self._take_data(event, reply)
        elif isinstance(event, TrailersReceived):
            reply.trailers = {str(name): str(value) for name, value in event.headers or ()}
        elif isinstance(event, StreamReset):
            reply.reset = int(event.error_code or 0)
        if isinstance(event, StreamEnded | StreamReset):
            reply.is_over.set()

    def _take_data(self, event: DataReceived, reply: Reply) -> None:
        reply.data += event.data or b""
        self.received += len(event.data or b"")
        if self._reads and event.flow_controlled_length:
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id or 0)

    def _flush(self) -> None:
        self._writer.write(self._h2.data_to_send())

    def close(self) -> None:
        """Goes without a word."""
        self._writer.transport.abort()


@asynccontextmanager
async def raw(address: str, *, reads: bool = True) -> AsyncIterator[RawClient]:
    """A connection to a server; `reads`: whether windows are opened again as data comes."""
    host, _, port = address.rpartition(":")
    client = RawClient(*await asyncio.open_connection(host, int(port)), reads=reads)
    reading = asyncio.create_task(client.read())
    try:
        yield client
    finally:
        client.close()
        reading.cancel()
        await asyncio.wait([reading])

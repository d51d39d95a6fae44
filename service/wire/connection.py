"""The server's side of one HTTP/2 connection, without I/O (RFC 9113).

Bytes go in by `receive`, a receiver is told what they mean, and what is to be written is put into
`out`. What the peer does wrong ends its stream or its connection, with the code that the standard
names; nothing is raised for it.
"""

from collections.abc import Callable
from time import monotonic
from typing import Final, Generic, Protocol, TypeVar

from service.wire import frames
from service.wire.blocks import TABLE_BYTES, Unreadable
from service.wire.budget import (
    BLOCK_UNIT_BYTES,
    MAX_UNPAID,
    MIN_DATA_BYTES,
    UNPAID_WARNED,
    Budget,
    Clock,
)
from service.wire.early import EndedFirst
from service.wire.faults import Fault, check_dependency, unpadded
from service.wire.frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    HAS_PRIORITY,
    HEAD,
    HEAD_BYTES,
    LEAST_MAX_FRAME,
    MOST_WINDOW,
    PADDED,
    PREFACE,
    SETTING,
    U32,
)
from service.wire.headers import Fields, HeaderReader, Malformed
from service.wire.memory import CONNECTION_BYTES, Memory
from service.wire.stream import Stream

MAX_STREAMS: Final = 1024
"""Streams that a peer may have open."""
MAX_HEADER_BYTES: Final = 16_384
"""Largest list of fields that a peer should send."""
HEADER_SLACK: Final = 4
"""How many times as large a list is read all the same, so that its request alone is refused and
not the connection ended."""
MAX_BLOCK_FRAMES: Final = 16
"""Frames that a header block may come in."""
CONNECTION_ROOM: Final = 2**24
"""Bytes that a peer may send ahead; given back as they come."""
STREAM_ROOM: Final = 2**20
"""The same for each stream; given back as they are taken."""
ANY_ROOM: Final = 2**62
"""Room of a socket that takes everything."""
WARNING: Final = b"shutting"
"""The ping behind a first GOAWAY: once it is back, everything sent before that has come."""
NO_TABLE: Final = b"\x20"
"""The beginning of a block whose writer uses no table from now on."""
TOO_MANY_PINGS: Final = "too_many_pings"
"""What gRPC's clients know to mean that they have to ping less often (gRFC A8)."""
UNBOUNDED: Final = 2**62
"""More work than any buffer holds."""
REQUEST_WORK: Final = 8
"""Frames without an answer that cost us about as much as the beginning of a request."""
BLOCK_WORK_BYTES: Final = 32
"""Bytes of a header block that cost us about as much as such a frame."""

Head = TypeVar("Head")


class Receiver(Protocol[Head]):
    """Who is told what the peer sent."""

    def head(self, fields: Fields) -> Head:
        """What a request's fields come to; called once for many requests with the same ones."""

    def begun(self, stream: Stream, head: Head, *, is_ended: bool) -> None:
        """A request begins; `is_ended`: without data."""

    def data(self, stream: Stream, data: bytes, *, is_ended: bool) -> None:
        """Data of a request; may be empty where it ends."""

    def reset(self, stream: Stream) -> None:
        """Nobody reads the answer any more; told at most once."""

    def flushed(self, stream: Stream) -> None:
        """Everything that waited for window is on its way."""


class Connection(Generic[Head]):
    """One connection of a client; used from one thread."""

    def __init__(
        self,
        receiver: Receiver[Head],
        *,
        max_streams: int = MAX_STREAMS,
        max_header_bytes: int = MAX_HEADER_BYTES,
        memory: Memory | None = None,
        min_ping_s: float = 0.0,
        clock: Clock = monotonic,
    ) -> None:
        """Begin; `out` holds our settings already.

        Args:
            receiver: is told of requests.
            max_streams: most that may be open.
            max_header_bytes: largest list of fields that a peer should send.
            memory: counts the bytes that open streams hold; None: one of its own.
            min_ping_s: least seconds between two pings where nothing was sent between; 0: any.
            clock: in seconds.
        """
        self.memory = memory or Memory(CONNECTION_BYTES)
        """Counts what open streams hold: `held` of each, and `unsent`."""
        self.socket_room = ANY_ROOM
        """Bytes of data that the socket takes now; who writes `out` sets it, and sends the rest by
        `send_waiting`."""
        self.out: list[bytes] = [
            frames.settings(
                {
                    frames.MAX_CONCURRENT_STREAMS: max_streams,
                    frames.INITIAL_WINDOW_SIZE: STREAM_ROOM,
                    frames.MAX_HEADER_LIST_SIZE: max_header_bytes,
                }
            ),
            frames.window_update(0, CONNECTION_ROOM - frames.DEFAULT_WINDOW),
        ]
        """What is to be written; whoever writes it empties the list."""
        self.streams: dict[int, Stream] = {}
        """Those that are open."""
        self.is_closed = False
        """Whether nothing more is read: write what there is, and close."""
        self.is_shut = False
        """Whether new streams are ignored."""
        self.fault: Fault | None = None
        """What the peer did to end the connection; None: nothing, yet."""
        self._is_warned = False
        """Whether the peer has been asked to begin nothing more."""
        self._receiver = receiver
        self._reader = HeaderReader(receiver.head, HEADER_SLACK * max_header_bytes)
        self._max_streams = max_streams
        self._max_block_bytes = HEADER_SLACK * max_header_bytes
        self._rest, self._at = b"", 0
        """Where in the rest the next frame begins."""
        self._left = 0
        """Work that may still be done before others have their turn; below 0 after work that could
        not be parted."""
        self._has_begun = False
        self.has_settings = False
        """Whether the peer has begun, by its settings."""
        self.last_id = 0
        """The newest stream."""
        self._window = frames.DEFAULT_WINDOW
        self._initial_window = frames.DEFAULT_WINDOW
        self._max_frame = LEAST_MAX_FRAME
        self._room = CONNECTION_ROOM
        self._block: list[bytes] = []
        self._block_of: tuple[int, int] | None = None
        """Stream and flags of a header block that goes on."""
        self._budget = Budget(min_ping_s, clock)
        self._has_sent = False
        """Whether headers or window were sent since the last ping."""
        self._early = EndedFirst()
        self._waiting: dict[int, Stream] = {}
        """Streams that wait for the connection's window, in the order of their turns."""
        self._narrow: dict[int, Stream] = {}
        """Streams that wait for their own window."""
        self._widest = 0
        """No open stream's window is wider than this and the initial one together."""
        self._owes_resize, self._has_table = False, True
        """Whether the next block has to say that we use no table; whether, as far as the peer
        knows, we may yet use one."""
        self._kinds: dict[int, Callable[[int, int, bytes], None]] = {
            frames.DATA: self._on_data,
            frames.HEADERS: self._on_headers,
            frames.PRIORITY: self._on_priority,
            frames.RST_STREAM: self._on_rst_stream,
            frames.SETTINGS: self._on_settings,
            frames.PUSH_PROMISE: self._on_push_promise,
            frames.PING: self._on_ping,
            frames.GOAWAY: self._on_goaway,
            frames.WINDOW_UPDATE: self._on_window_update,
            frames.CONTINUATION: self._on_continuation,
        }

    def receive(self, data: bytes, most: int = UNBOUNDED) -> None:
        """Takes what the peer sent; whole frames of it are acted upon.

        Args:
            data: may be empty, where `has_more`.
            most: work after which the rest is left for another call; one for each frame, more for
                requests and for header blocks.
        """
        if self.is_closed:
            return
        if data:
            rest, at = self._rest, self._at
            self._rest = data if at == len(rest) else rest[at:] + data
            self._at = 0
        self._left = most + min(self._left, 0)  # what the last turn took too much
        try:
            if self._has_begun or self._begins():
                self._read(self._rest)
            if not self.has_rest:
                self._rest, self._at = b"", 0  # a connection may be idle for long
        except Fault as fault:
            self._fail(fault)

    def pause(self) -> None:
        """Leaves the rest of what is being received for another call."""
        self._left = 0

    @property
    def has_rest(self) -> bool:
        """Whether bytes wait for the rest of their frame, or for a turn."""
        return self._at < len(self._rest)

    @property
    def has_more(self) -> bool:
        """Whether frames wait for a turn."""
        return self._left <= 0 and self.has_rest and not self.is_closed

    @property
    def has_open_block(self) -> bool:
        """Whether the rest of a header block is to come."""
        return self._block_of is not None

    def _begins(self) -> bool:
        """Whether the whole preface is there; takes it off.

        Raises:
            Fault: it is something else.
        """
        rest = self._rest
        if not PREFACE.startswith(rest[: len(PREFACE)]):
            raise Fault(frames.PROTOCOL_ERROR, "this is no HTTP/2")
        self._has_begun = len(rest) >= len(PREFACE)
        if self._has_begun:
            self._at = len(PREFACE)
        return self._has_begun

    def _read(self, buffer: bytes) -> None:
        """Acts upon the whole frames of the buffer, as long as there is work left to be done."""
        at, size, unpack, kinds = self._at, len(buffer), HEAD.unpack_from, self._kinds
        while size - at >= HEAD_BYTES and self._left > 0:
            high, low, kind, flags, stream_id = unpack(buffer, at)
            if high or low > LEAST_MAX_FRAME:
                raise Fault(frames.FRAME_SIZE_ERROR, "a frame larger than 16384 bytes")
            end = at + HEAD_BYTES + low
            if end > size:
                break
            self._left -= 1
            payload = buffer[at + HEAD_BYTES : end]
            at = end
            stream_id &= MOST_WINDOW
            if self._block_of is not None or not self.has_settings:
                self._check_order(kind, flags, stream_id)
            if (take := kinds.get(kind)) is not None:
                take(stream_id, flags, payload)
            else:
                self._spend()
            if self.is_closed:
                at = size
        self._at = at

    def _check_order(self, kind: int, flags: int, stream_id: int) -> None:
        if self._block_of is not None:
            if kind != frames.CONTINUATION or stream_id != self._block_of[0]:
                raise Fault(frames.PROTOCOL_ERROR, "a header block is interrupted")
        elif kind != frames.SETTINGS or flags & ACK:
            raise Fault(frames.PROTOCOL_ERROR, "settings come first")
        else:
            self.has_settings = True

    # what comes in

    def _on_data(self, stream_id: int, flags: int, payload: bytes) -> None:
        size = len(payload)
        self._take_room(size)
        stream = self.streams.get(stream_id)
        if stream is None:
            self._on_late_data(stream_id, flags, size)
            return
        if stream.has_ended:
            self._stream_fault(stream, frames.STREAM_CLOSED)
            return
        stream.room -= size
        if stream.room < 0:
            self._stream_fault(stream, frames.FLOW_CONTROL_ERROR)
            return
        if flags & PADDED:
            payload = unpadded(payload)
            self.consumed(stream, size - len(payload))
        is_ended = bool(flags & END_STREAM)
        if is_ended:
            stream.has_ended = True
        elif len(payload) < MIN_DATA_BYTES:
            self._spend()
        if stream.left is not None and not _fits_length(stream, len(payload)):
            self._stream_fault(stream, frames.PROTOCOL_ERROR)
            return
        self._receiver.data(stream, payload, is_ended=is_ended)

    def _on_late_data(self, stream_id: int, flags: int, size: int) -> None:
        """Data of a stream that is not open: ignored where we ended it and the peer did not."""
        self._check_closed(stream_id)
        if stream_id not in self._early and stream_id <= self.last_id:
            self._refuse(stream_id, frames.STREAM_CLOSED)
        elif flags & END_STREAM:
            self._early.discard(stream_id)
        elif size < MIN_DATA_BYTES:
            self._spend()

    def _take_room(self, size: int) -> None:
        """Gives the connection's window back long before it is used up: no peer can exceed it."""
        self._room -= size
        if self._room < CONNECTION_ROOM // 2:
            self._has_sent = True
            self.out.append(frames.window_update(0, CONNECTION_ROOM - self._room))
            self._room = CONNECTION_ROOM

    def _on_headers(self, stream_id: int, flags: int, payload: bytes) -> None:
        if not stream_id & 1:
            raise Fault(frames.PROTOCOL_ERROR, f"no client opens stream {stream_id}")
        if flags & PADDED:
            payload = unpadded(payload)
        if flags & HAS_PRIORITY:
            if len(payload) < 5:
                raise Fault(frames.FRAME_SIZE_ERROR, "HEADERS too short for its priority")
            check_dependency(stream_id, payload)
            payload = payload[5:]
        if flags & END_HEADERS:
            self._on_block(stream_id, flags, payload)
        else:
            self._block_of = stream_id, flags
            self._keep_part(payload)

    def _on_continuation(self, stream_id: int, flags: int, payload: bytes) -> None:
        if self._block_of is None:
            raise Fault(frames.PROTOCOL_ERROR, "CONTINUATION of nothing")
        self._keep_part(payload)
        is_large = sum(map(len, self._block)) > self._max_block_bytes
        if is_large or len(self._block) > MAX_BLOCK_FRAMES:
            raise Fault(frames.ENHANCE_YOUR_CALM, "a header block too large")
        if flags & END_HEADERS:
            stream_id, begun_with = self._block_of
            block = self._take_parts()
            self._on_block(stream_id, begun_with, block)

    def _keep_part(self, part: bytes) -> None:
        """Holds a part of a header block; it counts, as the end may never come."""
        self._block.append(part)
        self.memory.add(len(part))

    def _take_parts(self) -> bytes:
        """The header block whose parts are held; none is any more."""
        block, self._block, self._block_of = b"".join(self._block), [], None
        self.memory.add(-len(block))
        return block

    def _on_block(self, stream_id: int, flags: int, block: bytes) -> None:
        self._left -= REQUEST_WORK + len(block) // BLOCK_WORK_BYTES
        if len(block) >= BLOCK_UNIT_BYTES:
            self._spend(len(block) // BLOCK_UNIT_BYTES)
        take = self._on_request if stream_id > self.last_id else self._on_trailers
        try:
            take(stream_id, block, is_ended=bool(flags & END_STREAM))
        except Unreadable as fault:
            if fault.is_too_large:
                raise Fault(frames.ENHANCE_YOUR_CALM, "header fields too large") from None
            raise Fault(frames.COMPRESSION_ERROR, "a header block that is none") from None

    def _on_request(self, stream_id: int, block: bytes, *, is_ended: bool) -> None:
        if self.is_shut:
            self._reader.skip(block)
            self._spend()
            return
        self.last_id = stream_id
        if len(self.streams) >= self._max_streams:
            self._reader.skip(block)
            self._refuse(stream_id, frames.REFUSED_STREAM, is_early=not is_ended)
            return
        try:
            head = self._reader.read(block)
        except Malformed:
            self._refuse(stream_id, frames.PROTOCOL_ERROR, is_early=not is_ended)
            return
        if (length := self._reader.content_length) and is_ended:
            self._refuse(stream_id, frames.PROTOCOL_ERROR)
            return
        stream = Stream(stream_id, STREAM_ROOM, has_ended=is_ended)
        if len(block) >= BLOCK_UNIT_BYTES:
            stream.cost = len(block) // BLOCK_UNIT_BYTES
        stream.left = length
        self.streams[stream_id] = stream
        self._receiver.begun(stream, head, is_ended=is_ended)

    def _on_trailers(self, stream_id: int, block: bytes, *, is_ended: bool) -> None:
        stream = self.streams.get(stream_id)
        if stream is None:
            self._on_late_block(stream_id, block)
            return
        try:
            self._reader.trailers(block)
        except Malformed:
            is_ended = False
        if stream.has_ended:
            self._stream_fault(stream, frames.STREAM_CLOSED)
        elif not is_ended or stream.left:
            self._stream_fault(stream, frames.PROTOCOL_ERROR)
        else:
            stream.has_ended = True
            self._receiver.data(stream, b"", is_ended=True)

    def _on_late_block(self, stream_id: int, block: bytes) -> None:
        """Trailers of a stream that we have ended meanwhile.

        Raises:
            Fault: it is a request, whose number was there before.
        """
        if any(name[:1] == b":" for name, _ in self._reader.skip(block)):
            raise Fault(frames.PROTOCOL_ERROR, f"stream {stream_id} does not come after the last")
        self._spend()

    def _on_priority(self, stream_id: int, _flags: int, payload: bytes) -> None:
        if not stream_id:
            raise Fault(frames.PROTOCOL_ERROR, "PRIORITY of no stream")
        if len(payload) != 5:
            if (stream := self.streams.get(stream_id)) is None:
                raise Fault(frames.FRAME_SIZE_ERROR, "PRIORITY is 5 bytes")
            self._stream_fault(stream, frames.FRAME_SIZE_ERROR)
        else:
            check_dependency(stream_id, payload)
        self._spend()

    def _on_rst_stream(self, stream_id: int, _flags: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise Fault(frames.FRAME_SIZE_ERROR, "RST_STREAM is 4 bytes")
        self._check_closed(stream_id)
        self._spend()
        if (stream := self.streams.get(stream_id)) is not None:
            self._over(stream)
            self._receiver.reset(stream)

    def _on_settings(self, stream_id: int, flags: int, payload: bytes) -> None:
        if stream_id:
            raise Fault(frames.PROTOCOL_ERROR, "SETTINGS of a stream")
        if len(payload) % 6 or (flags & ACK and payload):
            raise Fault(frames.FRAME_SIZE_ERROR, "SETTINGS of a wrong size")
        self._spend()
        if flags & ACK:
            return
        initial = self._initial_window
        for name, value in SETTING.iter_unpack(payload):
            self._set(name, value)
        if self._initial_window != initial:
            self._resize_windows()
        self.out.append(frames.frame(frames.SETTINGS, ACK, 0))
        self.send_waiting()  # a larger window holds for the peer from our ACK on

    def _set(self, name: int, value: int) -> None:
        if name == frames.ENABLE_PUSH and value > 1:
            raise Fault(frames.PROTOCOL_ERROR, "ENABLE_PUSH is 0 or 1")
        if name == frames.MAX_FRAME_SIZE:
            if not LEAST_MAX_FRAME <= value <= frames.MOST_MAX_FRAME:
                raise Fault(frames.PROTOCOL_ERROR, "MAX_FRAME_SIZE out of its range")
            self._max_frame = value
        if name == frames.HEADER_TABLE_SIZE and value < TABLE_BYTES and self._has_table:
            self._has_table, self._owes_resize = False, True
        if name == frames.INITIAL_WINDOW_SIZE:
            if value > MOST_WINDOW:
                raise Fault(frames.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE too large")
            self._initial_window = value

    def _resize_windows(self) -> None:
        """All windows have changed by as much (RFC 9113, section 6.9.2).

        Each stream's is kept as its difference to the initial one, so that nothing is to be done
        for most streams. Looking at them one by one is paid for: there may be thousands of
        settings, and thousands of streams.
        """
        if self._initial_window + self._widest > MOST_WINDOW:
            self._spend(len(self.streams))
            self._widest = max((stream.window for stream in self.streams.values()), default=0)
            if self._initial_window + self._widest > MOST_WINDOW:
                raise Fault(frames.FLOW_CONTROL_ERROR, "a window too large")
        if self._narrow:
            self._spend(len(self._narrow))
            for stream in [*self._narrow.values()]:
                if self._window_of(stream) > 0:
                    self._waiting[stream.id] = self._narrow.pop(stream.id)

    def _window_of(self, stream: Stream) -> int:
        """Bytes that may be sent of a stream; below 0 after the peer has taken some back."""
        return self._initial_window + stream.window

    def _on_push_promise(self, _stream_id: int, _flags: int, _payload: bytes) -> None:
        raise Fault(frames.PROTOCOL_ERROR, "clients do not push")

    def _on_ping(self, stream_id: int, flags: int, payload: bytes) -> None:
        if stream_id:
            raise Fault(frames.PROTOCOL_ERROR, "PING of a stream")
        if len(payload) != 8:
            raise Fault(frames.FRAME_SIZE_ERROR, "PING is 8 bytes")
        if not flags & ACK:
            self._check_pings()
            self.out.append(frames.frame(frames.PING, ACK, 0, payload))
        elif payload == WARNING and self._is_warned and not self.is_shut:
            self._shut_now()
        else:
            self._spend()

    def _check_pings(self) -> None:
        if self._budget.ping(has_sent=self._has_sent):
            raise Fault(frames.ENHANCE_YOUR_CALM, TOO_MANY_PINGS)
        self._has_sent = False
        self._check_budget()

    def _on_goaway(self, stream_id: int, _flags: int, payload: bytes) -> None:
        if stream_id:
            raise Fault(frames.PROTOCOL_ERROR, "GOAWAY of a stream")
        if len(payload) < 8:
            raise Fault(frames.FRAME_SIZE_ERROR, "GOAWAY is 8 bytes at least")
        self._spend()

    def _on_window_update(self, stream_id: int, _flags: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise Fault(frames.FRAME_SIZE_ERROR, "WINDOW_UPDATE is 4 bytes")
        count = U32.unpack(payload)[0] & MOST_WINDOW
        self._budget.window_update()
        self._check_budget()
        if not stream_id:
            self._widen(count)
        elif (stream := self.streams.get(stream_id)) is None:
            self._check_closed(stream_id)
        elif not count:
            self._stream_fault(stream, frames.PROTOCOL_ERROR)
        else:
            stream.window += count
            self._widest = max(self._widest, stream.window)
            if self._window_of(stream) > MOST_WINDOW:
                self._stream_fault(stream, frames.FLOW_CONTROL_ERROR)
            elif stream.queue:
                self._send_queued(stream)

    def _widen(self, count: int) -> None:
        if not count:
            raise Fault(frames.PROTOCOL_ERROR, "WINDOW_UPDATE of 0")
        self._window += count
        if self._window > MOST_WINDOW:
            raise Fault(frames.FLOW_CONTROL_ERROR, "a window too large")
        self.send_waiting()

    def _check_closed(self, stream_id: int) -> None:
        """That a stream was open once.

        Raises:
            Fault: it is the connection itself, or was never opened.
        """
        is_later = stream_id > self.last_id and not self.is_shut
        if not stream_id & 1 or is_later:
            raise Fault(frames.PROTOCOL_ERROR, f"stream {stream_id} is not open")

    # what goes out

    def respond(self, stream: Stream, head: bytes, body: bytes, trailers: bytes) -> None:
        """Sends a whole answer.

        Args:
            stream: of the request.
            head: encoded header block.
            body: of one message, framed as gRPC does.
            trailers: encoded header block.
        """
        if stream.is_over:
            return
        size = len(body)
        window = min(self._initial_window + stream.window, self._window, self._max_frame)
        if size > min(window, self.socket_room) or self._owes_resize or len(head) > LEAST_MAX_FRAME:
            self.send_headers(stream, head)
            self.send_data(stream, body)
            self.send_headers(stream, trailers, ends=True)
            return
        stream_id, pack = stream.id, HEAD.pack
        self._window -= size
        self._budget.sent += 1 + stream.cost
        self.socket_room -= size
        self.out.append(
            b"".join(
                (
                    pack(0, len(head), frames.HEADERS, END_HEADERS, stream_id),
                    head,
                    pack(size >> 16, size & 0xFFFF, frames.DATA, 0, stream_id),
                    body,
                    frames.headers(stream_id, trailers, ends=True),
                )
            )
        )
        self._ended(stream)

    def send_headers(self, stream: Stream, block: bytes, *, ends: bool = False) -> None:
        """Sends a header block, after the data that waits."""
        if stream.is_over:
            return
        if stream.queue:
            stream.queue.append((block, ends))
            return
        self._send_block(stream, block, ends=ends)

    def send_data(self, stream: Stream, data: bytes) -> None:
        """Sends data, as far as the windows allow; the rest follows by itself."""
        if stream.is_over or not data:
            return
        stream.queue.append((memoryview(data), None))
        stream.unsent += len(data)
        self.memory.add(len(data))
        if len(stream.queue) == 1:
            self._send_queued(stream, is_new=True)

    def reset(self, stream: Stream, code: int) -> None:
        """Ends a stream at once; the receiver is not told."""
        if not stream.is_over:
            self.out.append(frames.rst_stream(stream.id, code))
            if not stream.has_ended:
                self._early.add(stream.id)
            self._over(stream)

    def consumed(self, stream: Stream, count: int) -> None:
        """So many bytes of data have been taken: the peer may send as many more."""
        stream.owed += count
        if stream.owed >= STREAM_ROOM // 2 and not stream.has_ended and not stream.is_over:
            self._has_sent = True
            self.out.append(frames.window_update(stream.id, stream.owed))
            stream.room += stream.owed
            stream.owed = 0

    def shut(self) -> None:
        """Asks the peer to begin nothing more; at its echo, or at a second call of this, later
        streams are ignored. Those that are open go on. What was under way when it was asked is
        answered (RFC 9113, section 6.8)."""
        if self._is_warned or not self.has_settings:
            self._shut_now()
        elif not self.is_closed:
            self._is_warned = True
            self.out.append(frames.goaway(MOST_WINDOW, frames.NO_ERROR))
            self.out.append(frames.frame(frames.PING, 0, 0, WARNING))

    def _shut_now(self) -> None:
        if not self.is_shut and not self.is_closed:
            self.is_shut = True
            self.out.append(frames.goaway(self.last_id, frames.NO_ERROR))

    def refuse(self, why: str) -> None:
        """Takes no stream at all, and tells the peer why.

        Settings, which should come first, are left out: gRPC's clients take them for a connection
        that stands, and connect again at once, without end. So they try again later and later.
        """
        self.out[:] = [frames.goaway(0, frames.ENHANCE_YOUR_CALM, why)]
        self.is_closed = True

    def leave(self) -> None:
        """Begins nothing more; only where no stream is open."""
        self.out.append(frames.goaway(self.last_id, frames.NO_ERROR))
        self.is_closed = True

    def lost(self) -> None:
        """The peer is gone: the receiver is told for every open stream."""
        self.is_closed = True
        self._take_parts()
        while self.streams:
            stream = next(iter(self.streams.values()))
            self._over(stream)
            self._receiver.reset(stream)

    def _send_block(self, stream: Stream, block: bytes, *, ends: bool) -> None:
        if self._owes_resize:
            self._owes_resize = False
            block = NO_TABLE + block
        self._has_sent = True
        self.out.append(frames.headers(stream.id, block, ends=ends))
        if ends:
            self._ended(stream)

    def send_waiting(self) -> None:
        """Uses the connection's window; each stream that waits for it has its turn."""
        while self._waiting and self._window > 0 and self.socket_room > 0:
            self._send_queued(self._waiting.pop(next(iter(self._waiting))))

    def _send_queued(self, stream: Stream, *, is_new: bool = False) -> None:
        """Sends what the windows allow; then the stream waits for its own, or for its turn."""
        queue = stream.queue
        while queue:
            data, ends = queue[0]
            if ends is None:
                sent = self._send_some(stream, data)
                if sent < len(data):
                    queue[0] = (data[sent:], None)
                    has_own = self._window_of(stream) > 0
                    (self._waiting if has_own else self._narrow)[stream.id] = stream
                    return
            queue.popleft()
            if ends is not None:
                self._send_block(stream, bytes(data), ends=ends)
        self._wait_no_more(stream)
        if not is_new and not stream.is_over:
            self._receiver.flushed(stream)

    def _send_some(self, stream: Stream, data: bytes | memoryview) -> int:
        """Sends the part of the data that the windows allow; its size."""
        size = max(0, min(len(data), self._window_of(stream), self._window, self.socket_room))
        for at in range(0, size, self._max_frame):
            part = data[at : min(at + self._max_frame, size)]
            self.out.append(frames.frame(frames.DATA, 0, stream.id, part))
            if size == len(data) or len(part) >= MIN_DATA_BYTES:  # no answer that is drawn out
                self._paid(stream)
        stream.window -= size
        self._window -= size
        stream.unsent -= size
        self.socket_room -= size
        self.memory.add(-size)
        return size

    # ends

    def _ended(self, stream: Stream) -> None:
        """We have sent the last of it."""
        if not stream.has_ended:
            self.out.append(frames.rst_stream(stream.id, frames.NO_ERROR))
            self._early.add(stream.id)
        self._over(stream)
        stream.call = None  # call and stream refer to each other no more

    def _over(self, stream: Stream) -> None:
        stream.is_over = True
        stream.queue.clear()
        if stream.unsent or stream.held:
            self.memory.add(-stream.unsent - stream.held)
            stream.unsent = stream.held = 0
        if self._waiting or self._narrow:
            self._wait_no_more(stream)
        del self.streams[stream.id]

    def _refuse(self, stream_id: int, code: int, *, is_early: bool = False) -> None:
        """Resets a stream that is not open; `is_early`: more of it may come."""
        self._spend()
        if is_early:
            self._early.add(stream_id)
        self.out.append(frames.rst_stream(stream_id, code))

    def _stream_fault(self, stream: Stream, code: int) -> None:
        self._spend()
        self.reset(stream, code)
        self._receiver.reset(stream)

    def _wait_no_more(self, stream: Stream) -> None:
        self._waiting.pop(stream.id, None)
        self._narrow.pop(stream.id, None)

    # what brings no answer

    def charge(self) -> None:
        """Counts a request that nothing answers; only while it is received.

        Raises:
            Fault: there was too much that brings no answer.
        """
        self._spend()

    def _spend(self, units: int = 1) -> None:
        self._budget.spend(units)
        self._check_budget()

    def _check_budget(self) -> None:
        spent = self._budget.spent
        if spent >= UNPAID_WARNED and not self._is_warned:
            self.shut()
        if spent > MAX_UNPAID:
            raise Fault(frames.ENHANCE_YOUR_CALM, "too many frames that bring no answer")

    def _paid(self, stream: Stream) -> None:
        """Counts one frame of data that we send."""
        self._budget.sent += 1 + stream.cost
        stream.cost = 0

    def _fail(self, fault: Fault) -> None:
        self.fault = fault.with_traceback(None)  # which would hold the buffer
        self.out.append(frames.goaway(self.last_id, fault.code, fault.why))
        self._rest, self._at = b"", 0
        self.lost()


def _fits_length(stream: Stream, size: int) -> bool:
    """Whether so many bytes of data fit the request's content-length (RFC 9113, 8.1.1)."""
    stream.left = (stream.left or 0) - size
    return stream.left == 0 if stream.has_ended else stream.left >= 0

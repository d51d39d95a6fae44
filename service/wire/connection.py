"""The server's side of one HTTP/2 connection, without I/O (RFC 9113).

Bytes go in by `receive`, a receiver is told what they mean, and what is to be written is put into
`out`. What the peer does wrong ends its stream or its connection, with the code that the standard
names; nothing is raised for it.
"""

from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

from service.wire import frames
from service.wire.blocks import TABLE_BYTES, Unreadable
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
MAX_EARLY: Final = 4 * MAX_STREAMS
"""Streams remembered that we ended before the peer did: what it still sends for them is ignored."""
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
MAX_OFFENCES: Final = 10_000
"""Resets, refused streams and empty frames, less the answers given, that end a connection."""
OFFENCES_WARNED: Final = MAX_OFFENCES // 2
"""Of them, those at which the peer is asked to connect anew: one of good will, whose calls are
cancelled more often than they are answered, does so and loses none."""

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


class _Fault(Exception):
    """What ends the connection."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(code, why)
        self.code = code
        self.why = why


class Connection(Generic[Head]):
    """One connection of a client; used from one thread."""

    def __init__(
        self,
        receiver: Receiver[Head],
        *,
        max_streams: int = MAX_STREAMS,
        max_header_bytes: int = MAX_HEADER_BYTES,
        memory: Memory | None = None,
    ) -> None:
        """Begin; `out` holds our settings already.

        Args:
            receiver: is told of requests.
            max_streams: most that may be open.
            max_header_bytes: largest list of fields that a peer should send.
            memory: counts the bytes that open streams hold; None: one of its own.
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
        self._is_warned = False
        """Whether the peer has been asked to begin nothing more."""
        self._receiver = receiver
        self._reader = HeaderReader(receiver.head, HEADER_SLACK * max_header_bytes)
        self._max_streams = max_streams
        self._max_block_bytes = HEADER_SLACK * max_header_bytes
        self._rest = b""
        self._has_begun = False
        self.has_settings = False
        """Whether the peer has begun, by its settings."""
        self._last_id = 0
        self._window = frames.DEFAULT_WINDOW
        self._initial_window = frames.DEFAULT_WINDOW
        self._max_frame = LEAST_MAX_FRAME
        self._room = CONNECTION_ROOM
        self._block: list[bytes] = []
        self._block_of: tuple[int, int] | None = None
        """Stream and flags of a header block that goes on."""
        self._offences = 0
        self._early: dict[int, None] = {}
        """Streams that we ended first, oldest first."""
        self._last_forgotten = 0
        """Largest of the streams that were in `_early` and made room for others."""
        self._waiting: dict[int, Stream] = {}
        """Streams that wait for the connection's window, in the order of their turns."""
        self._owes_resize = False
        """Whether the next block has to say that we use no table."""
        self._has_table = True
        """Whether, as far as the peer knows, we may yet use a table."""
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

    def receive(self, data: bytes) -> None:
        """Takes what the peer sent; whole frames of it are acted upon."""
        if self.is_closed:
            return
        self._rest = self._rest + data if self._rest else data
        try:
            if self._has_begun or self._begins():
                self._rest = self._rest[self._read(self._rest) :]
        except _Fault as fault:
            self._fail(fault)

    def _begins(self) -> bool:
        """Whether the whole preface is there; takes it off.

        Raises:
            _Fault: it is something else.
        """
        rest = self._rest
        if not PREFACE.startswith(rest[: len(PREFACE)]):
            raise _Fault(frames.PROTOCOL_ERROR, "this is no HTTP/2")
        self._has_begun = len(rest) >= len(PREFACE)
        if self._has_begun:
            self._rest = rest[len(PREFACE) :]
        return self._has_begun

    def _read(self, buffer: bytes) -> int:
        """Acts upon the whole frames of the buffer; where the first incomplete one begins."""
        at, size, unpack, kinds = 0, len(buffer), HEAD.unpack_from, self._kinds
        while size - at >= HEAD_BYTES:
            high, low, kind, flags, stream_id = unpack(buffer, at)
            if high or low > LEAST_MAX_FRAME:
                raise _Fault(frames.FRAME_SIZE_ERROR, "a frame larger than 16384 bytes")
            end = at + HEAD_BYTES + low
            if end > size:
                break
            payload = buffer[at + HEAD_BYTES : end]
            at = end
            stream_id &= MOST_WINDOW
            if self._block_of is not None or not self.has_settings:
                self._check_order(kind, flags, stream_id)
            if (take := kinds.get(kind)) is not None:
                take(stream_id, flags, payload)
            if self.is_closed:
                return size
        return at

    def _check_order(self, kind: int, flags: int, stream_id: int) -> None:
        if self._block_of is not None:
            if kind != frames.CONTINUATION or stream_id != self._block_of[0]:
                raise _Fault(frames.PROTOCOL_ERROR, "a header block is interrupted")
        elif kind != frames.SETTINGS or flags & ACK:
            raise _Fault(frames.PROTOCOL_ERROR, "settings come first")
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
            payload = _unpadded(payload)
            self.consumed(stream, size - len(payload))
        is_ended = bool(flags & END_STREAM)
        if is_ended:
            stream.has_ended = True
        elif not payload:
            self._offend()
        if stream.left is not None and not _fits_length(stream, len(payload)):
            self._stream_fault(stream, frames.PROTOCOL_ERROR)
            return
        self._receiver.data(stream, payload, is_ended=is_ended)

    def _on_late_data(self, stream_id: int, flags: int, size: int) -> None:
        """Data of a stream that is not open: ignored where we ended it and the peer did not."""
        self._check_closed(stream_id)
        may_come = stream_id in self._early or stream_id <= self._last_forgotten
        if not may_come and stream_id <= self._last_id:
            self._refuse(stream_id, frames.STREAM_CLOSED)
        elif flags & END_STREAM:
            self._early.pop(stream_id, None)
        elif not size:
            self._offend()

    def _take_room(self, size: int) -> None:
        """Gives the connection's window back long before it is used up: no peer can exceed it."""
        self._room -= size
        if self._room < CONNECTION_ROOM // 2:
            self.out.append(frames.window_update(0, CONNECTION_ROOM - self._room))
            self._room = CONNECTION_ROOM

    def _on_headers(self, stream_id: int, flags: int, payload: bytes) -> None:
        if not stream_id & 1:
            raise _Fault(frames.PROTOCOL_ERROR, f"no client opens stream {stream_id}")
        if flags & PADDED:
            payload = _unpadded(payload)
        if flags & HAS_PRIORITY:
            if len(payload) < 5:
                raise _Fault(frames.FRAME_SIZE_ERROR, "HEADERS too short for its priority")
            _check_dependency(stream_id, payload)
            payload = payload[5:]
        if flags & END_HEADERS:
            self._on_block(stream_id, flags, payload)
        else:
            self._block_of, self._block = (stream_id, flags), [payload]

    def _on_continuation(self, stream_id: int, flags: int, payload: bytes) -> None:
        if self._block_of is None:
            raise _Fault(frames.PROTOCOL_ERROR, "CONTINUATION of nothing")
        self._block.append(payload)
        is_large = sum(map(len, self._block)) > self._max_block_bytes
        if is_large or len(self._block) > MAX_BLOCK_FRAMES:
            raise _Fault(frames.ENHANCE_YOUR_CALM, "a header block too large")
        if flags & END_HEADERS:
            stream_id, begun_with = self._block_of
            block, self._block, self._block_of = b"".join(self._block), [], None
            self._on_block(stream_id, begun_with, block)

    def _on_block(self, stream_id: int, flags: int, block: bytes) -> None:
        take = self._on_request if stream_id > self._last_id else self._on_trailers
        try:
            take(stream_id, block, is_ended=bool(flags & END_STREAM))
        except Unreadable as fault:
            if fault.is_too_large:
                raise _Fault(frames.ENHANCE_YOUR_CALM, "header fields too large") from None
            raise _Fault(frames.COMPRESSION_ERROR, "a header block that is none") from None

    def _on_request(self, stream_id: int, block: bytes, *, is_ended: bool) -> None:
        if self.is_shut:
            self._reader.skip(block)
            self._offend()
            return
        self._last_id = stream_id
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
        stream = Stream(stream_id, self._initial_window, STREAM_ROOM, has_ended=is_ended)
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
            _Fault: it is a request, whose number was there before.
        """
        if any(name[:1] == b":" for name, _ in self._reader.skip(block)):
            raise _Fault(frames.PROTOCOL_ERROR, f"stream {stream_id} does not come after the last")
        self._offend()

    def _on_priority(self, stream_id: int, _flags: int, payload: bytes) -> None:
        if not stream_id:
            raise _Fault(frames.PROTOCOL_ERROR, "PRIORITY of no stream")
        if len(payload) != 5:
            if (stream := self.streams.get(stream_id)) is None:
                raise _Fault(frames.FRAME_SIZE_ERROR, "PRIORITY is 5 bytes")
            self._stream_fault(stream, frames.FRAME_SIZE_ERROR)
        else:
            _check_dependency(stream_id, payload)
        self._offend()

    def _on_rst_stream(self, stream_id: int, _flags: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise _Fault(frames.FRAME_SIZE_ERROR, "RST_STREAM is 4 bytes")
        self._check_closed(stream_id)
        self._offend()
        if (stream := self.streams.get(stream_id)) is not None:
            self._over(stream)
            self._receiver.reset(stream)

    def _on_settings(self, stream_id: int, flags: int, payload: bytes) -> None:
        if stream_id:
            raise _Fault(frames.PROTOCOL_ERROR, "SETTINGS of a stream")
        if len(payload) % 6 or (flags & ACK and payload):
            raise _Fault(frames.FRAME_SIZE_ERROR, "SETTINGS of a wrong size")
        if flags & ACK:
            return
        initial = self._initial_window
        for name, value in SETTING.iter_unpack(payload):
            self._set(name, value)
        self._resize_windows(self._initial_window - initial)
        self.out.append(frames.frame(frames.SETTINGS, ACK, 0))
        self.send_waiting()  # a larger window holds for the peer from our ACK on
        self._offend()

    def _set(self, name: int, value: int) -> None:
        if name == frames.ENABLE_PUSH and value > 1:
            raise _Fault(frames.PROTOCOL_ERROR, "ENABLE_PUSH is 0 or 1")
        if name == frames.MAX_FRAME_SIZE:
            if not LEAST_MAX_FRAME <= value <= frames.MOST_MAX_FRAME:
                raise _Fault(frames.PROTOCOL_ERROR, "MAX_FRAME_SIZE out of its range")
            self._max_frame = value
        if name == frames.HEADER_TABLE_SIZE and value < TABLE_BYTES and self._has_table:
            self._has_table, self._owes_resize = False, True
        if name == frames.INITIAL_WINDOW_SIZE:
            if value > MOST_WINDOW:
                raise _Fault(frames.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE too large")
            self._initial_window = value

    def _resize_windows(self, change: int) -> None:
        """Once for all settings of a frame: there may be thousands, and thousands of streams."""
        if not change:
            return
        for stream in self.streams.values():
            stream.window += change
            if stream.window > MOST_WINDOW:
                raise _Fault(frames.FLOW_CONTROL_ERROR, "a window too large")
            if stream.queue and stream.window > 0:
                self._waiting[stream.id] = stream

    def _on_push_promise(self, _stream_id: int, _flags: int, _payload: bytes) -> None:
        raise _Fault(frames.PROTOCOL_ERROR, "clients do not push")

    def _on_ping(self, stream_id: int, flags: int, payload: bytes) -> None:
        if stream_id:
            raise _Fault(frames.PROTOCOL_ERROR, "PING of a stream")
        if len(payload) != 8:
            raise _Fault(frames.FRAME_SIZE_ERROR, "PING is 8 bytes")
        if not flags & ACK:
            self.out.append(frames.frame(frames.PING, ACK, 0, payload))
        elif payload == WARNING and self._is_warned:
            self._shut_now()

    def _on_goaway(self, stream_id: int, _flags: int, payload: bytes) -> None:
        if stream_id:
            raise _Fault(frames.PROTOCOL_ERROR, "GOAWAY of a stream")
        if len(payload) < 8:
            raise _Fault(frames.FRAME_SIZE_ERROR, "GOAWAY is 8 bytes at least")

    def _on_window_update(self, stream_id: int, _flags: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise _Fault(frames.FRAME_SIZE_ERROR, "WINDOW_UPDATE is 4 bytes")
        count = U32.unpack(payload)[0] & MOST_WINDOW
        if not stream_id:
            self._widen(count)
        elif (stream := self.streams.get(stream_id)) is None:
            self._check_closed(stream_id)
        elif not count:
            self._stream_fault(stream, frames.PROTOCOL_ERROR)
        else:
            stream.window += count
            if stream.window > MOST_WINDOW:
                self._stream_fault(stream, frames.FLOW_CONTROL_ERROR)
            elif stream.queue:
                self._send_queued(stream)

    def _widen(self, count: int) -> None:
        if not count:
            raise _Fault(frames.PROTOCOL_ERROR, "WINDOW_UPDATE of 0")
        self._window += count
        if self._window > MOST_WINDOW:
            raise _Fault(frames.FLOW_CONTROL_ERROR, "a window too large")
        self.send_waiting()

    def _check_closed(self, stream_id: int) -> None:
        """That a stream was open once.

        Raises:
            _Fault: it is the connection itself, or was never opened.
        """
        is_later = stream_id > self._last_id and not self.is_shut
        if not stream_id & 1 or is_later:
            raise _Fault(frames.PROTOCOL_ERROR, f"stream {stream_id} is not open")

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
        fits = size <= stream.window and size <= self._window and size <= self._max_frame
        if not fits or size > self.socket_room or self._owes_resize or len(head) > LEAST_MAX_FRAME:
            self.send_headers(stream, head)
            self.send_data(stream, body)
            self.send_headers(stream, trailers, ends=True)
            return
        stream_id, pack = stream.id, HEAD.pack
        self._window -= size
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
                self._remember_early(stream.id)
            self._over(stream)

    def consumed(self, stream: Stream, count: int) -> None:
        """So many bytes of data have been taken: the peer may send as many more."""
        stream.owed += count
        if stream.owed >= STREAM_ROOM // 2 and not stream.has_ended and not stream.is_over:
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
            self.out.append(frames.goaway(self._last_id, frames.NO_ERROR))

    def lost(self) -> None:
        """The peer is gone: the receiver is told for every open stream."""
        self.is_closed = True
        while self.streams:
            stream = next(iter(self.streams.values()))
            self._over(stream)
            self._receiver.reset(stream)

    def _send_block(self, stream: Stream, block: bytes, *, ends: bool) -> None:
        if self._owes_resize:
            self._owes_resize = False
            block = NO_TABLE + block
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
                    if stream.window > 0:
                        self._waiting[stream.id] = stream
                    return
            queue.popleft()
            if ends is not None:
                self._send_block(stream, bytes(data), ends=ends)
        self._waiting.pop(stream.id, None)
        if not is_new and not stream.is_over:
            self._receiver.flushed(stream)

    def _send_some(self, stream: Stream, data: bytes | memoryview) -> int:
        """Sends the part of the data that the windows allow; its size."""
        size = max(0, min(len(data), stream.window, self._window, self.socket_room))
        for at in range(0, size, self._max_frame):
            part = data[at : min(at + self._max_frame, size)]
            self.out.append(frames.frame(frames.DATA, 0, stream.id, part))
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
            self._remember_early(stream.id)
        if self._offences:
            self._offences -= 1
        self._over(stream)
        stream.call = None  # call and stream refer to each other no more

    def _over(self, stream: Stream) -> None:
        stream.is_over = True
        stream.queue.clear()
        if stream.unsent or stream.held:
            self.memory.add(-stream.unsent - stream.held)
            stream.unsent = stream.held = 0
        self._waiting.pop(stream.id, None)
        del self.streams[stream.id]

    def _remember_early(self, stream_id: int) -> None:
        self._early[stream_id] = None
        if len(self._early) > MAX_EARLY:
            oldest = next(iter(self._early))
            del self._early[oldest]
            self._last_forgotten = max(self._last_forgotten, oldest)

    def _refuse(self, stream_id: int, code: int, *, is_early: bool = False) -> None:
        """Resets a stream that is not open; `is_early`: more of it may come."""
        self._offend()
        if is_early:
            self._remember_early(stream_id)
        self.out.append(frames.rst_stream(stream_id, code))

    def _stream_fault(self, stream: Stream, code: int) -> None:
        self._offend()
        self.reset(stream, code)
        self._receiver.reset(stream)

    def _offend(self) -> None:
        """Counts what costs us something and the peer nothing.

        Raises:
            _Fault: there was too much of it.
        """
        self._offences += 1
        if self._offences == OFFENCES_WARNED and not self._is_warned:
            self.shut()
        if self._offences > MAX_OFFENCES:
            raise _Fault(frames.ENHANCE_YOUR_CALM, "too many resets and empty frames")

    def _fail(self, fault: _Fault) -> None:
        self.out.append(frames.goaway(self._last_id, fault.code, fault.why))
        self._rest = b""
        self.lost()


def _fits_length(stream: Stream, size: int) -> bool:
    """Whether so many bytes of data fit the request's content-length (RFC 9113, 8.1.1)."""
    stream.left = (stream.left or 0) - size
    return stream.left == 0 if stream.has_ended else stream.left >= 0


def _check_dependency(stream_id: int, priority: bytes) -> None:
    """That a stream does not depend on itself (RFC 7540, 5.3.1).

    Raises:
        _Fault: it does.
    """
    if U32.unpack_from(priority)[0] & MOST_WINDOW == stream_id:
        raise _Fault(frames.PROTOCOL_ERROR, f"stream {stream_id} depends on itself")


def _unpadded(payload: bytes) -> bytes:
    """The payload of a padded frame.

    Raises:
        _Fault: there is more padding than payload.
    """
    if not payload:
        raise _Fault(frames.FRAME_SIZE_ERROR, "a padded frame that does not say how much")
    if payload[0] >= len(payload):
        raise _Fault(frames.PROTOCOL_ERROR, "more padding than payload")
    return payload[1 : len(payload) - payload[0]]

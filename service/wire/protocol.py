"""One client's connection on asyncio: bytes from the socket to calls, and back."""

import asyncio
import random
from collections.abc import Callable
from functools import partial
from math import inf
from time import monotonic
from typing import Any, Final, NamedTuple, Protocol, cast

import grpc

from service.wire import frames
from service.wire.calls import RefusedCall, TaskCall
from service.wire.connection import TOO_MANY_PINGS, Connection
from service.wire.direct import DirectCall
from service.wire.faults import Fault
from service.wire.guests import Guests
from service.wire.headers import Fields
from service.wire.inflating import Inflater, Job
from service.wire.limits import ConnectionLimits, Ending
from service.wire.memory import Memory
from service.wire.metadata import CallHead, call_head, refusal_block
from service.wire.stream import Stream
from service.wire.turns import Turns

AGE_JITTER: Final = 0.1
"""Part of its age by which a connection ends earlier or later, so that not all do at once."""
ECHO_S: Final = 5.0
"""What a client has to tell that it begins nothing more."""
CLOSE_S: Final = 5.0
"""In which a client reads some of the last, or closes; else it is cut off."""
WRITE_BYTES: Final = 2**20
"""What waits for a socket before nothing more is read from it."""
LEAST_ROOM: Final = 16_384
"""Bytes of answers that are made ready for a socket that takes more, however little that is."""
REFUSED_S: Final = 1.0
"""What a client that is refused has to read why."""
NOT_FOUND: Final = refusal_block(grpc.StatusCode.UNIMPLEMENTED.value[0], "Method not found!")
"""The answer to a call that nothing answers."""

TOO_MUCH: Final = "too many bytes are held for clients: ask for less at once, and read faster"
FULL: Final = refusal_block(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], TOO_MUCH)
"""The answer to a call that is refused because of the bytes held."""
UNREAD: Final = "unread"
"""Reason of a refusal: the answer does not fit behind those that the client has not read."""

Begin = Callable[[DirectCall], None]


class Routed(NamedTuple):
    """A head, and what answers it."""

    head: CallHead
    handler: Any
    """`grpc.RpcMethodHandler`; None: there is none."""
    begin: Begin | None
    """What takes a direct call; None: a task answers it."""


class Host(Protocol):
    """The server of a connection."""

    max_request_bytes: int
    max_message_bytes: int
    max_connection_bytes: int
    memory: Memory
    """What all connections hold."""
    inflater: Inflater
    guests: Guests
    turns: Turns

    def route(self, head: CallHead) -> Routed:
        """What answers a head."""

    def mark(self, protocol: "WireProtocol") -> None:
        """Has it flushed soon."""

    def relieve(self, protocol: "WireProtocol") -> None:
        """Refuse calls soon because too many bytes are held for them."""

    def cut(self, reason: str) -> None:
        """Count a call that was refused because of the bytes held."""

    def opened(self, protocol: "WireProtocol") -> None:
        """A client has come."""

    def lost(self, protocol: "WireProtocol") -> None:
        """A client is gone."""


class WireProtocol(asyncio.Protocol):
    """The server's side of one connection."""

    def __init__(self, host: Host) -> None:
        """Make it; it begins once it is connected."""
        self.max_request_bytes = host.max_request_bytes
        self.max_message_bytes = host.max_message_bytes
        self.peer = ""
        self.memory = Memory(host.max_connection_bytes, host.memory)
        """What its calls and its socket hold."""
        self.address = ""
        self.fileno = -1
        self.idle_since = 0.0
        self.connection: Connection[Routed] = Connection(
            self, memory=self.memory, min_ping_s=host.guests.limits.min_ping_s
        )
        self.is_held = False
        """Whether nothing is taken in until a run has ended."""
        self.is_marked = False
        """Whether it will be flushed."""
        self._is_closing = False
        """Whether nothing more is written."""
        self._host = host
        self._transport: asyncio.Transport
        self._timers: list[asyncio.TimerHandle] = []
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._is_waiting = False
        """Whether it waits for its turn."""
        self._untaken = b""
        """Read while it waits."""
        self._seen_id = 0
        """The newest stream at the last look."""
        self._block_since: float | None = None
        """When a header block was first seen that is not whole."""
        self._unwritten = 0
        """Bytes that wait for the socket, as far as they are counted."""
        self._unwatched: list[DirectCall] = []
        """Calls with a deadline that began in what is being taken in."""

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(WRITE_BYTES)
        name = self._transport.get_extra_info("peername")
        self.peer, self.address = _peer(name), _address(name)
        self.fileno = self._transport.get_extra_info("socket").fileno()
        self.idle_since = monotonic()
        guests = self._host.guests
        if (refusal := guests.refusal(self)) is not None:
            guests.refused(*refusal)
            self._refuse_connection(refusal[1])
        else:
            guests.add(self)
            self._after(guests.limits.handshake_s, self._check_begun)
            if age_s := guests.limits.max_age_s:
                own_s = age_s * random.uniform(1 - AGE_JITTER, 1 + AGE_JITTER)  # noqa: S311
                self._after(own_s, self._come_of_age)
        self._host.opened(self)
        self._mark()

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self._is_waiting:
            self._untaken += data
        else:
            self._take(data)

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone."""
        for timer in self._timers:
            timer.cancel()
        if isinstance(error, TimeoutError):
            self._host.guests.ended(Ending.VANISHED)
        self._host.guests.remove(self)
        self._may_write.set()
        self._untaken = b""
        self._count_unwritten(0)
        self.connection.lost()
        self._host.lost(self)

    def pause_writing(self) -> None:
        """The client does not read: nothing more is read from it."""
        self._may_write.clear()
        self.connection.socket_room = 0
        self._read_or_not()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._may_write.set()
        self._read_or_not()
        self._mark()

    # what comes faster than its turn

    def hold_back(self) -> None:
        """Ends its turn; the next comes once it is not held any more."""
        self.is_held = True
        self.connection.pause()

    def take_turn(self) -> None:
        """Acts upon some of what waits."""
        self._is_waiting = False
        data, self._untaken = self._untaken, b""
        self._take(data)
        if not self._is_waiting:
            self._read_or_not()

    def _take(self, data: bytes) -> None:
        """Acts upon as much as its turn allows; the rest waits for the next."""
        if self.is_held:
            self._untaken += data
            self._wait_for_turn()
            return
        self.connection.receive(data, self._host.turns.work)
        if self.connection.has_more:
            self._wait_for_turn()
        if self._unwatched:
            for call in self._unwatched:
                call.watch_deadline()
            self._unwatched.clear()
        if self.connection.has_open_block:
            self._relieve_if_full()
        self._mark()

    def _wait_for_turn(self) -> None:
        self._is_waiting = True
        self._read_or_not()
        self._host.turns.wait(self)

    def _read_or_not(self) -> None:
        if self._is_waiting or not self._may_write.is_set():
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    # the connection

    def head(self, fields: Fields) -> Routed:
        """What a request's fields come to."""
        return self._host.route(call_head(fields))

    def begun(self, stream: Stream, head: Routed, *, is_ended: bool) -> None:
        """A call begins."""
        if head.begin is not None:
            stream.call = call = DirectCall(self, stream, head.head, head.begin)
            if call.deadline is not None:
                self._unwatched.append(call)
        elif head.handler is not None:
            stream.call = TaskCall(self, stream, head.head, head.handler)
        else:
            self.connection.charge()
            stream.call = RefusedCall(self, stream, head.head.refusal or NOT_FOUND)
        if is_ended:
            stream.call.data(b"", is_ended=True)

    def data(self, stream: Stream, data: bytes, *, is_ended: bool) -> None:
        """Data of a call."""
        stream.call.data(data, is_ended=is_ended)

    def reset(self, stream: Stream) -> None:
        """A call's caller is gone."""
        if (call := stream.call) is not None:
            stream.call = None
            call.gone()

    def flushed(self, stream: Stream) -> None:
        """A call's data is on its way."""
        stream.call.flushed()

    # calls

    def respond(self, stream: Stream, head: bytes, body: bytes, trailers: bytes) -> None:
        """Sends a whole answer."""
        self.connection.respond(stream, head, body, trailers)
        if stream.unsent:
            self._relieve_if_full()
        self._mark()

    def refuse(self, stream: Stream, block: bytes) -> None:
        """Sends an answer that has no message."""
        self.send_headers(stream, block, ends=True)

    def send_headers(self, stream: Stream, block: bytes, *, ends: bool = False) -> None:
        """Sends a header block."""
        self.connection.send_headers(stream, block, ends=ends)
        self._mark()

    def send_data(self, stream: Stream, data: bytes) -> None:
        """Sends data, as windows allow."""
        self.connection.send_data(stream, data)
        self._relieve_if_full()
        self._mark()

    def cancel(self, stream: Stream, code: int = frames.CANCEL) -> None:
        """Ends a call at once."""
        self.connection.reset(stream, code)
        stream.call = None
        self._mark()

    def consumed(self, stream: Stream, count: int) -> None:
        """So many bytes of a call were taken."""
        self.connection.consumed(stream, count)
        if self.connection.out:
            self._mark()

    def hold(self, stream: Stream, count: int) -> None:
        """Count the bytes that a call holds of its request."""
        if not stream.is_over:
            self.memory.add(count - stream.held)
            stream.held = count
            self._relieve_if_full()

    def fits(self, count: int) -> bool:
        """Whether so many more bytes may wait for the client."""
        fits = self.memory.fits(count)
        if not fits:
            self._host.cut(UNREAD)
        return fits

    def inflate(self, job: Job) -> None:
        """Run the inflation of a large message."""
        self._host.inflater.put(self, job)

    async def written(self) -> None:
        """Lets others have their turn; waits until the socket takes more."""
        self.flush()
        await asyncio.sleep(0)
        await self._may_write.wait()

    # the server

    @property
    def calls(self) -> list[Any]:
        """Those in progress."""
        return [own.call for own in self.connection.streams.values() if own.call is not None]

    def shut(self) -> None:
        """Takes no new calls; closes once those in progress have ended."""
        self.connection.shut()
        if not self.connection.is_shut:
            self._after(ECHO_S, self.shut)
        self._mark()

    def flush(self) -> None:
        """Writes what there is."""
        self.is_marked = False
        own = self.connection
        if own.out and not self._is_closing:
            self._transport.write(b"".join(own.out))
        own.out.clear()
        if own.fault is not None and not self._is_closing:
            self._host.guests.ended(_ending(own.fault))
        self.measure_socket()
        self._send_more()
        if own.is_closed or (own.is_shut and not own.streams):
            self._close()

    # what is held

    def relieve(self, count: int, reason: str) -> None:
        """Refuse the largest calls, the newest of equal ones first, until bytes are released.

        Args:
            count: bytes to release, if the calls hold as much.
            reason: which limit was exceeded, for the metric.
        """
        for stream in sorted(self.connection.streams.values(), key=_held_by, reverse=True):
            held = stream.held + stream.unsent
            if count <= 0 or not held:
                break
            count -= held
            self._host.cut(reason)
            self._cut(stream)

    def _cut(self, stream: Stream) -> None:
        if isinstance(stream.call, TaskCall):
            stream.call.cut(grpc.StatusCode.RESOURCE_EXHAUSTED, TOO_MUCH)
        elif stream.unsent:
            self.cancel(stream, frames.ENHANCE_YOUR_CALM)
        elif isinstance(stream.call, DirectCall):
            stream.call.cut(FULL)

    def _relieve_if_full(self) -> None:
        if self.memory.is_over:
            self._host.relieve(self)

    def measure_socket(self) -> None:
        """Count what waits for the socket."""
        self._count_unwritten(self._transport.get_write_buffer_size())

    def _count_unwritten(self, size: int) -> None:
        if size != self._unwritten:
            self.memory.add(size - self._unwritten)
            self._unwritten = size

    def _send_more(self) -> None:
        """Send what the socket has room for, of what waited for it."""
        own = self.connection
        if self._may_write.is_set():
            own.socket_room = max(LEAST_ROOM, WRITE_BYTES - self._unwritten)
            own.send_waiting()
            if own.out:
                self._mark()

    def end(self) -> None:
        """Closes, whatever is in progress."""
        self.connection.lost()
        self.flush()

    def abort(self) -> None:
        """Cuts it off: what waits for the socket is not sent. What it held is released at once, so
        that who frees memory sees how much that was; asyncio tells the loss only later."""
        self._transport.abort()
        self.connection.lost()
        self._count_unwritten(0)

    def _close(self) -> None:
        """Sends the last, and leaves it to the client to close: a socket that is closed before
        everything was read takes with it what the client has not read yet."""
        if not self._is_closing and not self._transport.is_closing():
            self._is_closing = True
            try:
                self._transport.write_eof()
            except OSError:  # the client has gone just now
                self._transport.abort()
            else:
                self._cut_off_later()

    def _cut_off_later(self) -> None:
        left = self._transport.get_write_buffer_size()
        self._after(CLOSE_S, partial(self._cut_off, left))

    def _cut_off(self, left: int) -> None:
        """Cuts off who has read nothing of what was left."""
        if self._transport.get_write_buffer_size() < left:
            self._cut_off_later()
        else:
            self._transport.abort()

    def _mark(self) -> None:
        if not self.is_marked:
            self.is_marked = True
            self._host.mark(self)

    def _after(self, delay_s: float, act: Callable[[], None]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(delay_s, act))

    # limits

    @property
    def is_idle(self) -> bool:
        """Whether no call is in progress."""
        return not self.connection.streams

    def look(self, now: float, limits: ConnectionLimits) -> None:
        """Ends it where nobody has used it for too long, or a header block does not end."""
        own = self.connection
        if own.streams or own.last_id != self._seen_id:
            self._seen_id, self.idle_since = own.last_id, now
        elif limits.max_idle_s and now - self.idle_since >= limits.max_idle_s:
            self.idle_since = inf  # it is told once
            self._host.guests.ended(Ending.IDLE)
            self.shut()
        if not own.has_open_block:
            self._block_since = None
        elif self._block_since is None:
            self._block_since = now
        elif now - self._block_since >= limits.handshake_s:
            self._host.guests.ended(Ending.HANDSHAKE)
            self._transport.abort()

    def evict(self) -> None:
        """Ends it at once; no call is in progress."""
        self.connection.leave()
        self.flush()
        self._transport.abort()

    def _refuse_connection(self, why: str) -> None:
        self.connection.refuse(why)
        self._after(REFUSED_S, self._transport.abort)

    def _check_begun(self) -> None:
        if not self.connection.has_settings:
            self._host.guests.ended(Ending.HANDSHAKE)
            self._transport.abort()

    def _come_of_age(self) -> None:
        self._host.guests.ended(Ending.AGE)
        self.shut()
        if grace_s := self._host.guests.limits.max_age_grace_s:
            self._after(grace_s, self._end_of_grace)

    def _end_of_grace(self) -> None:
        if self.connection.streams:
            self._host.guests.ended(Ending.AGE_GRACE)
        self.end()


def _ending(fault: Fault) -> Ending:
    """Why a connection ended, of what its peer did."""
    if fault.why == TOO_MANY_PINGS:
        return Ending.PINGS
    return Ending.CALM if fault.code == frames.ENHANCE_YOUR_CALM else Ending.PROTOCOL


def _address(name: Any) -> str:
    """Who a peer is, without a port."""
    return str(name[0]) if isinstance(name, tuple) else "unix"


def _held_by(stream: Stream) -> tuple[int, int]:
    return stream.held + stream.unsent, stream.id


def _peer(name: Any) -> str:
    """An address as gRPC writes it."""
    if not isinstance(name, tuple):
        return "unix:"
    host, port = name[:2]
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"

"""The server: a port, its connections, and the handlers of every method."""

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from service.wire.calls import TaskCall
from service.wire.guests import Guests
from service.wire.inflating import Inflater
from service.wire.limits import ConnectionLimits, Ending
from service.wire.listening import Intake, bound_sockets, prepare_accepted
from service.wire.memory import CONNECTION_BYTES, PROCESS_BYTES, Memory
from service.wire.metadata import CallHead
from service.wire.protocol import Begin, Routed, WireProtocol
from service.wire.turns import Turns

NO_LIMITS: Final = ConnectionLimits()
LAST_S: Final = 1.0
"""What clients have at a stop to read the last that was sent."""
Around = Callable[[str, Any], Any]
log = logging.getLogger(__name__)


class _Details(NamedTuple):
    """What a generic handler is asked by (`grpc.HandlerCallDetails`)."""

    method: str
    invocation_metadata: tuple[tuple[str, str | bytes], ...]


class WireServer:
    """Serves gRPC; handlers are added as to `grpc.aio.Server`. Used from one event loop."""

    def __init__(
        self,
        *,
        max_message_bytes: int,
        max_request_bytes: int | None = None,
        max_connection_bytes: int = CONNECTION_BYTES,
        max_held_bytes: int = PROCESS_BYTES,
        shares_port: bool = False,
        limits: ConnectionLimits = NO_LIMITS,
        ended: Callable[[Ending], None] = lambda _why: None,
        around: Around = lambda _path, handler: handler,
        cut: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        """Make it; it is neither bound nor started.

        Args:
            max_message_bytes: largest reply.
            max_request_bytes: largest request, compressed or not; None: as replies.
            max_connection_bytes: most that is held for one connection, of requests that are not
                answered and of answers that are not sent.
            max_held_bytes: the same of all connections together.
            shares_port: whether other processes listen on its port.
            limits: of its connections.
            ended: is told of each connection that the server ends or refuses.
            around: what surrounds the handler of a path; called once for each path.
            cut: counts calls that are refused because of the bytes held, by reason: `connection`,
                `process`, or `unread` answers.
        """
        self.max_message_bytes = max_message_bytes
        self.max_request_bytes = max_request_bytes or max_message_bytes
        self.max_connection_bytes = max_connection_bytes
        self.memory = Memory(max_held_bytes)
        """What all connections hold."""
        self.inflater = Inflater()
        self.cut = cut
        self._full: set[WireProtocol] = set()
        """Connections that hold too much, or that made the process hold too much."""
        self.guests = Guests(limits, ended)
        """The connections that it has taken in."""
        self.turns = Turns()
        self._shares_port = shares_port
        self._around = around
        self._generic: list[Any] = []
        self._registered: dict[str, Any] = {}
        self._direct: dict[str, Begin] = {}
        self._wrapped: dict[str, Any] = {}
        self._sockets: list[socket.socket] = []
        self._intake: Intake | None = None
        self._taking: set[asyncio.Task[None]] = set()
        self._protocols: set[WireProtocol] = set()
        self._marked: list[WireProtocol] = []
        self._when_lost: dict[WireProtocol, Callable[[], None]] = {}
        """Who is told of the end of connections that another process has accepted."""
        self._quiet = asyncio.Event()
        """Set whenever a connection is lost."""
        self._is_stopped = False

    # before the start

    def add_generic_rpc_handlers(self, handlers: Iterable[Any]) -> None:
        """Takes handlers (`grpc.GenericRpcHandler`)."""
        self._generic.extend(handlers)

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Takes the handlers of a service by method."""
        self._registered |= {f"/{service}/{method}": own for method, own in handlers.items()}

    def answer_directly(self, path: str, begin: Begin) -> None:
        """Has a unary method answered without a task."""
        self._direct[path] = begin

    def add_insecure_port(self, address: str) -> int:
        """Binds host:port; the port, a free one for 0. Who comes before the start waits for it.

        Raises:
            RuntimeError: it cannot be bound.
        """
        try:
            bound = bound_sockets(address, shares_port=self._shares_port)
        except (OSError, ValueError, OverflowError) as error:
            raise RuntimeError(f"Failed to bind to address {address}: {error}") from error
        self._sockets += bound
        port: int = bound[0].getsockname()[1]
        return port

    # running

    async def start(self) -> None:
        """Takes clients in from now on."""
        self._intake = Intake(self._sockets, self._accepted, self.guests.make_room)

    def _accepted(self, connection: socket.socket) -> None:
        task = asyncio.get_running_loop().create_task(self.take_in(connection))
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)

    async def take_in(
        self, connection: socket.socket, lost: Callable[[], None] | None = None
    ) -> None:
        """Serves a connection that has been accepted, here or by another process.

        Args:
            connection: closed by us.
            lost: told once, when it has ended.
        """
        protocol = self._protocol()
        if lost is not None:
            self._when_lost[protocol] = lost
        try:
            prepare_accepted(connection, self.guests.limits.peer_timeout_s)
            await asyncio.get_running_loop().connect_accepted_socket(lambda: protocol, connection)
        except OSError:  # the client was gone already
            connection.close()
            self._tell_lost(protocol)

    async def stop(self, grace: float | None) -> None:
        """Takes nobody in any more; ends the calls that are in progress after the grace, s."""
        await self._close_port()
        self.guests.close()
        self._is_stopped = True
        for protocol in [*self._protocols]:
            protocol.shut()
        self.flush()
        try:
            async with asyncio.timeout(grace or 0.0):
                await self._all_lost()
        except TimeoutError:
            await self._end_calls()

    async def _all_lost(self) -> None:
        while self._protocols:
            self._quiet.clear()
            await self._quiet.wait()

    async def _end_calls(self) -> None:
        calls = [call for own in self._protocols for call in own.calls]
        await asyncio.gather(*(call.stop() for call in calls if isinstance(call, TaskCall)))
        self.flush()
        for protocol in [*self._protocols]:
            protocol.end()
        try:
            async with asyncio.timeout(LAST_S):
                await self._all_lost()
        except TimeoutError:
            for protocol in [*self._protocols]:
                protocol.abort()
            await self._all_lost()

    async def _close_port(self) -> None:
        """Accepts nothing more; what was accepted is served."""
        if self._intake is not None:
            self._intake.close()
        for own in self._sockets:
            own.close()
        self._sockets.clear()
        await asyncio.gather(*self._taking)

    def flush(self) -> None:
        """Writes every answer that waits."""
        marked, self._marked = self._marked, []
        for protocol in marked:
            if protocol.is_marked:
                protocol.flush()

    def _protocol(self) -> WireProtocol:
        return WireProtocol(self)

    # what is held

    def relieve(self, protocol: WireProtocol) -> None:
        """Refuse calls in the next turn of the loop because too many bytes are held for them."""
        if not self._full:
            asyncio.get_running_loop().call_soon(self._relieve)
        self._full.add(protocol)

    def _relieve(self) -> None:
        for protocol in self._full:
            protocol.relieve(protocol.memory.excess_bytes, "connection")
        self._full.clear()
        if self.memory.excess_bytes > 0:
            self._relieve_process()

    def _relieve_process(self) -> None:
        """Refuse calls of the connections that hold most; cut off those that still do then, in
        their sockets or in header blocks that do not end."""
        for protocol in self._protocols:
            protocol.measure_socket()
        target = self.memory.held_bytes - self.memory.excess_bytes
        largest = sorted(self._protocols, key=_held_bytes, reverse=True)
        for protocol in largest:
            protocol.relieve(self.memory.held_bytes - target, "process")
        for protocol in largest:
            if self.memory.held_bytes <= target:
                break
            protocol.abort()

    # its connections

    @property
    def n_connections(self) -> int:
        """How many are open."""
        return len(self.guests)

    def route(self, head: CallHead) -> Routed:
        """What answers a head."""
        path = head.path
        if head.refusal:
            return Routed(head, None, None)
        if (begin := self._direct.get(path)) is not None:
            return Routed(head, None, begin)
        if path not in self._wrapped:
            handler = self._handler(head)
            if handler is None:
                return Routed(head, None, None)
            self._wrapped[path] = self._around(path, handler)
        return Routed(head, self._wrapped[path], None)

    def _handler(self, head: CallHead) -> Any:
        if (own := self._registered.get(head.path)) is not None:
            return own
        details = _Details(head.path, head.metadata)
        found = (generic.service(details) for generic in self._generic)
        return next((own for own in found if own is not None), None)

    def mark(self, protocol: WireProtocol) -> None:
        """Has it flushed in this turn of the loop or the next."""
        if not self._marked:
            asyncio.get_running_loop().call_soon(self.flush)
        self._marked.append(protocol)

    def opened(self, protocol: WireProtocol) -> None:
        """A client has come."""
        self._protocols.add(protocol)
        if self._is_stopped:
            protocol.abort()

    def lost(self, protocol: WireProtocol) -> None:
        """A client is gone."""
        self._protocols.discard(protocol)
        self._tell_lost(protocol)
        self._quiet.set()

    def _tell_lost(self, protocol: WireProtocol) -> None:
        if (lost := self._when_lost.pop(protocol, None)) is not None:
            lost()


def _held_bytes(protocol: WireProtocol) -> int:
    return protocol.memory.held_bytes

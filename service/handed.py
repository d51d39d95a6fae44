"""Connections that one process takes in and hands to its workers, the emptiest first. ADR 0012.

The parent holds a `Door`: it alone listens, and sends each connection that it accepts to a worker
over a Unix socket of that worker's (its line). The worker holds a `TakenIn`: it serves what comes
over its line, and tells of each connection that has ended by one byte.
"""

import asyncio
import errno
import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, Protocol

from service.wire.listening import ACCEPT_AGAIN_S, AT_ONCE, BACKLOG

HEARD_BYTES: Final = 4096
"""Most ends that are told at once."""
BYTE: Final = b"."
"""What goes with a connection, and what tells of an end."""

log = logging.getLogger(__name__)


class _Line:
    """The parent's end of the socket to one worker."""

    def __init__(self, own: socket.socket) -> None:
        self.socket = own
        self.held = 0
        """Connections that the worker has, those on their way included."""
        self.is_ready = False
        """Whether the worker serves."""
        self.is_full = False
        """Whether what was sent fills the socket."""

    def send(self, connection: socket.socket) -> None:
        """Hands a connection on.

        Raises:
            OSError: BlockingIOError: the line is full; ETOOMANYREFS: too much is under way; any
                other: the worker has gone.
        """
        socket.send_fds(self.socket, [BYTE], [connection.fileno()])
        self.held += 1

    def hear(self) -> bool:
        """Whether the worker is there; what it has told is counted."""
        try:
            while told := self.socket.recv(HEARD_BYTES):
                self.held -= len(told)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False


class Door:
    """Listens, and hands each connection to the worker that has the fewest now."""

    def __init__(self, sockets: Sequence[socket.socket], n_workers: int) -> None:
        """Listen not yet: the first worker that is ready opens it. Used from one event loop.

        Args:
            sockets: bound, blocking nobody; closed by `close`.
            n_workers: places of workers.
        """
        self._sockets = [*sockets]
        self._lines: list[_Line | None] = [None] * n_workers
        self._turn = 0
        """Whose turn it is where several have the fewest."""
        self._waiting: deque[socket.socket] = deque()
        """Accepted, and no line took them."""
        self._pause: asyncio.TimerHandle | None = None
        self._is_listening = False
        self._is_accepting = False

    # workers

    @contextmanager
    def line(self, index: int) -> Iterator[socket.socket]:
        """The end of a new line for the worker at this place; closed here after the block."""
        self.ended(index)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            for own in (ours, theirs):
                own.setblocking(False)
            self._lines[index] = _Line(ours)
            yield theirs

    def ready(self, index: int) -> None:
        """Hands connections to the worker at this place from now on."""
        if (line := self._lines[index]) is not None:
            line.is_ready = True
            asyncio.get_running_loop().add_reader(line.socket, self._hear, index)
            self._hand_on()

    def ended(self, index: int) -> None:
        """Hands nothing more to the worker at this place."""
        line, self._lines[index] = self._lines[index], None
        if line is not None:
            _forget(line.socket)
            self._look()

    def held(self) -> list[int]:
        """Connections of each place."""
        return [0 if line is None else line.held for line in self._lines]

    def _hear(self, index: int) -> None:
        line = self._lines[index]
        if line is not None and not line.hear():
            self.ended(index)

    # connections

    def close(self) -> None:
        """Listens no more; what had come is handed on."""
        if self._is_accepting:
            for own in self._sockets:
                self._accept(own, BACKLOG)
        if self._pause is not None:
            self._pause.cancel()
        for own in (*self._sockets, *self._waiting):
            _forget(own)
        self._sockets.clear()
        self._waiting.clear()
        for index in range(len(self._lines)):
            self.ended(index)

    def _look(self) -> None:
        """Accepts where a worker takes what comes, and only there."""
        takes = self._pause is None and not self._waiting and self._emptiest() is not None
        if takes is self._is_accepting:
            return
        self._is_accepting = takes
        loop = asyncio.get_running_loop()
        for own in self._sockets:
            if takes:
                loop.add_reader(own, self._accept, own)
            else:
                loop.remove_reader(own)
        if takes and not self._is_listening:
            self._listen()

    def _listen(self) -> None:
        self._is_listening = True
        for own in self._sockets:
            own.listen(BACKLOG)
            # what is left of our connections must not keep the next start from the port
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    def _accept(self, own: socket.socket, most: int = AT_ONCE) -> None:
        for _ in range(most):
            try:
                connection, _ = own.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log.error("no connection can be taken in: %s", error)  # noqa: TRY400
                self._pause_accepting()
                return
            self._waiting.append(connection)
            self._hand_on()
            if not self._is_accepting:
                return

    def _hand_on(self) -> None:
        """Hands on what waits, as far as lines take it."""
        for index in range(len(self._lines)):
            self._hear(index)  # before the counts are compared
        while self._waiting and (emptiest := self._emptiest()) is not None:
            if self._sent(emptiest, self._waiting[0]):
                self._waiting.popleft().close()
        self._look()

    def _emptiest(self) -> int | None:
        """The place with the fewest connections; None: no worker takes one."""
        n_places = len(self._lines)
        turns = [(self._turn + i) % n_places for i in range(n_places)]
        takers = {
            index: line.held
            for index in turns
            if (line := self._lines[index]) is not None and line.is_ready and not line.is_full
        }
        return min(takers, key=takers.__getitem__, default=None)

    def _sent(self, index: int, connection: socket.socket) -> bool:
        """Whether the worker's line took it."""
        line = self._lines[index]
        if line is None:
            return False
        try:
            line.send(connection)
        except BlockingIOError:
            line.is_full = True
            asyncio.get_running_loop().add_writer(line.socket, self._emptied, line)
        except OSError as error:
            if error.errno == errno.ETOOMANYREFS:
                line.is_full = True
                asyncio.get_running_loop().call_later(ACCEPT_AGAIN_S, self._emptied, line)
            else:
                self.ended(index)
        else:
            self._turn = index + 1
            return True
        return False

    def _emptied(self, line: _Line) -> None:
        if line in self._lines:
            asyncio.get_running_loop().remove_writer(line.socket)
            line.is_full = False
            self._hand_on()

    def _pause_accepting(self) -> None:
        loop = asyncio.get_running_loop()
        self._pause = loop.call_later(ACCEPT_AGAIN_S, self._accept_again)
        self._look()

    def _accept_again(self) -> None:
        self._pause = None
        self._look()


class Taker(Protocol):
    """What serves connections; our own server, which the parent need not load."""

    async def take_in(
        self, connection: socket.socket, lost: Callable[[], None] | None = None
    ) -> None:
        """Serves one; `lost` is told once, when it has ended."""


class TakenIn:
    """Serves the connections that come over a line."""

    def __init__(self, server: Taker, line_fd: int) -> None:
        """Take in from now on. Used from one event loop.

        Args:
            server: whose connections they become.
            line_fd: file descriptor of the worker's end of the line, which is ours from now on.
        """
        os.set_inheritable(line_fd, False)
        self._server = server
        self._line = line = socket.socket(fileno=line_fd)
        line.setblocking(False)
        self._untold = 0
        self._tasks: set[asyncio.Task[None]] = set()
        asyncio.get_running_loop().add_reader(line, self._read)

    def leave(self) -> None:
        """Asks for nothing more; what is under way is still taken in."""
        with suppress(OSError):  # the parent is gone
            self._line.shutdown(socket.SHUT_WR)

    def _read(self) -> None:
        for _ in range(AT_ONCE):
            try:
                told, fds, _, _ = socket.recv_fds(self._line, 1, 1)
            except BlockingIOError:
                return
            except OSError:
                told, fds = b"", []
            if not told:  # the parent is gone, or has heard that we leave
                _forget(self._line)
                return
            self._take(fds)

    def _take(self, fds: Sequence[int]) -> None:
        if not fds:
            log.error("a connection is lost: this process has too many open files")
            self._ended()
            return
        os.set_inheritable(fds[0], False)
        connection = socket.socket(fileno=fds[0])
        task = asyncio.create_task(self._server.take_in(connection, self._ended))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _ended(self) -> None:
        self._untold += 1
        self._tell()

    def _tell(self) -> None:
        """Tells the parent of what ended; later where the line is full."""
        if self._line.fileno() < 0:
            return
        loop = asyncio.get_running_loop()
        loop.remove_writer(self._line)
        try:
            self._untold -= self._line.send(BYTE * self._untold)
        except BlockingIOError:
            pass
        except OSError:  # nobody hears it
            return
        if self._untold:
            loop.add_writer(self._line, self._tell)


def _forget(own: socket.socket) -> None:
    """Closes a socket that the loop may watch."""
    if own.fileno() >= 0:
        loop = asyncio.get_running_loop()
        loop.remove_reader(own)
        loop.remove_writer(own)
        own.close()

"""Sockets bound to an address, and the connections that come to them."""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final

from service.wire.guests import lacking_files

BACKLOG: Final = 1024
"""Connections that wait to be taken in."""
NOT_HERE: Final = frozenset((errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT))
"""That a machine has no such address."""
NO_FILE: Final = frozenset((errno.EMFILE, errno.ENFILE))
"""That no file can be opened."""
AT_ONCE: Final = 64
"""Most connections of one turn of the loop."""
KEEPALIVE_PROBES: Final = 3
"""Probes without an answer after which the system gives a silent peer up."""
ACCEPT_AGAIN_S: Final = 0.2
"""Pause after the system has refused a connection: it would refuse the next one too."""

log = logging.getLogger(__name__)


def bound_sockets(
    address: str, *, shares_port: bool = False, listens: bool = True
) -> list[socket.socket]:
    """A socket for every address of host:port that this machine has, all of one port.

    Args:
        address: host:port; a free port for 0.
        shares_port: whether other processes listen on the port.
        listens: whether they listen already; else their port is held for us alone until they do.

    Raises:
        OSError: the host is unknown or not here, or the port is in use.
        ValueError: the port is no number.
        OverflowError: the port is too large.
    """
    sockets: list[socket.socket] = []
    try:
        _bind_all(address, sockets, shares_port=shares_port, listens=listens)
    except (OSError, OverflowError):
        for own in sockets:
            own.close()
        raise
    return sockets


def _bind_all(
    address: str, sockets: list[socket.socket], *, shares_port: bool, listens: bool
) -> None:
    host, _, text = address.rpartition(":")
    port, missing = int(text), OSError("no address")
    found = socket.getaddrinfo(
        host.strip("[]") or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    for family, _, _, _, place in dict.fromkeys(found):
        place_with_port = (place[0], port, *place[2:])
        try:
            own = _bound(family, place_with_port, shares_port=shares_port, listens=listens)
        except OSError as error:
            if error.errno not in NOT_HERE:
                raise
            missing = error
        else:
            sockets.append(own)
            port = own.getsockname()[1]
    if not sockets:
        raise missing


def _bound(
    family: int, place: tuple[Any, ...], *, shares_port: bool, listens: bool
) -> socket.socket:
    # asyncio sets TCP_NODELAY only where a socket, or the one that accepted it, names its protocol
    own = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        _prepare(own, family, shares_port=shares_port)
        own.bind(place)
        if listens:
            own.listen(BACKLOG)
        else:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    except (OSError, OverflowError):
        own.close()
        raise
    return own


def _prepare(own: socket.socket, family: int, *, shares_port: bool) -> None:
    own.setblocking(False)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shares_port:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)


def prepare_accepted(connection: socket.socket, peer_timeout_s: float) -> None:
    """Sets what every accepted connection has, whoever accepted it.

    Args:
        connection: TCP.
        peer_timeout_s: silence of the peer's machine after which the system gives it up, in which
            it is probed; 0: as the system has it.
    """
    connection.setblocking(False)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not peer_timeout_s:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    half_s = max(1, round(peer_timeout_s / 2))
    for name, value in (
        ("TCP_KEEPIDLE", half_s),
        ("TCP_KEEPINTVL", max(1, half_s // KEEPALIVE_PROBES)),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
        ("TCP_USER_TIMEOUT", round(1000 * peer_timeout_s)),  # for what was sent, in ms
    ):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class Intake:
    """Accepts what comes to sockets; where the system has no room for more, a little later.

    asyncio's own server tries again for every place of the backlog, and logs each try: a process
    whose files are all open would do nothing else.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        take: Callable[[socket.socket], None],
        make_room: Callable[[], bool] = lambda: False,
    ) -> None:
        """Accept from now on; used from one event loop.

        Args:
            sockets: that listen; they are closed by others, after `close`.
            take: is given each connection.
            make_room: frees a file descriptor soon; whether it does.
        """
        self._sockets = [*sockets]
        self._take = take
        self._make_room = make_room
        self._pause: asyncio.TimerHandle | None = None
        self._is_told = False
        """Whether the log says that there is no room."""
        self._watch()

    def close(self) -> None:
        """Accepts nothing more."""
        if self._pause is not None:
            self._pause.cancel()
        self._watch_not()
        self._sockets.clear()

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        for own in self._sockets:
            loop.add_reader(own, self._accept, own)

    def _watch_not(self) -> None:
        loop = asyncio.get_running_loop()
        for own in self._sockets:
            loop.remove_reader(own)

    def _accept(self, own: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, _ = own.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._wait(error)
                return
            self._is_told = False
            self._take(connection)
            if lacking_files(connection.fileno()):
                return  # the next ones once there is room again

    def _wait(self, error: OSError) -> None:
        if error.errno in NO_FILE and self._make_room():
            return
        if not self._is_told:
            self._is_told = True
            log.error("no connection can be taken in until others end: %s", error)
        self._watch_not()
        self._pause = asyncio.get_running_loop().call_later(ACCEPT_AGAIN_S, self._watch)

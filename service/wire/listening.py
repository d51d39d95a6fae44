"""Sockets bound to an address, for whoever takes clients in."""

import errno
import socket
from typing import Any, Final

BACKLOG: Final = 1024
"""Connections that wait to be taken in."""
NOT_HERE: Final = frozenset((errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT))
"""That a machine has no such address."""


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
    own = socket.socket(family, socket.SOCK_STREAM)
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

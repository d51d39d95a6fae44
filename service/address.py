"""Addresses that a port is bound to, `host:port`, and why one cannot be bound."""

import errno
import os
import socket
from collections.abc import Mapping
from ipaddress import IPv6Address
from typing import Final

MAX_PORT: Final = 65_535
LAST_PRIVILEGED_PORT: Final = 1023
UNIX: Final = ("unix:", "unix-abstract:", "/", "./")
"""What an address of a Unix socket begins with."""
CAUSES: Final[Mapping[int, str]] = {
    errno.EADDRINUSE: "another process uses this port; end it, or take another port",
    errno.EADDRNOTAVAIL: "this machine has no such address; 0.0.0.0 and [::] are all that it has",
    errno.EAFNOSUPPORT: "this machine has no address of this family (is IPv6 switched off?)",
    errno.EMFILE: "this process may open no more files; raise its limit (ulimit -n)",
}


def checked_address(text: str) -> str:
    """The address as it was given.

    Raises:
        ValueError: it is no `host:port`; says what to write instead.
    """
    if text.startswith(UNIX):
        raise ValueError("must be host:port; Unix sockets are not served")
    if "://" in text:
        raise ValueError("must be host:port, without a scheme")
    host, colon, port = text.rpartition(":")
    if not (host and colon and _is_port(port)):
        raise ValueError("must be host:port with a port of 0 to 65535; 0 takes a free one")
    if host == "*":
        raise ValueError(f"must be host:port; 0.0.0.0:{port} or [::]:{port} takes every address")
    _check_host(host, port)
    return text


def why_not_bound(error: BaseException, port: str) -> str:
    """What kept an address from being bound, and what to do, in a sentence."""
    if isinstance(error, socket.gaierror):
        return f"the host name is unknown here ({error.strerror})"
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    if error.errno in (errno.EACCES, errno.EPERM):
        return _not_permitted(port)
    return CAUSES.get(error.errno) or os.strerror(error.errno)


def _not_permitted(port: str) -> str:
    if port.isdecimal() and 0 < int(port) <= LAST_PRIVILEGED_PORT:
        return f"uid {os.getuid()} may bind no port below {LAST_PRIVILEGED_PORT + 1}; take another"
    return f"uid {os.getuid()} has no permission to bind it"


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and int(text) <= MAX_PORT


def _check_host(host: str, port: str) -> None:
    if host.startswith("[") and host.endswith("]"):
        try:
            IPv6Address(host[1:-1])
        except ValueError:
            raise ValueError(f"{host[1:-1]!r} is no IPv6 address") from None
    elif ":" in host:
        raise ValueError(f"an IPv6 address stands in brackets, as in [::1]:{port}")
    elif any(char.isspace() or char in "[]/@" for char in host):
        raise ValueError(f"{host!r} is no host name or address")

"""Addresses to bind: which forms are read, and what is said of the others."""

import errno
import socket

import pytest

from service.address import checked_address, why_not_bound


@pytest.mark.parametrize(
    "text",
    ["127.0.0.1:0", "localhost:50051", "0.0.0.0:1", "[::]:9464", "[::1]:0", "[fe80::1%eth0]:1"],
)
def test_a_host_and_a_port_are_an_address(text: str) -> None:
    assert checked_address(text) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("localhost", "must be host:port"),
        (":80", "must be host:port"),
        ("h:99999", "a port of 0 to 65535"),
        ("h:-1", "a port of 0 to 65535"),
        ("h:", "a port of 0 to 65535"),
        ("h:\u0663", "a port of 0 to 65535"),
        ("::1:50051", r"stands in brackets, as in \[::1\]:50051"),
        ("::", "must be host:port"),
        ("[::1]", "must be host:port"),
        ("[::1", "must be host:port|stands in brackets"),
        ("[nine]:1", "'nine' is no IPv6 address"),
        ("*:50051", r"0\.0\.0\.0:50051 or \[::\]:50051"),
        ("http://h:80", "without a scheme"),
        ("unix:/run/steerrec.sock", "Unix sockets are not served"),
        ("/run/steerrec.sock", "Unix sockets are not served"),
        ("a b:1", "no host name"),
    ],
)
def test_what_is_no_address_is_told_with_what_to_write(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        checked_address(text)


@pytest.mark.parametrize(
    ("error", "port", "why"),
    [
        (OSError(errno.EADDRINUSE, "x"), "80", "another process uses this port"),
        (OSError(errno.EADDRNOTAVAIL, "x"), "80", "no such address"),
        (OSError(errno.EAFNOSUPPORT, "x"), "80", "is IPv6 switched off"),
        (PermissionError(errno.EACCES, "x"), "80", "no port below 1024"),
        (PermissionError(errno.EACCES, "x"), "8080", "no permission"),
        (OSError(errno.ENOBUFS, "x"), "80", "No buffer space"),
        (socket.gaierror(-2, "Name or service not known"), "80", "host name is unknown"),
    ],
)
def test_each_cause_is_told_as_what_it_is(error: OSError, port: str, why: str) -> None:
    assert why in why_not_bound(error, port)

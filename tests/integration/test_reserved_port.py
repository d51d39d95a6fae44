"""The port that a parent holds for its workers."""

import socket

import pytest

from service.errors import CannotBind
from service.workers import reserved

ANY = "127.0.0.1:0"


def listening(address: str) -> socket.socket:
    """A server's socket that shares its port, as a worker's does."""
    host, _, port = address.rpartition(":")
    return socket.create_server((host, int(port)), reuse_port=True)


def test_a_free_port_is_filled_in() -> None:
    with reserved(ANY) as address:
        assert not address.endswith(":0")


def test_two_workers_share_it() -> None:
    with reserved(ANY) as address, listening(address) as one, listening(address) as other:
        assert one.getsockname() == other.getsockname()


def test_another_parent_is_refused_before_a_worker_listens() -> None:
    with reserved(ANY) as address, pytest.raises(CannotBind), reserved(address):
        pass


def test_another_parent_is_refused_while_a_worker_listens() -> None:
    with (
        reserved(ANY) as address,
        listening(address),
        pytest.raises(CannotBind),
        reserved(address),
    ):
        pass


def test_a_port_in_use_is_refused() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as own,
        pytest.raises(CannotBind),
        reserved(f"127.0.0.1:{own.getsockname()[1]}"),
    ):
        pass


def test_a_host_that_is_not_here_is_refused() -> None:
    with pytest.raises(CannotBind), reserved("192.0.2.1:0"):
        pass


def test_it_is_free_again_after_the_block() -> None:
    with reserved(ANY) as address:
        pass
    with reserved(address) as again:
        assert again == address

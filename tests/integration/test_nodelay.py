"""Every connection sends at once what is written: Nagle's algorithm is off, however it came."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from service.handed import Door, TakenIn
from service.wire.listening import bound_sockets
from service.wire.server import WireServer
from tests.integration.test_wire_server import made

HOSTS = ("127.0.0.1", "[::1]", "localhost")

Serving = Callable[[WireServer, str], AbstractAsyncContextManager[str]]


@asynccontextmanager
async def in_one_process(server: WireServer, host: str) -> AsyncIterator[str]:
    """The address of a server that accepts its connections itself."""
    port = server.add_insecure_port(f"{host}:0")
    await server.start()
    yield f"{host}:{port}"
    await server.stop(0)


@asynccontextmanager
async def in_a_worker(server: WireServer, host: str) -> AsyncIterator[str]:
    """The address of a server whose connections a parent accepts and hands over."""
    await server.start()
    sockets = bound_sockets(f"{host}:0", listens=False)
    door = Door(sockets, 1)
    with door.line(0) as theirs:
        taken = TakenIn(server, os.dup(theirs.fileno()))
    door.ready(0)
    yield f"{host}:{sockets[0].getsockname()[1]}"
    taken.leave()
    door.close()
    await server.stop(0)


def places(address: str) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    """Every address of host:port."""
    host, _, port = address.rpartition(":")
    found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    return [(family, (str(place[0]), int(place[1]))) for family, _, _, _, place in found]


async def no_delays(server: WireServer, address: str) -> list[bool]:
    """Whether each accepted connection has TCP_NODELAY; one connection to each address."""
    clients = [socket.create_connection(place) for _, place in places(address)]
    async with asyncio.timeout(10):
        while server.n_connections < len(clients):
            await asyncio.sleep(0.01)
    own = [
        protocol._transport.get_extra_info("socket").getsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY
        )
        for protocol in server._protocols
    ]
    for client in clients:
        client.close()
    return [bool(value) for value in own]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("serving", [in_one_process, in_a_worker])
async def test_every_accepted_socket_has_no_delay(serving: Serving, host: str) -> None:
    server = made()
    async with serving(server, host) as address:
        own = await no_delays(server, address)
    assert own
    assert all(own)

"""Connections that a door hands to workers: real sockets, both ends in one process."""

import asyncio
import logging
import os
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from service.handed import BYTE, Door, TakenIn
from service.wire.listening import bound_sockets
from service.wire.server import WireServer

ANY = "127.0.0.1:0"
SOON_S = 10.0
SETTLED_S = 0.3
"""In which what should not come would have come."""
METHOD = "/handed.Test/Echo"


class House:
    """A door with two places, and the workers' ends of their lines."""

    def __init__(self, stack: ExitStack, n_workers: int = 2) -> None:
        sockets = bound_sockets(ANY, listens=False)
        self.place = sockets[0].getsockname()
        self.door = Door(sockets, n_workers)
        self.stack = stack
        self.lines: list[socket.socket] = []
        self.taken: list[list[socket.socket]] = [[] for _ in range(n_workers)]
        for index in range(n_workers):
            with self.door.line(index) as theirs:
                self.lines.append(stack.enter_context(theirs.dup()))

    def ready(self) -> None:
        """Has every worker ready."""
        for index in range(len(self.lines)):
            self.door.ready(index)

    async def came(self, count: int = 1) -> list[socket.socket]:
        """Clients that have connected; what was handed over is taken."""
        clients = [
            self.stack.enter_context(socket.create_connection(self.place)) for _ in range(count)
        ]
        await self.until(count)
        return clients

    async def until(self, count: int) -> None:
        """Waits until the workers have taken so many more."""
        before = sum(map(len, self.taken))
        async with asyncio.timeout(SOON_S):
            while sum(map(len, self.taken)) < before + count:
                await asyncio.sleep(0.01)
                self.take()

    def take(self) -> None:
        """Takes what lies in the lines."""
        for line, taken in zip(self.lines, self.taken, strict=True):
            while fds := _received(line):
                taken.append(self.stack.enter_context(socket.socket(fileno=fds[0])))

    @property
    def counts(self) -> list[int]:
        """What each worker has taken."""
        return [len(taken) for taken in self.taken]


def _received(line: socket.socket) -> list[int]:
    try:
        return socket.recv_fds(line, 1, 1)[1]
    except BlockingIOError:
        return []


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """Two workers, not ready yet."""
    with ExitStack() as stack:
        own = House(stack)
        yield own
        own.door.close()


def open_files() -> int:
    """File descriptors of this process."""
    return len([*Path("/proc/self/fd").iterdir()])


@contextmanager
def no_more_files() -> Iterator[None]:
    """Within the block this process can open nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_connections_are_dealt_out_evenly(house: House) -> None:
    house.ready()
    await house.came(8)
    assert house.counts == [4, 4]


async def test_the_next_goes_where_connections_have_ended(house: House) -> None:
    house.ready()
    await house.came(4)
    house.lines[1].send(2 * BYTE)
    await house.came(2)
    assert house.counts == [2, 4]


async def test_who_is_not_ready_gets_none(house: House) -> None:
    house.door.ready(1)
    await house.came(3)
    assert house.counts == [0, 3]


async def test_before_any_is_ready_the_port_is_closed(house: House) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(house.place)


async def test_where_none_is_ready_any_more_clients_wait(house: House) -> None:
    house.door.ready(0)
    await house.came()
    house.door.ended(0)
    with socket.create_connection(house.place):
        await asyncio.sleep(SETTLED_S)
        house.take()
        waited = house.counts
        house.door.ready(1)
        await house.until(1)
    assert (waited, house.counts) == ([1, 0], [1, 1])


async def test_a_worker_that_has_gone_gets_none(house: House) -> None:
    house.ready()
    house.lines[0].shutdown(socket.SHUT_RDWR)
    await house.came(2)
    assert house.counts[1] == 2


async def test_a_worker_that_leaves_gets_none_but_keeps_what_it_was_handed(house: House) -> None:
    house.ready()
    await house.came(2)
    house.lines[0].shutdown(socket.SHUT_WR)
    await house.came(2)
    assert house.counts == [1, 3]


async def test_who_takes_its_place_begins_with_none(house: House) -> None:
    house.ready()
    await house.came(4)
    house.door.ended(0)
    with house.door.line(0) as theirs:
        house.lines[0] = house.stack.enter_context(theirs.dup())
    house.door.ready(0)
    await house.came(2)
    assert house.counts == [4, 2]


async def test_a_full_line_holds_nobody_up_and_loses_nothing() -> None:
    with ExitStack() as stack:
        house = House(stack, n_workers=1)
        buffer_bytes = 1
        house.door.ready(0)
        for line in house.door._lines:
            assert line is not None
            line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
        for _ in range(100):
            stack.enter_context(socket.create_connection(house.place))
        await asyncio.sleep(SETTLED_S)
        sent = house.door.held()[0]
        await house.until(100)
        house.door.close()
    assert (sent < 100, house.counts) == (True, [100])


async def test_a_full_line_leaves_connections_to_the_others(house: House) -> None:
    house.ready()
    first = house.door._lines[0]
    assert first is not None
    first.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    for _ in range(60):
        house.stack.enter_context(socket.create_connection(house.place))
    async with asyncio.timeout(SOON_S):
        while sum(house.door.held()) < 60:
            await asyncio.sleep(0.01)
    assert house.door.held()[0] < 30


async def test_what_had_come_before_the_close_is_handed_over(house: House) -> None:
    house.ready()
    house.stack.enter_context(socket.create_connection(house.place))
    house.door.close()
    await house.until(1)
    assert sum(house.counts) == 1


async def test_a_closed_door_refuses(house: House) -> None:
    house.ready()
    house.door.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(house.place)


async def test_the_parent_keeps_no_file() -> None:
    before = open_files()
    with ExitStack() as stack:
        house = House(stack)
        house.ready()
        standing = open_files()
        clients = await house.came(20)
        handed = open_files() - standing - len(clients) - sum(house.counts)
        house.door.close()
    assert (handed, open_files() - before) == (0, 0)


async def test_too_many_open_files_are_no_spin_and_lose_nobody(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.ready()
    await house.came(2)
    house.stack.enter_context(socket.create_connection(house.place))
    with no_more_files(), caplog.at_level(logging.ERROR, "service.handed"):
        await asyncio.sleep(3 * SETTLED_S)
    errors = len(caplog.records)
    await house.until(1)
    assert 1 <= errors <= 10


async def _echo(request: bytes, _context: object) -> bytes:
    return request


@pytest.fixture
async def server() -> AsyncIterator[WireServer]:
    """Ours, with a method that answers; it listens nowhere."""
    own = WireServer(max_message_bytes=2**20)
    handler: Any = grpc.unary_unary_rpc_method_handler(_echo)
    own.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("handed.Test", {"Echo": handler}),)
    )
    await own.start()
    yield own
    await own.stop(0)


@pytest.fixture
async def served(server: WireServer) -> AsyncIterator[tuple[Door, str, TakenIn]]:
    """A door with one worker, where it is, and what takes in at the worker."""
    sockets = bound_sockets(ANY, listens=False)
    port = sockets[0].getsockname()[1]
    door = Door(sockets, 1)
    with door.line(0) as theirs:
        taken = TakenIn(server, os.dup(theirs.fileno()))
    door.ready(0)
    yield door, f"127.0.0.1:{port}", taken
    taken.leave()
    door.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def _asked(channel: grpc.aio.Channel, message: bytes) -> bytes:
    call: Any = channel.unary_unary(METHOD)
    answer: bytes = await call(message)
    return answer


async def test_a_call_over_a_handed_connection_is_answered(
    served: tuple[Door, str, TakenIn],
) -> None:
    async with grpc.aio.insecure_channel(served[1]) as channel:
        assert await _asked(channel, b"x") == b"x"


async def test_the_end_of_a_connection_is_told(served: tuple[Door, str, TakenIn]) -> None:
    door, address, _ = served
    async with grpc.aio.insecure_channel(address) as channel:
        await _asked(channel, b"x")
        held = door.held()
    async with asyncio.timeout(SOON_S):
        while door.held() != [0]:
            await asyncio.sleep(0.01)
    assert held == [1]


async def test_a_client_that_is_gone_at_once_is_told_too(
    served: tuple[Door, str, TakenIn], server: WireServer
) -> None:
    door, address, _ = served
    host, _, port = address.rpartition(":")
    for _ in range(5):
        socket.create_connection((host, int(port))).close()
    await asyncio.sleep(SETTLED_S)
    assert (door.held(), server.n_connections) == ([0], 0)


async def test_who_has_left_still_answers_whom_it_has(
    served: tuple[Door, str, TakenIn],
) -> None:
    async with grpc.aio.insecure_channel(served[1]) as channel:
        await _asked(channel, b"x")
        served[2].leave()
        await asyncio.sleep(SETTLED_S)
        assert await _asked(channel, b"y") == b"y"


def test_a_port_that_is_held_is_refused_before_anyone_listens() -> None:
    with ExitStack() as stack:
        for own in bound_sockets(ANY, listens=False):
            stack.enter_context(own)
            with pytest.raises(OSError, match="in use"):
                bound_sockets(f"127.0.0.1:{own.getsockname()[1]}", listens=False)


async def test_the_port_is_free_at_once_after_a_close() -> None:
    with ExitStack() as stack:
        house = House(stack)
        house.ready()
        await house.came(4)
        for taken in house.taken:
            for own in taken:
                own.close()  # first, so that this side waits out the connection
        house.door.close()
    again = bound_sockets(f"127.0.0.1:{house.place[1]}", listens=False)
    for own in again:
        own.close()
    assert len(again) == 1


async def test_a_name_is_listened_at_under_all_its_addresses() -> None:
    sockets = bound_sockets("localhost:0", listens=False)
    places = [own.getsockname() for own in sockets]
    with ExitStack() as stack:
        door = Door(sockets, 1)
        with door.line(0) as theirs:
            stack.enter_context(theirs.dup())
        door.ready(0)
        for place in places:
            stack.enter_context(socket.create_connection(place[:2]))
        await asyncio.sleep(SETTLED_S)
        held = door.held()
        door.close()
    assert held == [len(places)]

"""Memory of a process under clients that make it hold much, as the system counts it."""

import asyncio
import gzip
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conformance.wire.raw import framed, head, raw
from tests.integration.hostile import HELD, LARGE, MANY, MIB, ONE, SIZE, asked
from tests.integration.test_wire_server import DIRECT

LIMIT = 16 * MIB
MOST_GROWTH = 5 * LIMIT
"""Of resident memory: the bytes held, copies in transit, and what the allocator keeps."""


class Process(NamedTuple):
    """A server in a process of its own."""

    address: str
    pid: int

    @property
    def resident_bytes(self) -> int:
        """Its memory now."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return 1024 * next(int(own.split()[1]) for own in lines if own.startswith("VmRSS"))


@asynccontextmanager
async def running() -> AsyncIterator[Process]:
    """A server whose process may hold LIMIT."""
    options = [
        f"max_connection_bytes={LIMIT}",
        f"max_held_bytes={LIMIT}",
        f"max_request_bytes={MIB}",
    ]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.hostile", *options, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    address = (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()
    try:
        yield Process(address, process.pid)
    finally:
        process.kill()
        await process.wait()


async def unfinished(address: str) -> None:
    """60 requests of a megabyte each that never end."""
    async with raw(address) as client:
        await asked(client, DIRECT, b"first")
        for _ in range(60):
            stream_id, _ = client.begin(head(__path=ONE))
            client.send(stream_id, framed(bytes(SIZE))[:-1])
            await asked(client, DIRECT, b"next")


async def empty_messages(address: str) -> None:
    """200,000 messages in each of several streams whose handler does not read."""
    async with raw(address) as client:
        await asked(client, DIRECT, b"first")
        for _ in range(30):
            stream_id, _ = client.begin(head(__path=MANY))
            client.send(stream_id, framed(HELD) + framed(b"") * 200_000)
            await asked(client, DIRECT, b"next")


async def refused(address: str) -> None:
    """60 requests of two messages."""
    async with raw(address) as client:
        await asked(client, DIRECT, b"first")
        for _ in range(60):
            stream_id, reply = client.begin(head(__path=DIRECT))
            client.send(stream_id, framed(bytes(SIZE)) + framed(b""))
            await client.over(reply)


async def unread(address: str) -> None:
    """100 answers of ten megabytes each to a client that reads none."""
    async with raw(address, reads=False) as client:
        for _ in range(100):
            stream_id, _ = client.begin(head(__path=LARGE))
            client.send(stream_id, framed(b"10000000"), ends=True)
        await asyncio.sleep(1)


async def bombs(address: str) -> None:
    """500 messages that inflate to a megabyte each."""
    bomb = framed(gzip.compress((bytes(500) + b"\1\2\3") * 2000), 1)
    async with raw(address) as client:
        for number in range(500):
            stream_id, _ = client.begin(head(__path=DIRECT, grpc_encoding="gzip"))
            client.send(stream_id, bomb, ends=True)
            if number % 50 == 0:
                await asked(client, DIRECT, b"next")
        await asyncio.sleep(1)


@pytest.mark.parametrize("attack", [unfinished, empty_messages, refused, unread, bombs])
async def test_a_process_grows_by_little_more_than_it_may_hold(
    attack: Callable[[str], Awaitable[None]],
) -> None:
    async with running() as process, raw(process.address) as honest:
        await asked(honest, DIRECT, b"first")
        before, most = process.resident_bytes, 0
        attacking = asyncio.ensure_future(attack(process.address))
        while not attacking.done():
            reply = await asked(honest, DIRECT, b"honest")
            assert reply.status == "0"
            most = max(most, process.resident_bytes)
        await attacking
    assert most - before < MOST_GROWTH

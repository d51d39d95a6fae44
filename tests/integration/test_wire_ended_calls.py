"""Calls of our own server that have ended hold nothing, whatever ended them."""

import gc
import gzip
import tracemalloc
from collections.abc import Awaitable, Callable

import pytest

from tests.conformance.wire.raw import RawClient, Reply, framed, head, raw
from tests.integration.hostile import (
    FAIL,
    HELD,
    MANY,
    MIB,
    ONE,
    SIZE,
    asked,
    serving,
    settled,
)
from tests.integration.test_wire_server import DIRECT

CALLS = 20


async def answered(client: RawClient, path: str) -> None:
    await asked(client, path, b"x" * SIZE)


async def failed(client: RawClient, path: str) -> None:
    await asked(client, path, FAIL.ljust(SIZE))


async def inflated(client: RawClient, path: str) -> None:
    """A message that takes many steps to inflate."""
    packed = framed(gzip.compress((bytes(500) + b"few") * 2000), 1)
    await client.asked(head(__path=path, grpc_encoding="gzip"), packed)


async def inflating(client: RawClient, path: str) -> None:
    """The same, cancelled before it is inflated."""
    packed = framed(gzip.compress((bytes(500) + b"few") * 2000), 1)
    stream_id, _ = client.begin(head(__path=path, grpc_encoding="gzip"))
    client.send(stream_id, packed, ends=True)
    client.reset(stream_id)
    await asked(client, DIRECT, b"next")


async def refused(client: RawClient, path: str) -> None:
    """Two messages for a unary method, one that is too large for a stream."""
    last = b"\0\xff\xff\xff\xff" if path == MANY else framed(b"second")
    await client.over(begun(client, path, framed(b"x" * SIZE) + last))


async def cancelled(client: RawClient, path: str) -> None:
    stream_id, _ = client.begin(head(__path=path))
    client.send(stream_id, framed(HELD.ljust(SIZE)), ends=True)
    await asked(client, DIRECT, b"next")
    client.reset(stream_id)


async def cancelled_early(client: RawClient, path: str) -> None:
    stream_id, _ = client.begin(head(__path=path))
    client.send(stream_id, framed(HELD.ljust(SIZE))[:-1])
    client.reset(stream_id)
    await asked(client, DIRECT, b"next")


async def late(client: RawClient, path: str) -> None:
    """A deadline that passes while the message is incomplete."""
    await client.over(begun(client, path, framed(HELD.ljust(SIZE))[:-1], grpc_timeout="20m"))


async def late_in_its_handler(client: RawClient, path: str) -> None:
    await asked(client, path if path != DIRECT else ONE, HELD.ljust(SIZE), grpc_timeout="20m")


def begun(client: RawClient, path: str, data: bytes, **more: str) -> Reply:
    """A request that does not end."""
    stream_id, reply = client.begin(head(__path=path, **more))
    client.send(stream_id, data)
    return reply


ENDS: dict[str, Callable[[RawClient, str], Awaitable[None]]] = {
    "answered": answered,
    "failed": failed,
    "inflated": inflated,
    "cancelled while it inflates": inflating,
    "refused": refused,
    "cancelled": cancelled,
    "cancelled early": cancelled_early,
    "late": late,
    "late in its handler": late_in_its_handler,
}


@pytest.mark.parametrize("path", [DIRECT, ONE, MANY])
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_ended_calls_hold_nothing_even_without_a_collection(
    end: Callable[[RawClient, str], Awaitable[None]], path: str
) -> None:
    async with serving() as (server, address), raw(address) as client:
        await asked(client, DIRECT, b"first")  # the windows are known then
        await end(client, path)
        await settled(server)
        gc.collect()
        gc.disable()
        tracemalloc.start()
        try:
            for _ in range(CALLS):
                await end(client, path)
            await settled(server)
            held = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
            gc.enable()
    assert held < 2 * MIB

"""Thirty connections that flood the server, and an honest client whose calls are all answered."""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import grpc
import pytest

from service.rpc.direct import METHOD
from service.wire import frames
from service.wire.frames import PREFACE, frame
from service.wire.headers import encoded
from service.wire.limits import ConnectionLimits, Ending
from tests.conformance.wire.raw import head
from tests.integration.asking import request
from tests.integration.conftest import Start
from tests.integration.test_wire_attacked import asked
from tests.integration.test_wire_server import DIRECT, TASK, made
from tests.integration.waiting import until

N_HOSTILE = 30
N_CALLS = 25
LONG_S = 60.0
"""Far more than an honest call takes on a slow machine; starved, it takes longer."""
START = PREFACE + frames.settings({})
BLOCK = encoded([(name.encode(), value.encode()) for name, value in head(__path=TASK)])
NOWHERE = encoded([(name.encode(), value.encode()) for name, value in head(__path="/no/where")])
PACKED = BLOCK + b"\0\1a\xff\xfd\x3d" + bytes(8060)
"""A header block with 12,896 zeros in Huffman's code."""
OPEN = frames.headers(1, BLOCK, ends=False)

Make = Callable[[int], bytes]
"""The frames of one piece, by its number."""


def _many(own: bytes) -> Make:
    return lambda _: own * 200


def _resets(at: int) -> bytes:
    numbers = range(3 + 200 * at, 203 + 200 * at, 2)
    return b"".join(
        frames.headers(number, BLOCK, ends=False) + frames.rst_stream(number, frames.CANCEL)
        for number in numbers
    )


def _refused(at: int) -> bytes:
    numbers = range(3 + 200 * at, 203 + 200 * at, 2)
    return b"".join(frames.headers(number, NOWHERE, ends=True) for number in numbers)


def _costly(at: int) -> bytes:
    numbers = range(3 + 20 * at, 23 + 20 * at, 2)
    return b"".join(
        frames.headers(number, PACKED, ends=False) + frames.rst_stream(number, frames.CANCEL)
        for number in numbers
    )


FLOODS: dict[str, Make] = {
    "pings": _many(frame(frames.PING, 0, 0, bytes(8))),
    "acknowledged pings": _many(frame(frames.PING, frames.ACK, 0, bytes(8))),
    "windows": _many(frames.window_update(0, 1)),
    "windows of a stream": _many(frames.window_update(1, 1)),
    "settings": _many(frames.settings({frames.INITIAL_WINDOW_SIZE: 1, 99: 2})),
    "acknowledged settings": _many(frame(frames.SETTINGS, frames.ACK, 0)),
    "priorities": _many(frame(frames.PRIORITY, 0, 1, bytes(5))),
    "unknown frames": _many(frame(99, 0, 0)),
    "empty data": _many(frame(frames.DATA, 0, 1)),
    "single bytes": _many(frame(frames.DATA, 0, 1, b"\0")),
    "resets": _resets,
    "refused calls": _refused,
    "costly header blocks": _costly,
}


async def flood(place: tuple[str, int], make: Make, sent: Counter[str]) -> None:
    """Sends pieces for ever; connects again where the connection is ended."""
    loop = asyncio.get_running_loop()
    while True:
        with socket.socket() as own, suppress(OSError):
            own.setblocking(False)
            await loop.sock_connect(own, place)
            await loop.sock_sendall(own, START + OPEN)
            sent["connections"] += 1
            at = 0
            while True:
                await loop.sock_sendall(own, make(at))
                with suppress(BlockingIOError):
                    if not own.recv(65_536):
                        break
                at += 1
                sent["pieces"] += 1
        await asyncio.sleep(0)


async def honest(address: str) -> list[bytes]:
    """The answers to an honest client's calls, one after the other."""
    async with grpc.aio.insecure_channel(address) as channel:
        direct: Any = channel.unary_unary(DIRECT)
        return [await direct(b"%d" % at, timeout=LONG_S) for at in range(N_CALLS)]


@pytest.mark.parametrize("make", FLOODS.values(), ids=FLOODS)
async def test_an_honest_client_is_answered_beside_a_flood(make: Make) -> None:
    ended: Counter[Ending] = Counter()
    sent: Counter[str] = Counter()
    server = made(limits=ConnectionLimits(min_ping_s=5.0), ended=lambda why: ended.update((why,)))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    floods = [asyncio.create_task(flood(("127.0.0.1", port), make, sent)) for _ in range(N_HOSTILE)]
    try:
        await until(lambda: sent["pieces"] >= N_HOSTILE)
        answers = await honest(f"127.0.0.1:{port}")
        if make not in (_resets, _costly):  # it takes long to send as many
            await until(lambda: bool(ended[Ending.CALM] + ended[Ending.PINGS]))
    finally:
        for own in floods:
            own.cancel()
        await asyncio.wait(floods)
        await server.stop(0)
    assert answers == [b"%d" % at for at in range(N_CALLS)]
    assert ended[Ending.PROTOCOL] == 0


async def test_a_few_calls_are_answered_beside_a_caller_with_thousands(start: Start) -> None:
    """All of an honest caller's calls are, while another asks again at once whatever it is told."""
    message = request().SerializeToString()
    loop = asyncio.get_running_loop()
    refused = 0

    async def ask_for_ever(place: tuple[str, int]) -> None:
        nonlocal refused
        with socket.socket() as own:
            own.setblocking(False)
            await loop.sock_connect(own, place)
            wide = frames.settings({frames.INITIAL_WINDOW_SIZE: frames.MOST_WINDOW})
            wide += frames.window_update(0, 2**30)
            await loop.sock_sendall(own, PREFACE + wide)
            number, in_flight = 1, 0
            while True:
                new = range(number, number + 2 * (1000 - in_flight), 2)
                await loop.sock_sendall(own, b"".join(asked(at, METHOD, message) for at in new))
                number, in_flight = new.stop, 1000
                part = await loop.sock_recv(own, 2**18)
                in_flight -= part.count(b"grpc-status")
                refused += part.count(b"grpc-status\x0214")

    async with start(max_batch=4, queue_limit=64, max_connection_idle_s=0) as service:
        host, _, port = service.replica.addresses.grpc.rpartition(":")
        floods = [asyncio.create_task(ask_for_ever((host, int(port)))) for _ in range(3)]
        await until(lambda: refused > 500)
        codes: Counter[str] = Counter()

        async def few() -> None:
            for _ in range(25):
                call = service.recommender.Recommend(request(), timeout=LONG_S)
                codes[(await call.code()).name] += 1

        await asyncio.gather(*(few() for _ in range(4)))
        for own in floods:
            own.cancel()
        await asyncio.wait(floods)
    assert codes == {"OK": 100}

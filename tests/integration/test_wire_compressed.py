"""Compressed messages at our own server: bounded in size, ratio and share of the loop's time."""

import gzip

import numpy as np
import pytest

from tests.conformance.wire.raw import framed, head, raw
from tests.integration.hostile import EXHAUSTED, MIB, ONE, asked, attacked, serving
from tests.integration.test_wire_server import DIRECT

METHODS = [DIRECT, ONE]
GZIP = {"grpc_encoding": "gzip"}


def packed(message: bytes) -> bytes:
    """A compressed message as it is sent."""
    return framed(gzip.compress(message), 1)


@pytest.mark.parametrize("path", METHODS)
@pytest.mark.parametrize("size", [2**16, 2**18, 2**20])
async def test_a_compressed_message_of_any_size_is_answered(path: str, size: int) -> None:
    message = np.random.default_rng(7).integers(48, 58, size, np.uint8).tobytes()
    async with serving() as (_, address), raw(address) as client:
        await asked(client, DIRECT, b"first")
        reply = await client.asked(head(__path=path, **GZIP), packed(message))
        assert (reply.status, reply.data) == ("0", framed(message[:1]))


@pytest.mark.parametrize("path", METHODS)
async def test_a_message_that_inflates_beyond_the_limit_is_refused(path: str) -> None:
    async with (
        attacked(max_request_bytes=2**18) as (_, address, honest),
        raw(address) as client,
    ):
        reply = await client.asked(head(__path=path, **GZIP), packed(bytes(50 * MIB)))
        assert reply.status == EXHAUSTED
    assert honest.most_held < MIB


@pytest.mark.parametrize("path", METHODS)
async def test_a_message_that_inflates_too_many_times_is_refused(path: str) -> None:
    async with serving() as (_, address), raw(address) as client:
        reply = await client.asked(head(__path=path, **GZIP), packed(bytes(MIB)))
        assert reply.message == "Decompressed message over 500 times its size: send it uncompressed"


@pytest.mark.parametrize("path", METHODS)
async def test_one_who_sends_bombs_leaves_others_their_time(path: str) -> None:
    """Each inflates from 12 kB to 4 MB, which neither limit refuses."""
    bomb = packed((bytes(500) + b"\1\2\3") * 8000)
    async with (
        attacked(max_request_bytes=4 * MIB) as (_, address, honest),
        raw(address) as client,
    ):
        for number in range(900):
            stream_id, _ = client.begin(head(__path=path, **GZIP))
            client.send(stream_id, bomb, ends=True)
            if number % 50 == 0:
                await asked(client, DIRECT, b"next")
        await honest.answered(20)

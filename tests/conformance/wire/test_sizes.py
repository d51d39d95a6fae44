"""Large, compressed and too large messages: at our server as at gRPC's own."""

from collections.abc import AsyncIterator

import grpc
import pytest

from tests.conformance.wire.both import (
    Context,
    Options,
    alike,
    asking,
    both_ways,
    echo,
    echo_stream,
    in_stream,
    out_stream,
    streaming,
    unary,
)

LARGE = bytes(range(256)) * (15 * 4096)
"""15 MiB."""
UNLIMITED = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
)
"""What a client takes that tries how much the server takes."""
SMALL = Options(max_message_bytes=1000)
COMPRESSIONS = (grpc.Compression.Gzip, grpc.Compression.Deflate)


async def test_15_mib_go_both_ways_alike() -> None:
    told = await alike(unary(echo), asking(LARGE, channel_options=UNLIMITED))
    assert told.messages == (LARGE,)


async def test_15_mib_go_both_ways_in_a_stream_alike() -> None:
    async def sized(requests: AsyncIterator[bytes], _context: Context) -> AsyncIterator[bytes]:
        async for message in requests:
            yield b"%d" % len(message)

    assert (await alike(both_ways(sized), streaming(LARGE, LARGE))).messages == (b"15728640",) * 2


@pytest.mark.parametrize("size", [999, 1000, 1001, 70_000])
async def test_requests_around_the_limit_end_alike(size: int) -> None:
    async def handler(_request: bytes, _context: Context) -> bytes:
        return b"taken"

    told = await alike(unary(handler), asking(b"x" * size), SMALL)
    assert told.messages == ((b"taken",) if size <= 1000 else ())


@pytest.mark.parametrize("size", [999, 1000, 1001, 70_000])
async def test_replies_around_the_limit_end_alike(size: int) -> None:
    async def handler(_request: bytes, _context: Context) -> bytes:
        return b"x" * size

    told = await alike(unary(handler), asking(), SMALL)
    assert [len(own) for own in told.messages] == ([size] if size <= 1000 else [])


async def test_a_message_too_large_in_a_stream_ends_alike() -> None:
    told = await alike(both_ways(echo_stream), streaming(b"x", b"y" * 1001), SMALL)
    assert told.code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_message_too_large_in_a_stream_in_ends_alike() -> None:
    async def handler(requests: AsyncIterator[bytes], _context: Context) -> bytes:
        return b"".join([own async for own in requests])

    told = await alike(in_stream(handler), streaming(b"y" * 1001, gets_many=False), SMALL)
    assert told.code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_message_too_large_out_of_a_stream_ends_alike() -> None:
    async def handler(_request: bytes, _context: Context) -> AsyncIterator[bytes]:
        yield b"x"
        yield b"y" * 1001

    told = await alike(out_stream(handler), asking(gets_many=True), SMALL)
    assert (told.code, told.messages) == (grpc.StatusCode.RESOURCE_EXHAUSTED, (b"x",))


@pytest.mark.parametrize("compression", COMPRESSIONS)
async def test_a_compressed_request_is_answered_alike(compression: grpc.Compression) -> None:
    sent = b"compressible " * 1000
    told = await alike(unary(echo), asking(sent, compression=compression))
    assert told.messages == (sent,)


@pytest.mark.parametrize("compression", COMPRESSIONS)
async def test_a_compressed_stream_is_answered_alike(compression: grpc.Compression) -> None:
    sent = (b"compressible " * 1000, b"", b"x", b"compressible " * 9)
    told = await alike(both_ways(echo_stream), streaming(*sent, compression=compression))
    assert told.messages == sent


async def test_a_request_too_large_once_decompressed_ends_alike() -> None:
    told = await alike(unary(echo), asking(b"x" * 5000, compression=COMPRESSIONS[0]), SMALL)
    assert told.code is grpc.StatusCode.RESOURCE_EXHAUSTED

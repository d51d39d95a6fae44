"""Where our server differs from gRPC's own, on purpose.

- A unary request without a message, or with two, is INTERNAL. gRPC's own leaves the one without an
  answer, and takes the first of two.
- A unary request is answered once it has ended. gRPC's own answers at its first message; every
  client library ends it there.
- What is not of content type application/grpc gets HTTP 415, and what is no POST 405, as the
  protocol says. gRPC's own answers the one as if it were gRPC, and resets the other.
- A message that is not compressed is read whatever grpc-encoding says; one that is compressed as
  no server supports is UNIMPLEMENTED, as gRPC's compression.md says. gRPC's own: INTERNAL.
- A value that begins or ends with a blank makes its request malformed, as RFC 9113 (8.2.1) demands
  and proxies do; gRPC's own takes it.
- A request that joins the values of a binary field by commas, as the protocol allows, is read.
- A stream whose call ends before its client does is told so at the client's end, or a moment later.
  gRPC's own tells it while the client writes, and gRPC's clients then tell of an INTERNAL failure
  of their own.
- A thousand calls of a connection run and the rest waits; gRPC's own cancels some of thousands.
- A handler that ends with a CancelledError of its own is CANCELLED. gRPC's own never answers.
- Callbacks of a call past its deadline find its context done and cancelled; at gRPC's own neither.
- Metadata beyond 16 KiB are refused, and not some beyond 8 KiB.
- `grpc-message` is left out where it is empty; compressed answers are never sent.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from service.wire.frames import PROTOCOL_ERROR
from tests.conformance.wire.both import (
    DEFAULT,
    METHOD,
    Context,
    asking,
    both_ways,
    echo,
    echo_stream,
    served,
    streaming,
    unary,
    wire_server,
)
from tests.conformance.wire.raw import Reply, framed, head, raw

INTERNAL = str(grpc.StatusCode.INTERNAL.value[0])


async def replied(handler: Any, data: bytes, *more: tuple[str, str], **changed: Any) -> Reply:
    """What our server replies to one request; the fields are those of `head`."""
    async with served(wire_server, handler, DEFAULT) as own, raw(own.address) as client:
        return await client.asked(head(*more, **changed), data)


@pytest.mark.parametrize(
    "data", [b"", framed(b"a") + framed(b"b"), b"\0\0", framed(b"abc")[:-1]], ids=repr
)
async def test_a_unary_request_of_other_than_one_message_is_internal(data: bytes) -> None:
    assert (await replied(unary(echo), data)).status == INTERNAL


async def test_a_unary_request_is_answered_once_it_has_ended() -> None:
    async with served(wire_server, unary(echo), DEFAULT) as own, raw(own.address) as client:
        stream_id, reply = client.begin(head())
        client.send(stream_id, framed(b"x"))
        client.ping(b"12345678")
        while not client.pongs:
            await asyncio.sleep(0.01)
        assert not reply.is_over.is_set()
        client.send(stream_id, b"", ends=True)
        await client.over(reply)
    assert reply.data == framed(b"x")


@pytest.mark.parametrize("content_type", ["application/json", "text/html", "", None])
async def test_what_is_not_grpc_is_an_unsupported_media_type(content_type: str | None) -> None:
    reply = await replied(unary(echo), framed(b"x"), content_type=content_type)
    assert reply.headers[":status"] == "415"


@pytest.mark.parametrize("subtype", ["", "+proto", ";x=1"])
async def test_every_subtype_of_grpc_is_answered(subtype: str) -> None:
    reply = await replied(unary(echo), framed(b"x"), content_type=f"application/grpc{subtype}")
    assert reply.data == framed(b"x")


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS"])
async def test_another_method_of_http_is_not_allowed(method: str) -> None:
    reply = await replied(unary(echo), framed(b"x"), __method=method)
    assert reply.headers[":status"] == "405"


async def test_a_plain_message_of_an_unknown_encoding_is_read() -> None:
    reply = await replied(unary(echo), framed(b"x"), ("grpc-encoding", "snappy"))
    assert reply.data == framed(b"x")


@pytest.mark.parametrize("encoding", ["snappy", "br", "zstd", "", "identity,gzip"])
async def test_a_compression_that_is_not_supported_is_unimplemented(encoding: str) -> None:
    reply = await replied(unary(echo), framed(b"x", 1), ("grpc-encoding", encoding))
    supported = reply.headers["grpc-accept-encoding"]
    assert (reply.status, supported) == ("12", "identity, deflate, gzip")


@pytest.mark.parametrize("value", [" a", "a ", "\ta", " "])
async def test_a_value_with_a_blank_around_it_is_malformed(value: str) -> None:
    reply = await replied(unary(echo), framed(b"x"), ("spaces", value))
    assert reply.reset == PROTOCOL_ERROR


async def test_a_value_with_a_blank_within_it_is_taken() -> None:
    assert (await replied(unary(echo), framed(b"x"), ("spaces", "a b"))).status == "0"


async def test_values_of_a_binary_field_may_be_joined() -> None:
    async def handler(_request: bytes, context: Context) -> bytes:
        own = context.invocation_metadata() or ()
        return b"".join(bytes(value) for key, value in own if key == "x-bin")  # type: ignore[arg-type]

    assert (await replied(unary(handler), framed(b"x"), ("x-bin", "AAE,AgM="))).data == framed(
        b"\x00\x01\x02\x03"
    )


async def test_a_stream_that_is_refused_at_once_is_told_so() -> None:
    async with served(wire_server, both_ways(echo_stream), DEFAULT) as own:
        told = [await streaming(*[b"x"] * 10, path="/wire.Test/Nope")(own) for _ in range(20)]
    assert {one.code for one in told} == {grpc.StatusCode.UNIMPLEMENTED}


async def test_a_stream_that_its_handler_refuses_at_once_is_told_so() -> None:
    async def handler(_requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        await context.abort(grpc.StatusCode.UNAVAILABLE, "later")
        yield b""

    async with served(wire_server, both_ways(handler), DEFAULT) as own:
        told = [await streaming(*[b"x"] * 10)(own) for _ in range(20)]
    assert {one.code for one in told} == {grpc.StatusCode.UNAVAILABLE}


async def test_a_stream_that_goes_on_writing_is_told_all_the_same() -> None:
    async def handler(_requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        await context.abort(grpc.StatusCode.UNAVAILABLE, "later")
        yield b""

    async with served(wire_server, both_ways(handler), DEFAULT) as own, raw(own.address) as client:
        stream_id, reply = client.begin(head())
        client.send(stream_id, framed(b"x"))
        await client.over(reply)
    assert reply.status == str(grpc.StatusCode.UNAVAILABLE.value[0])


async def test_a_stream_that_never_writes_is_refused_all_the_same() -> None:
    async with (
        served(wire_server, both_ways(echo_stream), DEFAULT) as own,
        grpc.aio.insecure_channel(own.address) as channel,
    ):
        call: Any = channel.stream_stream("/wire.Test/Nope")()
        assert await call.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_thousands_of_calls_of_a_connection_are_all_answered() -> None:
    async with (
        served(wire_server, unary(echo), DEFAULT) as own,
        grpc.aio.insecure_channel(own.address) as channel,
    ):
        method: Any = channel.unary_unary(METHOD)
        sent = [b"%d" % number for number in range(3000)]
        assert list(await asyncio.gather(*map(method, sent))) == sent


async def test_a_handler_that_cancels_itself_is_cancelled() -> None:
    async def handler(_request: bytes, _context: Context) -> bytes:
        raise asyncio.CancelledError

    async with served(wire_server, unary(handler), DEFAULT) as own:
        assert (await asking(timeout=5)(own)).code is grpc.StatusCode.CANCELLED


async def test_a_handler_that_cancels_itself_leaves_the_connection_to_others() -> None:
    async def handler(requests: AsyncIterator[bytes], _context: Context) -> AsyncIterator[bytes]:
        async for message in requests:
            if message == b"cancel":
                raise asyncio.CancelledError
            yield message

    async with (
        served(wire_server, both_ways(handler), DEFAULT) as own,
        grpc.aio.insecure_channel(own.address) as channel,
    ):
        beside: Any = channel.stream_stream(METHOD)()
        await beside.write(b"before")
        await beside.read()
        other: Any = channel.stream_stream(METHOD)()
        await other.write(b"cancel")
        await other.code()
        await beside.write(b"after")
        assert await beside.read() == b"after"
        beside.cancel()

"""Metadata both ways, and what a handler knows of its call: at our server as at gRPC's own."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from tests.conformance.wire.both import (
    METHOD,
    Context,
    Served,
    alike,
    asking,
    both_ways,
    echo,
    echo_stream,
    out_stream,
    streaming,
    unary,
)

BOTH_KINDS = (("plain", "a, b;c=d"), ("some-bin", b"\x00\x01\xfe\xff"), ("empty", ""))
"""Metadata that has to come as it was."""


async def seen(_request: bytes, context: Context) -> bytes:
    """A handler: the caller's metadata, but for what names the client."""
    own = [pair for pair in context.invocation_metadata() or () if pair[0] != "user-agent"]
    return repr(sorted(map(tuple, own))).encode()


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        BOTH_KINDS,
        (("twice", "1"), ("twice", "2"), ("twice", "1")),
        (("twice-bin", b"1"), ("twice-bin", b"2")),
        (("empty-bin", b""),),
        (("bytes-bin", bytes(range(256))),),
        (("long", "x" * 4000),),
        (("grpc-retry-pushback-ms", "1"),),
        (("x-request-id", "mine"), ("authorization", "Bearer x")),
        tuple((f"many-{number}", "x" * 20) for number in range(60)),
    ],
    ids=lambda own: repr(own)[:40],
)
async def test_a_handler_sees_the_same_metadata(
    metadata: tuple[tuple[str, str | bytes], ...],
) -> None:
    told = await alike(unary(seen), asking(metadata=metadata))
    assert told.code is grpc.StatusCode.OK


async def test_a_handler_sees_metadata_at_all() -> None:
    told = await alike(unary(seen), asking(metadata=BOTH_KINDS))
    assert b"('some-bin', b'\\x00\\x01\\xfe\\xff')" in told.messages[0]


async def test_a_handler_sees_the_same_user_agent() -> None:
    async def handler(_request: bytes, context: Context) -> bytes:
        return str(dict(context.invocation_metadata() or ())["user-agent"]).encode()

    told = await alike(unary(handler), asking())
    assert told.messages[0].startswith(b"grpc-python-asyncio/")


@pytest.mark.parametrize(
    "metadata",
    [
        BOTH_KINDS,
        (("twice", "1"), ("twice", "2")),
        (("twice-bin", b"1"), ("twice-bin", b"2")),
        (("bytes-bin", bytes(range(256))),),
        (("long", "x" * 6000),),
        (("spaces", " a b "),),
    ],
    ids=lambda own: repr(own)[:40],
)
async def test_a_client_gets_the_same_metadata(
    metadata: tuple[tuple[str, str | bytes], ...],
) -> None:
    async def handler(request: bytes, context: Context) -> bytes:
        await context.send_initial_metadata(metadata)
        context.set_trailing_metadata(metadata)
        return request

    told = await alike(unary(handler), asking())
    assert (told.code, len(told.initial), len(told.trailing)) == (
        grpc.StatusCode.OK,
        len(metadata),
        len(metadata),
    )


UNSENDABLE = [
    pytest.param(("k", "\u65e5"), id="not ASCII"),
    pytest.param(("k", "\u00fc"), id="not ASCII, but Latin"),
    pytest.param(("k", "a\nb"), id="two lines"),
    pytest.param(("k", "a\tb"), id="a tab"),
    pytest.param(("k k", "x"), id="a blank in the key"),
    pytest.param((":status", "200"), id="a pseudo-field"),
    pytest.param(("", "x"), id="no key"),
]


@pytest.mark.parametrize("field", UNSENDABLE)
async def test_trailing_metadata_that_cannot_be_sent_end_a_call_alike(
    field: tuple[str, str],
) -> None:
    async def handler(request: bytes, context: Context) -> bytes:
        context.set_trailing_metadata((field,))
        return request

    told = await alike(unary(handler), asking(timeout=10))
    assert told.code is grpc.StatusCode.INTERNAL


@pytest.mark.parametrize("field", UNSENDABLE)
async def test_initial_metadata_that_cannot_be_sent_end_a_call_alike(
    field: tuple[str, str],
) -> None:
    async def handler(request: bytes, context: Context) -> bytes:
        await context.send_initial_metadata((field,))
        return request

    told = await alike(unary(handler), asking(timeout=10))
    assert told.code is grpc.StatusCode.INTERNAL


async def test_an_abort_with_metadata_that_cannot_be_sent_ends_a_call_alike() -> None:
    async def handler(_request: bytes, context: Context) -> bytes:
        await context.abort(grpc.StatusCode.NOT_FOUND, "gone", (("k", "\u65e5"),))

    told = await alike(unary(handler), asking(timeout=10))
    assert told.code is grpc.StatusCode.INTERNAL


async def test_a_stream_whose_trailing_metadata_cannot_be_sent_ends_alike() -> None:
    async def handler(request: bytes, context: Context) -> AsyncIterator[bytes]:
        yield request
        context.set_trailing_metadata((("k", "\u65e5"),))

    told = await alike(out_stream(handler), asking(gets_many=True, timeout=10))
    assert (told.code, told.messages) == (grpc.StatusCode.INTERNAL, (b"",))


@pytest.mark.parametrize("key", ["grpc-status", "grpc-message", "te", "content-type"])
async def test_the_protocols_own_fields_are_left_out_of_metadata_alike(key: str) -> None:
    async def handler(request: bytes, context: Context) -> bytes:
        await context.send_initial_metadata(((key, "3"), ("own", "1")))
        context.set_trailing_metadata(((key, "3"), ("own", "1")))
        return request

    told = await alike(unary(handler), asking())
    assert (told.code, told.trailing) == (grpc.StatusCode.OK, (("own", "1"),))


async def test_a_stream_tells_the_same_metadata() -> None:
    async def handler(request: bytes, context: Context) -> AsyncIterator[bytes]:
        await context.send_initial_metadata(BOTH_KINDS)
        yield request
        context.set_trailing_metadata(BOTH_KINDS)

    told = await alike(out_stream(handler), asking(gets_many=True))
    assert told.initial == told.trailing == BOTH_KINDS


async def test_initial_metadata_comes_alike_before_any_message_is_read() -> None:
    async def handler(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        await context.send_initial_metadata((("early", "1"),))
        async for message in requests:
            yield message

    async def ask(own: Served) -> object:
        async with grpc.aio.insecure_channel(own.address) as channel:
            call: Any = channel.stream_stream(METHOD)()
            told = tuple(await call.initial_metadata())
            await call.done_writing()
            return told, await call.read() is grpc.aio.EOF

    assert await alike(both_ways(handler), ask) == ((("early", "1"),), True)


async def test_initial_metadata_that_is_sent_twice_is_told_alike() -> None:
    async def handler(request: bytes, context: Context) -> bytes:
        await context.send_initial_metadata((("a", "1"),))
        await context.send_initial_metadata((("a", "2"),))
        return request

    told = await alike(unary(handler), asking())
    assert told.initial == (("a", "1"),)


@pytest.mark.parametrize("size", [16_384, 20_000, 40_000])
async def test_metadata_too_large_are_refused_alike(size: int) -> None:
    async def ask(own: Served) -> object:
        return (await asking(metadata=(("long", "x" * size),))(own)).code

    assert await alike(unary(echo), ask) is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_calls_in_progress_outlive_metadata_too_large_alike() -> None:
    async def ask(own: Served) -> object:
        async with grpc.aio.insecure_channel(own.address) as channel:
            beside: Any = channel.stream_stream(METHOD)()
            await beside.write(b"before")
            first = await beside.read()
            call: Any = channel.stream_stream(METHOD)(metadata=(("long", "x" * 40_000),))
            code = await call.code()
            await beside.write(b"after")
            told = first, await beside.read(), code
            beside.cancel()
            return told

    told = await alike(both_ways(echo_stream), ask)
    assert told == (b"before", b"after", grpc.StatusCode.RESOURCE_EXHAUSTED)


async def test_the_time_that_remains_is_told_alike() -> None:
    async def handler(_request: bytes, context: Context) -> bytes:
        return repr(context.time_remaining() is None).encode()

    assert (await alike(unary(handler), asking())).messages == (b"True",)


async def test_the_time_that_remains_is_below_what_was_given_alike() -> None:
    async def handler(_request: bytes, context: Context) -> bytes:
        remaining = context.time_remaining()
        return repr(remaining is not None and 50 < remaining < 61).encode()

    assert (await alike(unary(handler), asking(timeout=60))).messages == (b"True",)


async def test_the_peer_is_told_alike() -> None:
    async def handler(_request: bytes, context: Context) -> bytes:
        return context.peer().rpartition(":")[0].encode()

    assert (await alike(unary(handler), asking())).messages == (b"ipv4:127.0.0.1",)


async def test_what_is_known_of_the_peers_identity_is_told_alike() -> None:
    async def handler(_request: bytes, context: Context) -> bytes:
        known = context.peer_identities(), context.peer_identity_key()
        return repr(known).encode()

    assert (await alike(unary(handler), asking())).code is grpc.StatusCode.OK


async def test_what_was_set_is_read_back_alike() -> None:
    async def handler(_request: bytes, context: Context) -> bytes:
        before = context.code(), context.details(), context.trailing_metadata()
        context.set_trailing_metadata((("a", "1"),))
        context.set_details("why")
        after = context.details(), context.trailing_metadata()
        return repr((before, after)).encode()

    assert (await alike(unary(handler), asking())).code is grpc.StatusCode.OK


async def test_callbacks_are_called_at_the_end_alike() -> None:
    async def ask_with(own: Served) -> object:
        told = await streaming(b"x")(own)
        return told.code

    ends: list[bool] = []

    async def handler(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        own: Any = context
        own.add_done_callback(lambda _: ends.append(own.done()))
        async for message in requests:
            yield message

    await alike(both_ways(handler), ask_with)
    assert ends == [True, True]

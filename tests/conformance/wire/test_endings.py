"""How a call ends: for a client the same at our server as at gRPC's own."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from tests.conformance.wire.both import (
    Context,
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

TEXTS = (
    "",
    "plain",
    "grüße, 日本 \U0001f383",
    "100 % of\r\n\ttabs\x00\x7f",
    "%41",
    " edge ",
    "x" * 5000,
)
"""Details of a status that have to come as they were."""


async def test_a_unary_call_is_answered_alike() -> None:
    told = await alike(unary(echo), asking(b"hello"))
    assert (told.code, told.messages) == (grpc.StatusCode.OK, (b"hello",))


async def test_an_empty_message_is_answered_alike() -> None:
    assert (await alike(unary(echo), asking(b""))).messages == (b"",)


async def test_a_stream_both_ways_is_answered_alike() -> None:
    sent = tuple(bytes([number]) * number * 100 for number in range(50))
    assert (await alike(both_ways(echo_stream), streaming(*sent))).messages == sent


async def test_a_stream_without_messages_is_answered_alike() -> None:
    assert (await alike(both_ways(echo_stream), streaming())).code is grpc.StatusCode.OK


async def test_a_stream_out_is_answered_alike() -> None:
    async def handler(request: bytes, _context: Context) -> AsyncIterator[bytes]:
        for _ in range(3):
            yield request

    assert (await alike(out_stream(handler), asking(b"x", gets_many=True))).messages == (b"x",) * 3


async def test_a_stream_out_by_writing_is_answered_alike() -> None:
    async def handler(request: bytes, context: Context) -> None:
        await context.write(request)
        await context.write(request)

    assert (await alike(out_stream(handler), asking(b"x", gets_many=True))).messages == (b"x",) * 2


async def test_a_stream_in_is_answered_alike() -> None:
    async def handler(requests: AsyncIterator[bytes], _context: Context) -> bytes:
        return b"".join([own async for own in requests])

    assert (await alike(in_stream(handler), streaming(b"a", b"b", gets_many=False))).messages == (
        b"ab",
    )


async def test_a_stream_in_by_reading_is_answered_alike() -> None:
    async def handler(_requests: AsyncIterator[bytes], context: Context) -> bytes:
        read: list[Any] = [await context.read()]
        while read[-1] is not grpc.aio.EOF:
            read.append(await context.read())
        return b"".join(read[:-1])

    assert (await alike(in_stream(handler), streaming(b"a", b"b", gets_many=False))).messages == (
        b"ab",
    )


@pytest.mark.parametrize("path", ["/wire.Test/Nope", "/wire.Nope/Call", "/nope", "/", "//"])
async def test_an_unknown_method_is_refused_alike(path: str) -> None:
    told = await alike(unary(echo), asking(b"x", path=path))
    assert (told.code, told.details) == (grpc.StatusCode.UNIMPLEMENTED, "Method not found!")


@pytest.mark.parametrize("code", [own for own in grpc.StatusCode if own is not grpc.StatusCode.OK])
async def test_every_status_is_told_alike(code: grpc.StatusCode) -> None:
    async def handler(_request: bytes, context: Context) -> bytes:
        await context.abort(code, "why")

    assert (await alike(unary(handler), asking())).code is code


@pytest.mark.parametrize("text", TEXTS, ids=repr)
async def test_details_come_alike(text: str) -> None:
    async def handler(_request: bytes, context: Context) -> bytes:
        await context.abort(grpc.StatusCode.ABORTED, text)

    assert (await alike(unary(handler), asking())).details == text


async def test_an_abort_tells_its_metadata_alike() -> None:
    async def handler(_request: bytes, context: Context) -> bytes:
        await context.abort(grpc.StatusCode.ABORTED, "why", (("a", "1"), ("b-bin", b"\0\xff")))

    told = await alike(unary(handler), asking())
    assert told.trailing == (("a", "1"), ("b-bin", b"\0\xff"))


async def test_an_abort_keeps_what_was_set_alike() -> None:
    async def handler(_request: bytes, context: Context) -> bytes:
        context.set_trailing_metadata((("set", "before"),))
        await context.abort(grpc.StatusCode.ABORTED, "why")

    assert (await alike(unary(handler), asking())).trailing == (("set", "before"),)


async def test_an_abort_after_the_initial_metadata_is_told_alike() -> None:
    async def handler(_request: bytes, context: Context) -> bytes:
        await context.send_initial_metadata((("early", "1"),))
        await context.abort(grpc.StatusCode.ABORTED, "why")

    assert ("early", "1") in (await alike(unary(handler), asking())).initial


async def test_an_abort_after_messages_is_told_alike() -> None:
    async def handler(_request: bytes, context: Context) -> AsyncIterator[bytes]:
        yield b"first"
        await context.abort(grpc.StatusCode.ABORTED, "why")

    told = await alike(out_stream(handler), asking(gets_many=True))
    assert (told.code, told.messages) == (grpc.StatusCode.ABORTED, (b"first",))


async def test_an_abort_of_a_stream_in_is_told_alike() -> None:
    async def handler(requests: AsyncIterator[bytes], context: Context) -> bytes:
        await anext(requests)
        await context.abort(grpc.StatusCode.ABORTED, "why")

    assert (
        await alike(in_stream(handler), streaming(b"a", gets_many=False))
    ).code is grpc.StatusCode.ABORTED


async def test_rich_details_are_told_alike() -> None:
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="k", description="grüße")
    packed = Packed()
    packed.Pack(bad)
    status = status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message="why", details=[packed])

    async def handler(_request: bytes, context: Context) -> bytes:
        await context.abort_with_status(rpc_status.to_status(status))

    told = await alike(unary(handler), asking())
    assert dict(told.trailing)["grpc-status-details-bin"] == status.SerializeToString()


async def test_a_pushback_is_told_alike() -> None:
    async def handler(_request: bytes, context: Context) -> bytes:
        pushback = (("grpc-retry-pushback-ms", "100"),)
        await context.abort(grpc.StatusCode.UNAVAILABLE, "later", pushback)

    told = await alike(unary(handler), asking())
    assert told.trailing == (("grpc-retry-pushback-ms", "100"),)


async def test_a_handler_that_raises_is_told_alike() -> None:
    async def handler(_request: bytes, _context: Context) -> bytes:
        raise ArithmeticError("inner")

    assert (await alike(unary(handler), asking())).code is grpc.StatusCode.UNKNOWN


async def test_a_stream_handler_that_raises_is_told_alike() -> None:
    async def handler(_request: bytes, _context: Context) -> AsyncIterator[bytes]:
        yield b"first"
        raise ArithmeticError("inner")

    told = await alike(out_stream(handler), asking(gets_many=True))
    assert (told.code, told.messages) == (grpc.StatusCode.UNKNOWN, (b"first",))


async def test_a_handler_that_raises_after_setting_a_code_is_told_alike() -> None:
    async def handler(_request: bytes, context: Context) -> bytes:
        context.set_code(grpc.StatusCode.NOT_FOUND)
        context.set_details("set")
        context.set_trailing_metadata((("a", "1"),))
        raise ArithmeticError("inner")

    assert (await alike(unary(handler), asking())).code is not grpc.StatusCode.OK


async def test_a_code_that_was_set_is_told_alike() -> None:
    async def handler(request: bytes, context: Context) -> bytes:
        context.set_code(grpc.StatusCode.NOT_FOUND)
        context.set_details("set")
        return request

    told = await alike(unary(handler), asking(b"x"))
    assert (told.code, told.details) == (grpc.StatusCode.NOT_FOUND, "set")


async def test_details_beside_an_ok_are_told_alike() -> None:
    async def handler(request: bytes, context: Context) -> bytes:
        context.set_details("set")
        return request

    assert (await alike(unary(handler), asking(b"x"))).code is grpc.StatusCode.OK


async def test_a_code_that_was_set_in_a_stream_is_told_alike() -> None:
    async def handler(_request: bytes, context: Context) -> AsyncIterator[bytes]:
        yield b"first"
        context.set_code(grpc.StatusCode.NOT_FOUND)
        context.set_details("set")

    told = await alike(out_stream(handler), asking(gets_many=True))
    assert (told.code, told.details) == (grpc.StatusCode.NOT_FOUND, "set")


async def test_a_swallowed_abort_is_told_alike() -> None:
    async def handler(request: bytes, context: Context) -> bytes:
        try:
            await context.abort(grpc.StatusCode.ABORTED, "why")
        except grpc.aio.AbortError:
            return request

    assert (await alike(unary(handler), asking(b"x"))).code is grpc.StatusCode.ABORTED


async def test_a_handler_that_is_no_coroutine_is_answered_alike() -> None:
    def handler(request: bytes, _context: Context) -> bytes:
        return request

    assert (await alike(unary(handler), asking(b"x"))).messages == (b"x",)


@pytest.mark.parametrize("which", ["request_deserializer", "response_serializer"])
async def test_a_serialiser_that_raises_is_told_alike(which: str) -> None:
    def broken(_message: bytes) -> bytes:
        raise ArithmeticError("inner")

    handler = grpc.unary_unary_rpc_method_handler(echo, **{which: broken})
    assert (await alike(handler, asking(b"x"))).code is not grpc.StatusCode.OK

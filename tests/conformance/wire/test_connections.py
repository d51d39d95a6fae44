"""Connections that live long, end, and are drained: for a client the same at both servers."""

import asyncio
from typing import Any

import grpc
import pytest

from service.wire.server import WireServer
from tests.conformance.wire.both import (
    DEFAULT,
    METHOD,
    Context,
    Options,
    Served,
    alike,
    both_ways,
    echo,
    echo_stream,
    grpcio_server,
    served,
    unary,
    wire_server,
)

PINGING = (
    ("grpc.keepalive_time_ms", 100),
    ("grpc.keepalive_timeout_ms", 1000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)
"""A client that pings often, calls or none."""


async def test_a_client_that_pings_keeps_its_stream() -> None:
    async def ask(own: Served) -> object:
        async with grpc.aio.insecure_channel(own.address, PINGING) as channel:
            call: Any = channel.stream_stream(METHOD)()
            for _ in range(3):
                await call.write(b"x")
                await call.read()
                await asyncio.sleep(0.3)
            await call.done_writing()
            return await call.code()

    assert await alike(both_ways(echo_stream), ask) is grpc.StatusCode.OK


async def test_a_client_that_pings_without_calls_is_answered_later() -> None:
    async def ask(own: Served) -> object:
        async with grpc.aio.insecure_channel(own.address, PINGING) as channel:
            call: Any = channel.unary_unary(METHOD)
            await call(b"x")
            await asyncio.sleep(1)
            return await call(b"y")

    assert await alike(unary(echo), ask) == b"y"


async def test_a_connection_past_its_age_finishes_its_calls() -> None:
    async def ask(own: Served) -> object:
        async with grpc.aio.insecure_channel(own.address) as channel:
            call: Any = channel.stream_stream(METHOD)()
            await call.write(b"x")
            first = await call.read()
            await asyncio.sleep(1)
            await call.write(b"y")
            second = await call.read()
            await call.done_writing()
            return first, second, await call.code()

    told = await alike(both_ways(echo_stream), ask, Options(max_connection_age_s=0.3))
    assert told == (b"x", b"y", grpc.StatusCode.OK)


async def test_callers_in_a_loop_notice_nothing_of_ages() -> None:
    async def ask(own: Served) -> object:
        async with grpc.aio.insecure_channel(own.address) as channel:
            call: Any = channel.unary_unary(METHOD)
            loop = asyncio.get_running_loop()
            end, peers = loop.time() + 1.5, set()
            while loop.time() < end:
                peers.add(await call(b"x"))
                await asyncio.sleep(0.01)
            return len(peers) > 2

    async def peer(_request: bytes, context: Context) -> bytes:
        return context.peer().encode()

    assert await alike(unary(peer), ask, Options(max_connection_age_s=0.2))


async def test_a_stopping_server_finishes_its_calls() -> None:
    begun = asyncio.Event()

    async def slow(request: bytes, _context: Context) -> bytes:
        begun.set()
        await asyncio.sleep(0.3)
        return request

    async def ask(own: Served) -> object:
        begun.clear()
        async with grpc.aio.insecure_channel(own.address) as channel:
            method: Any = channel.unary_unary(METHOD)
            running = asyncio.ensure_future(method(b"x"))
            await begun.wait()
            await own.server.stop(5)
            return await running

    assert await alike(unary(slow), ask) == b"x"


async def test_a_call_to_a_stopping_server_is_unavailable() -> None:
    begun, goes = asyncio.Event(), asyncio.Event()

    async def slow(request: bytes, _context: Context) -> bytes:
        begun.set()
        await goes.wait()
        return request

    async def ask(own: Served) -> object:
        begun.clear()
        goes.clear()
        async with grpc.aio.insecure_channel(own.address) as channel:
            method: Any = channel.unary_unary(METHOD)
            running = asyncio.ensure_future(method(b"x"))
            await begun.wait()
            stopping = asyncio.ensure_future(own.server.stop(5))
            await asyncio.sleep(0.1)
            late = method(b"y")
            code = await late.code()
            goes.set()
            await stopping
            return await running, code

    assert await alike(unary(slow), ask) == (b"x", grpc.StatusCode.UNAVAILABLE)


async def test_a_stop_without_grace_cancels_its_calls() -> None:
    begun = asyncio.Event()
    ends: list[str] = []

    async def slow(request: bytes, _context: Context) -> bytes:
        begun.set()
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise
        return request

    async def ask(own: Served) -> object:
        begun.clear()
        async with grpc.aio.insecure_channel(own.address) as channel:
            method: Any = channel.unary_unary(METHOD)
            running = method(b"x")
            await begun.wait()
            await own.server.stop(0.2)
            code = await running.code()
            return code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)

    assert await alike(unary(slow), ask)
    assert ends == ["cancelled", "cancelled"]


@pytest.mark.parametrize("make", [grpcio_server, wire_server])
async def test_who_waits_for_a_server_finds_it(make: Any) -> None:
    async with served(make, unary(echo), DEFAULT) as own:
        address = own.address
    async with grpc.aio.insecure_channel(
        address, [("grpc.initial_reconnect_backoff_ms", 100)]
    ) as channel:
        method: Any = channel.unary_unary(METHOD)
        running = asyncio.ensure_future(method(b"x", wait_for_ready=True, timeout=20))
        await asyncio.sleep(0.3)
        again = make(DEFAULT)
        handlers = grpc.method_handlers_generic_handler("wire.Test", {"Call": unary(echo)})
        again.add_generic_rpc_handlers((handlers,))
        again.add_insecure_port(address)
        await again.start()
        assert await running == b"x"
        await again.stop(0)


async def test_who_does_not_wait_is_told_that_nobody_is_there() -> None:
    async def ask(own: Served) -> object:
        await own.server.stop(0)
        async with grpc.aio.insecure_channel(own.address) as channel:
            method: Any = channel.unary_unary(METHOD)
            return await method(b"x").code()

    assert await alike(unary(echo), ask) is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
async def test_an_address_is_bound_alike(host: str) -> None:
    for make in (grpcio_server, wire_server):
        server: Any = make(DEFAULT)
        handlers = grpc.method_handlers_generic_handler("wire.Test", {"Call": unary(echo)})
        server.add_generic_rpc_handlers((handlers,))
        port = server.add_insecure_port(f"{host}:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"{host}:{port}") as channel:
            method: Any = channel.unary_unary(METHOD)
            assert await method(b"x") == b"x"
        await server.stop(0)


async def test_a_port_in_use_is_told_alike() -> None:
    async def ask(own: Served) -> bool:
        second: Any = (wire_server if isinstance(own.server, WireServer) else grpcio_server)(
            DEFAULT
        )
        with pytest.raises(RuntimeError):
            second.add_insecure_port(own.address)
        return True

    assert await alike(unary(echo), ask)


async def test_a_thousand_calls_at_once_are_answered() -> None:
    async def ask(own: Served) -> bool:
        async with grpc.aio.insecure_channel(own.address) as channel:
            method: Any = channel.unary_unary(METHOD)
            sent = [b"%d" % number for number in range(1000)]
            return list(await asyncio.gather(*map(method, sent))) == sent

    assert await alike(unary(echo), ask)


async def test_many_channels_are_answered() -> None:
    async def once(own: Served, number: int) -> bytes:
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(own.address, options) as channel:
            method: Any = channel.unary_unary(METHOD)
            return bytes(await method(b"%d" % number))

    async def ask(own: Served) -> list[bytes]:
        return list(await asyncio.gather(*(once(own, number) for number in range(50))))

    assert await alike(unary(echo), ask) == [b"%d" % number for number in range(50)]


RETRYING = """{"methodConfig": [{"name": [{}], "retryPolicy": {
    "maxAttempts": 3, "initialBackoff": "9s", "maxBackoff": "9s", "backoffMultiplier": 1,
    "retryableStatusCodes": ["UNAVAILABLE"]}}]}"""
"""A client that tries again, by itself only after long."""


async def test_a_client_tries_again_when_it_is_told_to() -> None:
    attempts: list[str] = []

    async def handler(request: bytes, context: Context) -> bytes:
        own = dict(context.invocation_metadata() or ())
        attempts.append(str(own.get("grpc-previous-rpc-attempts", "0")))
        if len(attempts) < 3:
            pushback = (("grpc-retry-pushback-ms", "10"),)
            await context.abort(grpc.StatusCode.UNAVAILABLE, "later", pushback)
        return request

    async def ask(own: Served) -> object:
        attempts.clear()
        options = [("grpc.service_config", RETRYING)]
        async with grpc.aio.insecure_channel(own.address, options) as channel:
            method: Any = channel.unary_unary(METHOD)
            return await method(b"x", timeout=8), [*attempts]

    assert await alike(unary(handler), ask) == (b"x", ["0", "1", "2"])


async def test_a_client_gives_up_when_it_is_told_to() -> None:
    attempts = [0]

    async def handler(_request: bytes, context: Context) -> bytes:
        attempts[0] += 1
        pushback = (("grpc-retry-pushback-ms", "-1"),)
        await context.abort(grpc.StatusCode.UNAVAILABLE, "never", pushback)

    async def ask(own: Served) -> object:
        attempts[0] = 0
        options = [("grpc.service_config", RETRYING)]
        async with grpc.aio.insecure_channel(own.address, options) as channel:
            method: Any = channel.unary_unary(METHOD)
            return await method(b"x", timeout=8).code(), attempts[0]

    assert await alike(unary(handler), ask) == (grpc.StatusCode.UNAVAILABLE, 1)

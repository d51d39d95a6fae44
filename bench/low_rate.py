"""Few calls at a low rate: what a lone caller waits for, ours with and without Nagle's algorithm.

    python -m bench.low_rate [--seconds S] [--repetitions N]

Each server is a process of its own whose handlers do nothing but wait for 2 ms, about what a run of
the model takes; by turns: ours, ours without TCP_NODELAY (as it was until connections had it), and
gRPC's asyncio server. One connection of a gRPC client, one kind of call at a time: streams of five
messages one after the other, talks of three messages each way, and unary calls in an open loop of
100 a second. Milliseconds, medians of the repetitions.
"""

import argparse
import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from statistics import median, quantiles
from typing import Any, Final

import grpc
from rich.console import Console
from rich.table import Table

from service.wire.protocol import WireProtocol
from service.wire.server import WireServer

SERVERS: Final = ("ours", "ours, delayed", "gRPC's")
REPLY: Final = bytes(700)
RUN_S: Final = 0.002
"""What a handler waits."""
RATE: Final = 100
"""Unary calls a second."""
MAX_MESSAGE_BYTES: Final = 2**22


class Delayed(WireServer):
    """Ours, with Nagle's algorithm on."""

    def _protocol(self) -> WireProtocol:
        return _Delaying(self)


class _Delaying(WireProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Switches it on, whatever was set before."""
        super().connection_made(transport)
        own: socket.socket = transport.get_extra_info("socket")
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)


async def _unary(_request: bytes, _context: object) -> bytes:
    await asyncio.sleep(RUN_S)
    return REPLY


async def _stream(_request: bytes, _context: object) -> AsyncIterator[bytes]:
    for _ in range(5):
        await asyncio.sleep(RUN_S / 5)
        yield REPLY


async def _talk(requests: AsyncIterator[bytes], _context: object) -> AsyncIterator[bytes]:
    async for _ in requests:
        yield REPLY


async def serve(name: str) -> None:
    """Serves until stdin ends; prints the port."""
    handlers: dict[str, Any] = {
        "Unary": grpc.unary_unary_rpc_method_handler(_unary),
        "Stream": grpc.unary_stream_rpc_method_handler(_stream),
        "Talk": grpc.stream_stream_rpc_method_handler(_talk),
    }
    make = {"ours": WireServer, "ours, delayed": Delayed}.get(name)
    server: Any = make(max_message_bytes=MAX_MESSAGE_BYTES) if make else grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Low", handlers),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(0)


Times = list[float]
"""Seconds of each call."""


async def _timed(call: Callable[[], Awaitable[object]], times: Times) -> None:
    begun = time.perf_counter()
    await call()
    times.append(time.perf_counter() - begun)


async def streams(channel: grpc.aio.Channel, seconds: float) -> Times:
    """Streams of five messages, one after the other."""
    method: Any = channel.unary_stream("/bench.Low/Stream")

    async def once() -> None:
        async for _ in method(bytes(300)):
            pass

    return await _one_by_one(once, seconds)


async def talks(channel: grpc.aio.Channel, seconds: float) -> Times:
    """Talks of three messages each way, one after the other."""
    method: Any = channel.stream_stream("/bench.Low/Talk")

    async def once() -> None:
        call = method()
        for _ in range(3):
            await call.write(bytes(300))
            await call.read()
        await call.done_writing()
        await call.code()

    return await _one_by_one(once, seconds)


async def _one_by_one(once: Callable[[], Awaitable[object]], seconds: float) -> Times:
    times: Times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        await _timed(once, times)
    return times


async def unary(channel: grpc.aio.Channel, seconds: float) -> Times:
    """Unary calls at `RATE`, whether those before have ended or not."""
    method: Any = channel.unary_unary("/bench.Low/Unary")
    times: Times = []
    async with asyncio.TaskGroup() as calls:
        for _ in range(round(seconds * RATE)):
            calls.create_task(_timed(lambda: method(bytes(300)), times))
            await asyncio.sleep(1 / RATE)
    return times


KINDS: Final = {
    "stream of five messages": streams,
    "talk of three messages": talks,
    "unary, 100 a second": unary,
}


async def measured(name: str, seconds: float) -> dict[str, tuple[float, float]]:
    """p50 and p90 of each kind of call, ms, of one server in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.low_rate", "--serve", name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        port = int(process.stdout.readline()) if process.stdout else 0
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            told = {}
            for kind, run in KINDS.items():
                await run(channel, 0.2)  # warm
                tenths = quantiles(await run(channel, seconds), n=10)
                told[kind] = 1e3 * tenths[4], 1e3 * tenths[8]
        if process.stdin:
            process.stdin.close()
    return told


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--serve", choices=SERVERS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve(given.serve))
        return
    runs = [
        {name: asyncio.run(measured(name, given.seconds)) for name in SERVERS}
        for _ in range(given.repetitions)
    ]
    table = Table("p50, p90 in ms", *SERVERS)
    for kind in KINDS:
        cells = (
            ", ".join(f"{median(run[name][kind][at] for run in runs):.1f}" for at in (0, 1))
            for name in SERVERS
        )
        table.add_row(kind, *cells)
    Console().print(table)


if __name__ == "__main__":
    main()

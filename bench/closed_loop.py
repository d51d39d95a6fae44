"""A closed-loop load generator: so many calls in flight, for so long. Run as its own process.

    python -m bench.closed_loop ADDRESS METHOD REQUESTS_FILE IN_FLIGHT SECONDS

Messages are bytes on both sides, so that the generator costs as little as a Python client can; it
still costs about what an empty handler does, and on two cores it has the second one to itself.
"""

import asyncio
import json
import sys
import time
from itertools import cycle
from pathlib import Path

import grpc
import numpy as np

WARM_UP_SHARE = 0.2
"""Of the run, not counted."""


async def closed_loop(
    address: str, method: str, requests: list[bytes], in_flight: int, seconds: float
) -> dict[str, float]:
    """Answered calls per second, refused calls, and latency in milliseconds."""
    latencies: list[float] = []
    refused = 0
    start = time.perf_counter()
    counted_from, end = start + WARM_UP_SHARE * seconds, start + seconds
    supply = cycle(requests)

    async def caller(call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]) -> None:
        nonlocal refused
        while (sent := time.perf_counter()) < end:
            try:
                await call(next(supply))
            except grpc.aio.AioRpcError:
                refused += 1
                continue
            if sent >= counted_from:
                latencies.append(time.perf_counter() - sent)

    async with grpc.aio.insecure_channel(address) as channel:
        await channel.channel_ready()
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
        await asyncio.gather(*(caller(call) for _ in range(in_flight)))
    p50, p99 = np.percentile(latencies, [50, 99]) * 1e3
    rate = len(latencies) / (time.perf_counter() - counted_from)
    return {"per_s": rate, "refused": refused, "p50_ms": float(p50), "p99_ms": float(p99)}


def main() -> None:
    """Prints the result as JSON."""
    address, method, file, in_flight, seconds = sys.argv[1:]
    requests = json.loads(Path(file).read_text())
    encoded = [bytes.fromhex(text) for text in requests]
    result = asyncio.run(closed_loop(address, method, encoded, int(in_flight), float(seconds)))
    print(json.dumps(result))


if __name__ == "__main__":
    main()

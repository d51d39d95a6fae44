"""A closed-loop load generator: so many calls in flight, for so long. Run as its own process.

    python -m bench.closed_loop ADDRESS METHOD REQUESTS_FILE IN_FLIGHT SECONDS

Messages are bytes on both sides, so that the generator costs as little as a Python client can; what
that is it prints too, as processor time per call. It fails where no call was answered.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import grpc
import numpy as np

WARM_UP_SHARE = 0.2
"""Of the run, not counted."""

Call = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]


class NothingAnswered(Exception):
    """A rate of refusals is no rate."""

    def __init__(self, refused: int) -> None:
        super().__init__(f"no call was answered, {refused} were refused")


class ClosedLoop:
    """One run's clock and counts."""

    def __init__(self, seconds: float) -> None:
        start = time.perf_counter()
        self.counted_from = start + WARM_UP_SHARE * seconds
        self.end = start + seconds
        self.own_start_s = time.process_time()
        self.latencies: list[float] = []
        """In seconds, of the answers after the warm-up."""
        self.calls = 0
        self.refused = 0

    async def caller(self, call: Call, requests: Iterator[bytes]) -> None:
        """Calls, each call after the answer of the one before, until the end."""
        while (sent := time.perf_counter()) < self.end:
            self.calls += 1
            try:
                await call(next(requests))
            except grpc.aio.AioRpcError:
                self.refused += 1
                continue
            if (now := time.perf_counter()) >= self.counted_from:
                self.latencies.append(now - sent)

    def result(self) -> dict[str, float]:
        """Answers a second, refused calls, latency, and the generator's own time per call.

        Raises:
            NothingAnswered: every call was refused.
        """
        counted_s = time.perf_counter() - self.counted_from
        own_s = time.process_time() - self.own_start_s
        if not self.latencies:
            raise NothingAnswered(self.refused)
        p50, p99 = np.percentile(self.latencies, [50, 99]) * 1e3
        return {
            "per_s": len(self.latencies) / counted_s,
            "calls": self.calls,
            "refused": self.refused,
            "p50_ms": float(p50),
            "p99_ms": float(p99),
            "client_ms": own_s / self.calls * 1e3,
        }


async def closed_loop(
    address: str, method: str, requests: list[bytes], in_flight: int, seconds: float
) -> dict[str, float]:
    """What `ClosedLoop.result` says of one run; the clock starts once the channel is open."""
    async with grpc.aio.insecure_channel(address) as channel:
        await channel.channel_ready()
        call: Call = channel.unary_unary(method)
        loop, supply = ClosedLoop(seconds), cycle(requests)
        await asyncio.gather(*(loop.caller(call, supply) for _ in range(in_flight)))
        return loop.result()


def main() -> None:
    """Prints the result as JSON."""
    address, method, file, in_flight, seconds = sys.argv[1:]
    requests = json.loads(Path(file).read_text())
    encoded = [bytes.fromhex(text) for text in requests]
    try:
        result = asyncio.run(closed_loop(address, method, encoded, int(in_flight), float(seconds)))
    except NothingAnswered as fault:
        sys.exit(str(fault))
    print(json.dumps(result))


if __name__ == "__main__":
    main()

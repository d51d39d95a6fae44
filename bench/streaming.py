"""A load generator of one stream: messages as fast as the service reads. Run as its own process.

    python -m bench.streaming ADDRESS MESSAGES_FILE SECONDS

Requests are bytes; replies are read far enough to count their results.
"""

import asyncio
import json
import sys
import time
from itertools import cycle
from pathlib import Path

import grpc
from steerrec.v1 import recommender_pb2

from bench.closed_loop import WARM_UP_SHARE

METHOD = "/steerrec.v1.RecommenderService/StreamRecommend"

Messages = grpc.aio.StreamStreamMultiCallable[bytes, bytes]


class OneStream:
    """One run's clock and counts."""

    def __init__(self, seconds: float) -> None:
        start = time.perf_counter()
        self._counted_from = start + WARM_UP_SHARE * seconds
        self._end = start + seconds
        self._own_start_s = time.process_time()
        self._counted = self._answered = self._refused = 0

    async def run(self, call: Messages, messages: list[bytes]) -> None:
        """Writes until the end, and reads to the end."""
        stream, supply = call(), cycle(messages)

        async def write() -> None:
            while time.perf_counter() < self._end:
                await stream.write(next(supply))
            await stream.done_writing()

        writing = asyncio.create_task(write())
        async for reply in stream:
            self._count(reply)
        await writing

    def _count(self, reply: bytes) -> None:
        results = recommender_pb2.StreamRecommendResponse.FromString(reply).results
        refused = sum(own.HasField("error") for own in results)
        self._answered += len(results)
        self._refused += refused
        if self._counted_from <= time.perf_counter() < self._end:
            self._counted += len(results) - refused

    def result(self) -> dict[str, float]:
        """Answers a second, all results, refused ones, and the generator's own time for each."""
        own_s = time.process_time() - self._own_start_s
        return {
            "per_s": self._counted / (self._end - self._counted_from),
            "calls": self._answered,
            "refused": self._refused,
            "client_ms": own_s / self._answered * 1e3,
        }


async def stream(address: str, messages: list[bytes], seconds: float) -> dict[str, float]:
    """What `OneStream.result` says of one run; the clock starts once the channel is open."""
    async with grpc.aio.insecure_channel(address) as channel:
        await channel.channel_ready()
        call: Messages = channel.stream_stream(METHOD)
        own = OneStream(seconds)
        await own.run(call, messages)
        return own.result()


def main() -> None:
    """Prints the result as JSON."""
    address, file, seconds = sys.argv[1:]
    messages = [bytes.fromhex(text) for text in json.loads(Path(file).read_text())]
    print(json.dumps(asyncio.run(stream(address, messages, float(seconds)))))


if __name__ == "__main__":
    main()

"""What our own HTTP/2 costs a unary call: microseconds of one thread's processor time.

    python -m bench.wire_cost [--calls N] [--repetitions N]

In memory, without sockets: bytes of requests (600 bytes of data) go into a connection, bytes of
answers (700) come out. Beside it what the fields of such a request cost in the hpack library and in
our own reader. A deadline that differs makes every header block a new one. The least of the
repetitions: a hot loop's cost, to which a real process adds its cold caches.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from time import thread_time

from hpack import Decoder, Encoder
from rich.console import Console
from rich.table import Table

from service.wire import frames
from service.wire.blocks import BlockReader
from service.wire.connection import MAX_HEADER_BYTES, Connection
from service.wire.headers import Fields
from service.wire.messages import framed
from service.wire.metadata import RESPONSE_BLOCK, CallHead, call_head, trailers_block
from service.wire.stream import Stream

ASKED, ANSWERED = framed(bytes(595)), framed(bytes(695))
TRAILERS = trailers_block()
FIELDS = [
    *((":method", "POST"), (":scheme", "http"), (":path", "/steerrec.v1.Recommender/Recommend")),
    *((":authority", "127.0.0.1:50051"), ("content-type", "application/grpc")),
    *(("user-agent", "grpc-go/1.70.0"), ("te", "trailers"), ("x-tenant", "shop")),
]
START = frames.PREFACE + frames.settings({frames.INITIAL_WINDOW_SIZE: frames.MOST_WINDOW})
ALL = frames.window_update(0, frames.MOST_WINDOW - frames.DEFAULT_WINDOW)


class Answering:
    """Answers every request at once."""

    def __init__(self) -> None:
        self.connection: Connection[CallHead] = Connection(self)
        self.connection.receive(START + ALL)

    def head(self, fields: Fields) -> CallHead:
        """As the server makes it."""
        return call_head(fields)

    def begun(self, stream: Stream, head: CallHead, *, is_ended: bool) -> None:
        """Nothing: data follows."""

    def data(self, stream: Stream, _data: bytes, *, is_ended: bool) -> None:
        """Answers at the end."""
        if is_ended:
            self.connection.respond(stream, RESPONSE_BLOCK, ANSWERED, TRAILERS)

    def reset(self, stream: Stream) -> None:
        """Nothing."""

    def flushed(self, stream: Stream) -> None:
        """Nothing."""


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=4096)
    parser.add_argument("--repetitions", type=int, default=9)
    given = parser.parse_args()
    table = Table("us a call", "deadlines alike", "deadlines that differ")
    for name, run in RUNS.items():
        own = [
            min(run(blocks_of(given.calls, is_alike=is_alike)) for _ in range(given.repetitions))
            for is_alike in (True, False)
        ]
        table.add_row(name, *(f"{1e6 * seconds / given.calls:.1f}" for seconds in own))
    Console().print(table)


def blocks_of(n_calls: int, *, is_alike: bool) -> list[bytes]:
    """Header blocks of one client, each after the one before."""
    encoder = Encoder()
    deadlines = ("100m" if is_alike else f"{9_999_999 - 37 * at}u" for at in range(n_calls))
    return [bytes(encoder.encode([*FIELDS, ("grpc-timeout", own)])) for own in deadlines]


def whole(blocks: Sequence[bytes], at_once: int) -> float:
    """Seconds for all calls, of which so many come in one piece."""
    requests = [
        frames.headers(number, block, ends=False)
        + frames.frame(frames.DATA, frames.END_STREAM, number, ASKED)
        for number, block in zip(range(1, 2 * len(blocks), 2), blocks, strict=True)
    ]
    pieces = [b"".join(requests[at : at + at_once]) for at in range(0, len(requests), at_once)]
    own = Answering().connection
    begun = thread_time()
    for piece in pieces:
        own.receive(piece)
        own.out.clear()
    return thread_time() - begun


def our_reader(blocks: Sequence[bytes]) -> float:
    """Seconds for the fields of all calls."""
    reader = BlockReader(MAX_HEADER_BYTES)
    begun = thread_time()
    for block in blocks:
        reader.fields(block)
    return thread_time() - begun


def library(blocks: Sequence[bytes]) -> float:
    """Seconds for the same with the hpack library."""
    decoder = Decoder(MAX_HEADER_BYTES)
    begun = thread_time()
    for block in blocks:
        decoder.decode(block, raw=True)
    return thread_time() - begun


RUNS: dict[str, Callable[[Sequence[bytes]], float]] = {
    "a call, 64 in one piece": partial(whole, at_once=64),
    "a call, each in its own piece": partial(whole, at_once=1),
    "its fields, our reader": our_reader,
    "its fields, the hpack library": library,
}


if __name__ == "__main__":
    main()

"""Rules of HTTP/2 and HPACK by section, as frames of gRPC requests over a socket.

The cases are those of h2spec that fit gRPC, whose requests are POSTs, and some more. The test at
the end runs h2spec itself where it is on the PATH.
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterable
from typing import Final, NamedTuple

import pytest

from service.wire import frames
from service.wire.frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    HAS_PRIORITY,
    HEAD,
    HEAD_BYTES,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_SIZE,
    MOST_WINDOW,
    PADDED,
    PREFACE,
    SETTINGS,
    frame,
    window_update,
)
from service.wire.headers import encoded
from tests.conformance.wire.both import DEFAULT, echo, served, unary, wire_server
from tests.conformance.wire.raw import framed, head

PING_DATA: Final = b"the last"
PING: Final = frame(frames.PING, 0, 0, PING_DATA)
MESSAGE: Final = framed(b"asked")
FULL: Final = bytes(16_384)
PROTOCOL, FLOW, CLOSED, SIZE, COMPRESSION, CALM = (
    *(frames.PROTOCOL_ERROR, frames.FLOW_CONTROL_ERROR, frames.STREAM_CLOSED),
    *(frames.FRAME_SIZE_ERROR, frames.COMPRESSION_ERROR, frames.ENHANCE_YOUR_CALM),
)


NEEDS_ANOTHER_METHOD: Final = {
    "Sends a WINDOW_UPDATE frame on half-closed (remote) stream",
    "Sends a PRIORITY frame on half-closed (remote) stream",
    "Sends HEADERS frames that causes their advertised concurrent stream limit to be exceeded",
}
"""Cases that expect data in the answer to a GET, or requests that stay open."""


class Outcome(NamedTuple):
    """What a client is told up to the answer to its last ping."""

    goaway: int | None
    """Code that ended the connection; None: it goes on."""
    resets: dict[int, int]
    """Codes of streams that were reset, but for those that are reset behind their answer."""
    answered: tuple[int, ...]
    """Streams that were answered."""


def block(*more: tuple[bytes, bytes], without: Iterable[bytes] = ()) -> bytes:
    """A header block of a request; `without` leaves fields out."""
    fields = [(name.encode(), value.encode()) for name, value in head()]
    return encoded([*(own for own in fields if own[0] not in without), *more])


def begin(stream_id: int = 1, header_block: bytes | None = None, *, ends: bool = False) -> bytes:
    """The beginning of a request."""
    return frames.headers(stream_id, block() if header_block is None else header_block, ends=ends)


def data(stream_id: int = 1, payload: bytes = MESSAGE, *, ends: bool = True) -> bytes:
    """Data of a request."""
    return frame(frames.DATA, END_STREAM if ends else 0, stream_id, payload)


def request(stream_id: int = 1, *more: tuple[bytes, bytes], without: Iterable[bytes] = ()) -> bytes:
    """A whole request."""
    return begin(stream_id, block(*more, without=without)) + data(stream_id)


def setting(name: int, value: int) -> bytes:
    return frames.settings({name: value})


def headers(flags: int, payload: bytes, stream_id: int = 1) -> bytes:
    return frame(frames.HEADERS, flags, stream_id, payload)


def continuation(flags: int, payload: bytes, stream_id: int = 1) -> bytes:
    return frame(frames.CONTINUATION, flags, stream_id, payload)


def priority(on: int, payload_of: int, size: int = 5) -> bytes:
    return frame(frames.PRIORITY, 0, payload_of, (on.to_bytes(4, "big") + b"\x10\0")[:size])


HALF = len(block()) // 2
ACCEPTED: dict[str, bytes] = {
    "4.1 a frame of an unknown type": frame(0xFA, 0, 0, b"x") + request(),
    "4.1 unknown flags": frame(frames.PING, 0xFE, 0, b"12345678") + request(),
    "4.1 a reserved bit": frame(frames.PING, 0, 1 << 31, b"12345678") + request(),
    "4.2 a frame of 16384 bytes": begin() + data(1, framed(bytes(16_379))),
    "5.1 PRIORITY of an idle stream": priority(0, 3) + request(),
    "5.1 PRIORITY of a closed stream": request() + priority(0, 1),
    "5.1 WINDOW_UPDATE of a half-closed stream": begin() + data() + window_update(1, 100),
    "5.3 a priority": headers(END_HEADERS | HAS_PRIORITY, b"\0\0\0\0\xff" + block()) + data(),
    "5.5 an unknown frame within a request": begin() + frame(0xFA, 0, 1, b"x") + data(),
    "6.1 padded data": begin() + frame(0, PADDED | END_STREAM, 1, b"\3" + MESSAGE + bytes(3)),
    "6.1 padding of 255": begin()
    + frame(0, PADDED | END_STREAM, 1, b"\xff" + MESSAGE + bytes(255)),
    "6.2 padded headers": headers(END_HEADERS | PADDED, b"\4" + block() + bytes(4)) + data(),
    "6.2 padding and a priority": (
        headers(END_HEADERS | PADDED | HAS_PRIORITY, b"\1\0\0\0\0\1" + block() + b"\0") + data()
    ),
    "6.5 an ACK": frame(SETTINGS, ACK, 0) + request(),
    "6.5.2 an unknown setting": setting(0xFF, 7) + request(),
    "6.5.3 several values of one setting": (
        frame(SETTINGS, 0, 0, setting(4, 100)[9:] + setting(4, 1)[9:])
        + request()
        + window_update(1, 100)
    ),
    "6.7 an ACK of no ping": frame(frames.PING, ACK, 0, bytes(8)) + request(),
    "6.9 a window that opens by parts": (
        setting(INITIAL_WINDOW_SIZE, 0) + request() + window_update(1, 4) + window_update(1, 90)
    ),
    "6.9.2 a window below 0": (
        setting(INITIAL_WINDOW_SIZE, 3)
        + request()
        + setting(INITIAL_WINDOW_SIZE, 2)
        + window_update(1, 100)
    ),
    "6.10 CONTINUATION": (
        headers(0, block()[:HALF]) + continuation(END_HEADERS, block()[HALF:]) + data()
    ),
    "6.10 many CONTINUATIONs": (
        headers(0, b"")
        + continuation(0, block()[:HALF])
        + continuation(0, b"")
        + continuation(END_HEADERS, block()[HALF:])
        + data()
    ),
    "8.1 trailers": begin() + data(ends=False) + begin(1, encoded([(b"x", b"y")]), ends=True),
    "8.1.1 a content-length": request(1, (b"content-length", b"%d" % len(MESSAGE))),
    "8.1.1 a content-length of data in parts": (
        begin(1, block((b"content-length", b"%d" % len(MESSAGE))))
        + data(1, MESSAGE[:3], ends=False)
        + data(1, MESSAGE[3:])
    ),
    "8.1.1 a content-length of padded data": (
        begin(1, block((b"content-length", b"%d" % len(MESSAGE))))
        + frame(0, PADDED | END_STREAM, 1, b"\3" + MESSAGE + bytes(3))
    ),
    "8.1.1 a content-length before trailers": (
        begin(1, block((b"content-length", b"%d" % len(MESSAGE))))
        + data(ends=False)
        + begin(1, encoded([(b"x", b"y")]), ends=True)
    ),
    "8.2.1 a blank within a value": request(1, (b"x", b"a b")),
    "8.2.2 te: trailers": request(1, (b"te", b"trailers"), without=[b"te"]),
    "8.2.3 several cookies": request(1, (b"cookie", b"a=b"), (b"cookie", b"c=d")),
    "HPACK 2.3.3 an entry of the static table": begin(1, b"\x83" + block(without=[b":method"]))
    + data(),
    "HPACK 4.2 a smaller table": begin(1, b"\x20" + block()) + data(),
    "HPACK 6.3 two changes of the table": begin(1, b"\x20\x3f\xe1\x1f" + block()) + data(),
}
"""What must be answered; the last stream of each is 1."""
CONNECTION: dict[str, tuple[bytes, int]] = {
    "4.2 a frame too large": (begin() + frame(0, 0, 1, FULL + b"x"), SIZE),
    "4.2 HEADERS too large": (headers(0, FULL + b"x"), SIZE),
    "4.2 SETTINGS too large": (frame(SETTINGS, 0, 0, bytes(16_386)), SIZE),
    "4.3 a block that is none": (begin(1, b"\xff\xff\xff\xff\xff"), COMPRESSION),
    "4.3 PRIORITY within a block": (headers(0, block()) + priority(0, 1), PROTOCOL),
    "4.3 HEADERS of another stream within a block": (headers(0, block()) + begin(3), PROTOCOL),
    "5.1 DATA of an idle stream": (data(), PROTOCOL),
    "5.1 RST_STREAM of an idle stream": (frames.rst_stream(1, 8), PROTOCOL),
    "5.1 WINDOW_UPDATE of an idle stream": (window_update(1, 100), PROTOCOL),
    "5.1 CONTINUATION of an idle stream": (continuation(END_HEADERS, b""), PROTOCOL),
    "5.1.1 an even stream": (request(2), PROTOCOL),
    "5.1.1 a stream below the last": (request(5) + request(3), PROTOCOL),
    "5.3.1 HEADERS that depend on themselves": (
        headers(END_HEADERS | HAS_PRIORITY, b"\0\0\0\1\xff" + block()),
        PROTOCOL,
    ),
    "5.3.1 PRIORITY that depends on itself": (priority(1, 1), PROTOCOL),
    "6.1 DATA of stream 0": (data(0), PROTOCOL),
    "6.1 more padding than data": (begin() + frame(0, PADDED, 1, b"\6" + MESSAGE[:5]), PROTOCOL),
    "6.1 padding of no length": (begin() + frame(0, PADDED, 1), SIZE),
    "6.2 HEADERS of stream 0": (begin(0), PROTOCOL),
    "6.2 more padding than headers": (headers(END_HEADERS | PADDED, b"\xffx"), PROTOCOL),
    "6.2 half a priority": (headers(END_HEADERS | HAS_PRIORITY, b"\0\0"), SIZE),
    "6.3 PRIORITY of stream 0": (priority(1, 0), PROTOCOL),
    "6.3 PRIORITY of 4 bytes": (priority(0, 3, 4), SIZE),
    "6.4 RST_STREAM of stream 0": (frames.rst_stream(0, 8), PROTOCOL),
    "6.4 RST_STREAM of 3 bytes": (begin() + frame(frames.RST_STREAM, 0, 1, bytes(3)), SIZE),
    "6.5 an ACK with settings": (frame(SETTINGS, ACK, 0, bytes(6)), SIZE),
    "6.5 SETTINGS of a stream": (frame(SETTINGS, 0, 1), PROTOCOL),
    "6.5 SETTINGS of 3 bytes": (frame(SETTINGS, 0, 0, bytes(3)), SIZE),
    "6.5.2 ENABLE_PUSH of 2": (setting(frames.ENABLE_PUSH, 2), PROTOCOL),
    "6.5.2 a window of 2^31": (setting(INITIAL_WINDOW_SIZE, 2**31), FLOW),
    "6.5.2 frames of 16383": (setting(MAX_FRAME_SIZE, 16_383), PROTOCOL),
    "6.5.2 frames of 2^24": (setting(MAX_FRAME_SIZE, 2**24), PROTOCOL),
    "6.6 PUSH_PROMISE": (begin() + frame(frames.PUSH_PROMISE, END_HEADERS, 1, bytes(4)), PROTOCOL),
    "6.7 PING of a stream": (frame(frames.PING, 0, 1, bytes(8)), PROTOCOL),
    "6.7 PING of 6 bytes": (frame(frames.PING, 0, 0, bytes(6)), SIZE),
    "6.8 GOAWAY of a stream": (frame(frames.GOAWAY, 0, 1, bytes(8)), PROTOCOL),
    "6.9 WINDOW_UPDATE of 0": (window_update(0, 0), PROTOCOL),
    "6.9 WINDOW_UPDATE of 3 bytes": (frame(frames.WINDOW_UPDATE, 0, 0, bytes(3)), SIZE),
    "6.9.1 a window of the connection beyond 2^31-1": (window_update(0, MOST_WINDOW), FLOW),
    "6.9.2 a window beyond 2^31-1 by SETTINGS": (
        begin() + window_update(1, MOST_WINDOW - 65_535) + setting(INITIAL_WINDOW_SIZE, 65_536),
        FLOW,
    ),
    "6.10 CONTINUATION behind END_HEADERS": (
        begin() + continuation(END_HEADERS, b""),
        PROTOCOL,
    ),
    "6.10 CONTINUATION of stream 0": (headers(0, block()) + continuation(4, b"", 0), PROTOCOL),
    "6.10 DATA within a block": (headers(0, block()) + data(), PROTOCOL),
    "10.5.1 a block too large": (
        headers(0, FULL) + continuation(0, FULL) * 4,
        CALM,
    ),
    "HPACK 2.3.3 an index beyond the tables": (begin(1, b"\xff\x7f"), COMPRESSION),
    "HPACK 2.3.3 a literal's index beyond the tables": (begin(1, b"\x7f\x7f\0"), COMPRESSION),
    "HPACK 4.2 a change of the table at the end": (begin(1, block() + b"\x20"), COMPRESSION),
    "HPACK 5.2 padding of Huffman's code over 7 bits": (
        begin(1, block() + b"\0\x82\x1f\xff\x01y"),
        COMPRESSION,
    ),
    "HPACK 5.2 padding of Huffman's code with zeros": (
        begin(1, block() + b"\0\x81\x18\x01y"),
        COMPRESSION,
    ),
    "HPACK 5.2 EOS in Huffman's code": (
        begin(1, block() + b"\0\x85\x1f\xff\xff\xff\xff\x01y"),
        COMPRESSION,
    ),
    "HPACK 6.1 index 0": (begin(1, b"\x80"), COMPRESSION),
    "HPACK 6.3 a table larger than allowed": (begin(1, b"\x3f\xe2\x1f" + block()), COMPRESSION),
}
STREAM: dict[str, tuple[bytes, int]] = {
    "5.1 DATA of a half-closed stream": (begin(1, ends=True) + data(), CLOSED),
    "5.1 HEADERS of a half-closed stream": (
        begin(1, block((b"grpc-timeout", b"9S"))) + data() + begin(1, encoded([(b"x", b"y")])),
        CLOSED,
    ),
    "5.1 a request of a half-closed stream": (request() + request(), CLOSED),
    "5.1 DATA behind RST_STREAM": (begin() + frames.rst_stream(1, 8) + data(), CLOSED),
    "5.1 DATA of a closed stream": (request() + data(), CLOSED),
    "6.3 PRIORITY of 6 bytes": (begin() + priority(0, 1, 6), SIZE),
    "6.9 WINDOW_UPDATE of 0": (begin() + window_update(1, 0), PROTOCOL),
    "6.9.1 a window of a stream beyond 2^31-1": (begin() + window_update(1, MOST_WINDOW), FLOW),
    "8.1 HEADERS that do not end within a request": (begin() + begin(1, b"\0\1x\1y"), PROTOCOL),
    "8.1.1 a content-length that is more": (request(1, (b"content-length", b"11")), PROTOCOL),
    "8.1.1 a content-length that is less": (request(1, (b"content-length", b"9")), PROTOCOL),
    "8.1.1 a content-length of nothing": (
        begin(1, block((b"content-length", b"1")), ends=True),
        PROTOCOL,
    ),
    "8.1.1 a content-length of data in parts": (
        begin(1, block((b"content-length", b"12")))
        + data(1, MESSAGE[:3], ends=False)
        + data(1, MESSAGE[3:]),
        PROTOCOL,
    ),
    "8.1.1 a content-length that ends before": (
        begin(1, block((b"content-length", b"4"))) + data(1, MESSAGE, ends=False),
        PROTOCOL,
    ),
    "8.1.1 a content-length before trailers": (
        begin(1, block((b"content-length", b"11")))
        + data(ends=False)
        + begin(1, encoded([(b"x", b"y")]), ends=True),
        PROTOCOL,
    ),
    "8.1.1 a content-length that is no number": (
        request(1, (b"content-length", b"ten")),
        PROTOCOL,
    ),
    "8.1.1 a content-length with a sign": (request(1, (b"content-length", b"+10")), PROTOCOL),
    "8.1.1 content-lengths that differ": (
        request(1, (b"content-length", b"10"), (b"content-length", b"11")),
        PROTOCOL,
    ),
    "8.2 an upper-case name": (request(1, (b"X-Test", b"y")), PROTOCOL),
    "8.2.1 an empty name": (request(1, (b"", b"y")), PROTOCOL),
    "8.2.1 a blank within a name": (request(1, (b"x y", b"z")), PROTOCOL),
    "8.2.1 a colon within a name": (request(1, (b"x:y", b"z")), PROTOCOL),
    "8.2.1 an octet above 0x7f in a name": (request(1, (b"\xff", b"z")), PROTOCOL),
    "8.2.1 NUL within a value": (request(1, (b"x", b"a\0b")), PROTOCOL),
    "8.2.1 CR within a value": (request(1, (b"x", b"a\rb")), PROTOCOL),
    "8.2.1 LF within a value": (request(1, (b"x", b"a\nb")), PROTOCOL),
    "8.2.1 a blank before a value": (request(1, (b"x", b" y")), PROTOCOL),
    "8.2.1 a tab behind a value": (request(1, (b"x", b"y\t")), PROTOCOL),
    "8.2.1 a blank around a pseudo-field": (
        request(1, without=[b":path"]).replace(b":scheme\x04http", b":scheme\x04 htt"),
        PROTOCOL,
    ),
    "8.2.2 connection": (request(1, (b"connection", b"keep-alive")), PROTOCOL),
    "8.2.2 transfer-encoding": (request(1, (b"transfer-encoding", b"chunked")), PROTOCOL),
    "8.2.2 upgrade": (request(1, (b"upgrade", b"h2c")), PROTOCOL),
    "8.2.2 te: other": (request(1, (b"te", b"trailers, deflate"), without=[b"te"]), PROTOCOL),
    "8.3 an unknown pseudo-field": (begin(1, encoded([(b":test", b"x")]) + block()), PROTOCOL),
    "8.3 a pseudo-field of responses": (begin(1, b"\x88" + block()), PROTOCOL),
    "8.3 a pseudo-field behind others": (
        request(1, (b":method", b"POST"), without=[b":method"]),
        PROTOCOL,
    ),
    "8.3 a pseudo-field in trailers": (
        begin() + begin(1, encoded([(b":method", b"POST")]), ends=True),
        PROTOCOL,
    ),
    "8.3.1 no :method": (request(1, without=[b":method"]), PROTOCOL),
    "8.3.1 no :scheme": (request(1, without=[b":scheme"]), PROTOCOL),
    "8.3.1 no :path": (request(1, without=[b":path"]), PROTOCOL),
    "8.3.1 an empty :path": (begin(1, b"\4\0" + block(without=[b":path"])), PROTOCOL),
    "8.3.1 two :method": (begin(1, b"\x83" + block()), PROTOCOL),
    "8.3.1 two :scheme": (begin(1, b"\x86" + block()), PROTOCOL),
    "8.3.1 two :path": (begin(1, b"\x84" + block()), PROTOCOL),
}


async def outcome(sent: bytes) -> Outcome:
    """What our server tells a client that sends this behind its settings."""
    async with served(wire_server, unary(echo), DEFAULT) as own:
        host, _, port = own.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(PREFACE + frames.settings({}) + sent + PING)
        try:
            async with asyncio.timeout(10):
                return await told(reader)
        finally:
            writer.close()


async def told(reader: asyncio.StreamReader) -> Outcome:
    """Reads up to the answer to the last ping and to stream 1, or to the end."""
    goaway: int | None = None
    resets: dict[int, int] = {}
    answered: list[int] = []
    is_known = False
    while not (is_known and (1 in answered or 1 in resets)):
        try:
            raw_head = await reader.readexactly(HEAD_BYTES)
        except (asyncio.IncompleteReadError, ConnectionError):
            break
        high, low, kind, flags, stream_id = HEAD.unpack(raw_head)
        payload = await reader.readexactly((high << 16) + low)
        is_known = is_known or (kind == frames.PING and payload == PING_DATA)
        if kind == frames.GOAWAY:
            goaway = int.from_bytes(payload[4:8], "big")
        elif kind == frames.RST_STREAM and payload[3]:
            resets[stream_id] = payload[3]
        elif (
            kind == frames.HEADERS and flags & END_STREAM and payload.endswith(b"grpc-status\x010")
        ):
            answered.append(stream_id)
    return Outcome(goaway, resets, tuple(answered))


@pytest.mark.parametrize("sent", ACCEPTED.values(), ids=ACCEPTED)
async def test_what_is_allowed_is_answered(sent: bytes) -> None:
    assert await outcome(sent) == Outcome(None, {}, (1,))


@pytest.mark.parametrize(("sent", "code"), CONNECTION.values(), ids=CONNECTION)
async def test_an_error_of_the_connection_ends_it(sent: bytes, code: int) -> None:
    assert (await outcome(sent)).goaway == code


@pytest.mark.parametrize(("sent", "code"), STREAM.values(), ids=STREAM)
async def test_an_error_of_a_stream_resets_it_alone(sent: bytes, code: int) -> None:
    own = await outcome(sent)
    assert (own.goaway, own.resets) == (None, {1: code})


@pytest.mark.skipif(shutil.which("h2spec") is None, reason="h2spec is not on the PATH")
async def test_h2spec_finds_no_fault_in_frames() -> None:
    """All but what its requests make no sense for: they are GETs, which are answered with 405."""
    async with served(wire_server, unary(echo), DEFAULT) as own:
        _, _, port = own.address.rpartition(":")
        command = ["h2spec", "-p", port, "-o", "2"]
        environment = {"PATH": os.environ["PATH"]}
        run = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, env=environment, check=False
        )
    assert failed(run.stdout) <= NEEDS_ANOTHER_METHOD, run.stdout


def failed(report: str) -> set[str]:
    """Cases that failed, by their words in h2spec's list of failures."""
    lines = report.partition("Failures:")[2].splitlines()
    return {line.partition(": ")[2] for line in lines if line.lstrip().startswith("\u00d7")}

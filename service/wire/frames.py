"""Frames of HTTP/2, as bytes (RFC 9113, sections 4, 6 and 7)."""

import struct
from typing import Final

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = range(5)
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(5, 10)

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
HAS_PRIORITY = 0x20

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = range(4)
STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL = range(5, 9)
COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 9, 11

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = range(1, 5)
MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = 5, 6

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client begins with."""
HEAD: Final = struct.Struct(">BHBBI")
"""High and low part of the length, type, flags, stream."""
HEAD_BYTES: Final = 9
LEAST_MAX_FRAME: Final = 16_384
"""Bytes of a frame that everybody takes."""
MOST_MAX_FRAME: Final = 2**24 - 1
MOST_WINDOW: Final = 2**31 - 1
DEFAULT_WINDOW: Final = 65_535
U32: Final = struct.Struct(">I")
SETTING: Final = struct.Struct(">HI")


def frame(kind: int, flags: int, stream_id: int, payload: bytes | memoryview = b"") -> bytes:
    """One frame."""
    size = len(payload)
    return HEAD.pack(size >> 16, size & 0xFFFF, kind, flags, stream_id) + payload


def settings(values: dict[int, int]) -> bytes:
    """A frame of SETTINGS."""
    payload = b"".join(SETTING.pack(*own) for own in values.items())
    return frame(SETTINGS, 0, 0, payload)


def window_update(stream_id: int, count: int) -> bytes:
    """A frame that gives so many bytes of window."""
    return frame(WINDOW_UPDATE, 0, stream_id, U32.pack(count))


def rst_stream(stream_id: int, code: int) -> bytes:
    """A frame that ends a stream at once."""
    return frame(RST_STREAM, 0, stream_id, U32.pack(code))


def goaway(last_id: int, code: int, why: str = "") -> bytes:
    """A frame that says which streams are the last; `why` is for whoever debugs the peer."""
    return frame(GOAWAY, 0, 0, U32.pack(last_id) + U32.pack(code) + why.encode())


def headers(stream_id: int, block: bytes, *, ends: bool, most: int = LEAST_MAX_FRAME) -> bytes:
    """Frames of a header block, none larger than `most` bytes."""
    flags = END_STREAM if ends else 0
    if len(block) <= most:
        return frame(HEADERS, flags | END_HEADERS, stream_id, block)
    parts = [block[at : at + most] for at in range(0, len(block), most)]
    return b"".join(
        (
            frame(HEADERS, flags, stream_id, parts[0]),
            *(frame(CONTINUATION, 0, stream_id, part) for part in parts[1:-1]),
            frame(CONTINUATION, END_HEADERS, stream_id, parts[-1]),
        )
    )

"""gRPC's messages within the data of a stream: a flag, a length, bytes."""

import zlib
from typing import Final

import grpc

from service.wire.frames import U32

PREFIX_BYTES: Final = 5
GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS
WINDOWS: Final = {"gzip": GZIP_WINDOW, "deflate": zlib.MAX_WBITS}


class Unacceptable(Exception):
    """What ends a call for what its caller sent."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(code, details)
        self.code = code
        self.details = details


def too_large(count: int, most: int) -> Unacceptable:
    """That an answer is larger than may be sent."""
    details = f"SERVER: Sent message larger than max ({count} vs. {most})"
    return Unacceptable(grpc.StatusCode.RESOURCE_EXHAUSTED, details)


def not_one(count: int) -> Unacceptable:
    """That a unary call has not exactly one message."""
    details = f"a unary call has one message, and this one has {count or 'none'}"
    return Unacceptable(grpc.StatusCode.INTERNAL, details)


def framed(message: bytes) -> bytes:
    """One message as it is sent."""
    return b"\x00" + U32.pack(len(message)) + message


def is_plain(data: bytes, most: int) -> bool:
    """Whether the data are one whole message, not compressed, of at most so many bytes."""
    size = len(data) - PREFIX_BYTES
    return 0 <= size <= most and data[0] == 0 and int.from_bytes(data[1:PREFIX_BYTES]) == size


class Messages:
    """Puts the messages of one request together."""

    def __init__(self, encoding: str, max_bytes: int) -> None:
        """Nothing has come.

        Args:
            encoding: of those that are compressed.
            max_bytes: largest message, compressed or not.
        """
        self._encoding = encoding
        self._max_bytes = max_bytes
        self._parts: list[bytes] = []
        self._size = 0

    @property
    def is_partial(self) -> bool:
        """Whether there is the beginning of a message."""
        return self._size > 0

    def take(self, data: bytes) -> list[bytes]:
        """The messages that are whole with this data.

        Raises:
            Unacceptable: one is too large, or cannot be decompressed.
        """
        if data:
            self._parts.append(data)
            self._size += len(data)
        whole: list[bytes] = []
        while (size := self._next_size()) is not None and self._size >= size:
            buffer = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            message, rest = buffer[PREFIX_BYTES:size], buffer[size:]
            whole.append(self._plain(message) if buffer[0] & 1 else message)
            self._parts, self._size = [rest] if rest else [], len(rest)
        return whole

    def _next_size(self) -> int | None:
        """Bytes of the next message with its prefix; None: not known yet."""
        if self._size < PREFIX_BYTES:
            return None
        if len(self._parts[0]) < PREFIX_BYTES:
            self._parts = [b"".join(self._parts)]
        count = int(U32.unpack_from(self._parts[0], 1)[0])
        self._check(count)
        return PREFIX_BYTES + count

    def _check(self, count: int) -> None:
        if count > self._max_bytes:
            details = f"SERVER: Received message larger than max ({count} vs. {self._max_bytes})"
            raise Unacceptable(grpc.StatusCode.RESOURCE_EXHAUSTED, details)

    def _plain(self, message: bytes) -> bytes:
        """The message, decompressed."""
        window = WINDOWS.get(self._encoding)
        if window is None:
            details = "a compressed message, and grpc-encoding names no compression"
            raise Unacceptable(grpc.StatusCode.INTERNAL, details)
        own = zlib.decompressobj(window)
        try:
            plain = own.decompress(message, self._max_bytes + 1)
        except zlib.error:
            raise Unacceptable(grpc.StatusCode.INTERNAL, "Failed to decompress") from None
        if len(plain) > self._max_bytes:
            details = "Decompressed message larger than max"
            raise Unacceptable(grpc.StatusCode.RESOURCE_EXHAUSTED, details)
        if not own.eof:
            raise Unacceptable(grpc.StatusCode.INTERNAL, "Failed to decompress")
        return plain

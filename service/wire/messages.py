"""gRPC's messages within the data of a stream: a flag, a length, bytes."""

import zlib
from collections import deque
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


def not_one(messages: "Messages") -> Unacceptable:
    """That a unary call has not exactly one message, whole."""
    own = f"{len(messages) or 'none'}{' and a part' if messages.is_partial else ''}"
    details = f"a unary call has one message, and this one has {own}"
    return Unacceptable(grpc.StatusCode.INTERNAL, details)


def framed(message: bytes) -> bytes:
    """One message as it is sent."""
    return b"\x00" + U32.pack(len(message)) + message


def is_plain(data: bytes, most: int) -> bool:
    """Whether the data are one whole message, not compressed, of at most so many bytes."""
    size = len(data) - PREFIX_BYTES
    return 0 <= size <= most and data[0] == 0 and int.from_bytes(data[1:PREFIX_BYTES]) == size


class Messages:
    """Puts the messages of one request together; each is decompressed only once it is taken."""

    def __init__(self, encoding: str, max_bytes: int) -> None:
        """Nothing has come.

        Args:
            encoding: of those that are compressed.
            max_bytes: largest message, compressed or not.
        """
        self._encoding = encoding
        self._max_bytes = max_bytes
        self._whole: deque[tuple[bool, bytes]] = deque()
        """Whether it is compressed, and a message."""
        self._rest = bytearray()
        """What came of a message that is not whole; one buffer, since a list of parts as small as
        a peer likes takes twenty times their size."""
        self._needed = PREFIX_BYTES
        """Bytes that tell more than is known."""

    def __len__(self) -> int:
        """Messages that are whole."""
        return len(self._whole)

    @property
    def is_partial(self) -> bool:
        """Whether there is the beginning of a message."""
        return len(self._rest) > 0

    def add(self, data: bytes) -> None:
        """Takes data of the request.

        Raises:
            Unacceptable: a message is too large; nothing may be added after it.
        """
        self._rest += data
        if len(self._rest) < self._needed:
            return
        buffer, at = bytes(self._rest), 0
        while len(buffer) - at >= (size := self._size_at(buffer, at)):
            self._whole.append((bool(buffer[at] & 1), buffer[at + PREFIX_BYTES : at + size]))
            at += size
        self._rest, self._needed = bytearray(buffer[at:]), size

    def take(self) -> bytes:
        """The first message that is whole; it is forgotten.

        Raises:
            Unacceptable: it cannot be decompressed.
        """
        is_packed, message = self._whole.popleft()
        return self._plain(message) if is_packed else message

    def _size_at(self, buffer: bytes, at: int) -> int:
        """Bytes of the message there with its prefix, or those that would tell."""
        if len(buffer) - at < PREFIX_BYTES:
            return PREFIX_BYTES
        count = int(U32.unpack_from(buffer, at + 1)[0])
        if count > self._max_bytes:
            details = f"SERVER: Received message larger than max ({count} vs. {self._max_bytes})"
            raise Unacceptable(grpc.StatusCode.RESOURCE_EXHAUSTED, details)
        return PREFIX_BYTES + count

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

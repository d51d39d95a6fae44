"""gRPC's messages within the data of a stream: a flag, a length, bytes."""

from typing import Final

import grpc

from service.wire.frames import U32
from service.wire.inflating import Inflation
from service.wire.unacceptable import Unacceptable

PREFIX_BYTES: Final = 5


def too_large(count: int, most: int) -> Unacceptable:
    """That an answer is larger than may be sent."""
    details = f"SERVER: Sent message larger than max ({count} vs. {most})"
    return Unacceptable(grpc.StatusCode.RESOURCE_EXHAUSTED, details)


def too_much_unread(count: int) -> Unacceptable:
    """The refusal of an answer for which the connection holds too much already."""
    details = f"too much that this client has not read is held; its answer has {count} bytes more"
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
    """Messages of one request, split from its data; compressed ones stay so until they are taken.

    All that came and was not taken is in one buffer: an object for each message, or for each part
    of one, would take twenty times the size of the smallest.
    """

    def __init__(self, encoding: str, max_bytes: int) -> None:
        """Start empty.

        Args:
            encoding: of compressed messages.
            max_bytes: largest message, compressed or not.
        """
        self._encoding = encoding
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._count = 0
        self._end = 0
        """Where the last complete message ends in the buffer."""
        self._needed = PREFIX_BYTES
        """Size of the buffer that completes a prefix or a message."""

    def __len__(self) -> int:
        """Number of complete messages."""
        return self._count

    @property
    def is_partial(self) -> bool:
        """Whether the beginning of another message has come."""
        return len(self._buffer) > self._end

    @property
    def is_more_than_one(self) -> bool:
        """Whether something follows the first message."""
        return self._count > 1 or (self._count == 1 and self.is_partial)

    @property
    def size_bytes(self) -> int:
        """Bytes that came and were not taken."""
        return len(self._buffer)

    def add(self, data: bytes) -> None:
        """Take data of the request.

        Raises:
            Unacceptable: a message is too large; nothing may be added after it.
        """
        buffer = self._buffer
        buffer += data
        while len(buffer) >= self._needed:
            size = self._size_at(self._end)
            if len(buffer) - self._end < size:
                self._needed = self._end + size
                return
            self._count += 1
            self._end += size
            self._needed = self._end + PREFIX_BYTES

    def take(self) -> bytes | Inflation:
        """The first complete message, which is removed; compressed: what inflates it.

        Raises:
            Unacceptable: it is compressed, and the request names no compression.
        """
        size = self._size_at(0)
        is_packed = self._buffer[0] & 1
        message = bytes(memoryview(self._buffer)[PREFIX_BYTES:size])
        del self._buffer[:size]
        self._count -= 1
        self._end -= size
        self._needed -= size
        return Inflation(self._encoding, message, self._max_bytes) if is_packed else message

    def clear(self) -> None:
        """Drop everything."""
        self._buffer, self._count, self._end, self._needed = bytearray(), 0, 0, PREFIX_BYTES

    def _size_at(self, at: int) -> int:
        """Size of the message at an offset, its prefix included.

        Raises:
            Unacceptable: it is too large.
        """
        count = int(U32.unpack_from(self._buffer, at + 1)[0])
        if count > self._max_bytes:
            details = f"SERVER: Received message larger than max ({count} vs. {self._max_bytes})"
            raise Unacceptable(grpc.StatusCode.RESOURCE_EXHAUSTED, details)
        return PREFIX_BYTES + count

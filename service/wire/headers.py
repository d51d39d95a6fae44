"""Header blocks: read behind a cache, written as plain literals (RFC 7541; RFC 9113, section 8).

Most calls of a connection have the same header block, made of references into the table. Such a
block means the same until the table changes, so it is read once.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final, Generic, TypeAlias, TypeVar

from service.wire.blocks import BlockReader, Field, size_of

Fields: TypeAlias = tuple[Field, ...]
"""Names in lower case and values, in order, pseudo-fields first."""
Head = TypeVar("Head")

MAX_KEPT: Final = 256
"""Blocks, and fields known to be sound, that are kept for one connection."""
KEPT_BYTES: Final = 1024
"""Longest block that is kept."""
SOUND_BYTES: Final = 256
"""Longest field that is known to be sound; longer ones are checked each time."""
KEPT_LIST_BYTES: Final = 65_536
"""Bytes of the lists of fields that are kept for one connection. A byte of a block may stand for an
entry of 4096, so that a limit on blocks alone let an idle connection hold 3 MiB."""
KEPT_FIELDS: Final = 64
"""Most fields of a block that is kept."""
PSEUDO: Final = frozenset((b":method", b":scheme", b":path", b":authority"))
NEEDED: Final = frozenset((b":method", b":scheme", b":path"))
OF_CONNECTION: Final = frozenset(
    (b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade")
)
"""Fields that HTTP/2 has no room for."""
NAME: Final = re.compile(rb"[!-9;-@\[-~]+")
"""Visible, in lower case, without a colon."""
BAD_IN_VALUES: Final = re.compile(rb"[\x00\r\n]|\A[ \t]|[ \t]\Z")
"""Octets that no value has, and blanks around one (RFC 9113, section 8.2.1)."""
CONTENT_LENGTH: Final = b"content-length"
LENGTH: Final = re.compile(rb"\d{1,18}")
STATUS_OK: Final = b"\x88"
"""`:status: 200` in the static table."""


class Malformed(Exception):
    """Fields that HTTP/2 forbids; their stream is reset."""


class HeaderReader(Generic[Head]):
    """Reads the header blocks of one connection."""

    def __init__(self, head: Callable[[Fields], Head], max_bytes: int) -> None:
        """Make it.

        Args:
            head: what a request's fields come to; called once for a block that is kept.
            max_bytes: largest list of fields, as RFC 9113 counts it.
        """
        self._head = head
        self._blocks = BlockReader(max_bytes)
        self._is_lasting = False
        """Whether the last block left the table as it was."""
        self.content_length: int | None = None
        """Bytes of data that the last request announced; None: it did not."""
        self._kept: dict[bytes, tuple[Head, int | None]] = {}
        self._kept_bytes = 0
        """Of the lists of fields of those."""
        self._sound: set[Field] = set()
        """Fields that HTTP/2 allows."""
        self._sound_pseudo: set[Field] = set()

    def read(self, block: bytes) -> Head:
        """The head of a request.

        Raises:
            Malformed: HTTP/2 forbids its fields.
            Unreadable: not even its end can be told.
        """
        known = self._kept.get(block)
        if known is not None:
            head, self.content_length = known
            return head
        fields = self.skip(block)
        self.content_length = None
        self._check_request(fields)
        head = self._head(fields)
        if self._is_lasting and len(block) <= KEPT_BYTES and len(fields) <= KEPT_FIELDS:
            self._make_room(size_of(fields))
            self._kept[block] = head, self.content_length
        return head

    def _make_room(self, size: int) -> None:
        """Forgets what is kept where a list of so many bytes is too much beside it."""
        if len(self._kept) >= MAX_KEPT or self._kept_bytes + size > KEPT_LIST_BYTES:
            self._forget()
        self._kept_bytes += size

    def _forget(self) -> None:
        self._kept.clear()
        self._kept_bytes = 0

    def trailers(self, block: bytes) -> None:
        """Reads what a request ends with; nobody wants it.

        Raises:
            Malformed: HTTP/2 forbids its fields.
            Unreadable: it cannot be read.
        """
        self._check(self.skip(block))

    def skip(self, block: bytes) -> Fields:
        """The fields of a block that nobody wants, unchecked.

        Raises:
            Unreadable: it cannot be read.
        """
        before = self._blocks.changes
        fields = tuple(self._blocks.fields(block))
        self._is_lasting = self._blocks.changes == before
        if not self._is_lasting:
            self._forget()
        return fields

    def _check_request(self, fields: Fields) -> None:
        seen: set[bytes] = set()
        for field in fields:
            name, value = field
            if name not in PSEUDO:
                break
            if name in seen or not (value or name == b":authority"):
                raise Malformed("its pseudo-fields")
            seen.add(name)
            if field not in self._sound_pseudo:
                _check_value(value)
                _keep(self._sound_pseudo, field)
        if not seen >= NEEDED:
            raise Malformed("its pseudo-fields")
        self._check(fields[len(seen) :])

    def _check(self, fields: Fields) -> None:
        sound = self._sound
        for field in fields:
            if field not in sound:
                _check(*field)
                if field[0] == CONTENT_LENGTH:
                    self._announce(field[1])
                else:
                    _keep(sound, field)

    def _announce(self, value: bytes) -> None:
        """Remember a content-length.

        Raises:
            Malformed: it is no number, or another one than before.
        """
        if not LENGTH.fullmatch(value) or self.content_length not in (None, int(value)):
            raise Malformed("content-length")
        self.content_length = int(value)


def _check(name: bytes, value: bytes) -> None:
    if not NAME.fullmatch(name) or name in OF_CONNECTION:
        raise Malformed("a name")
    if name == b"te" and value != b"trailers":
        raise Malformed("te")
    _check_value(value)


def _keep(fields: set[Field], field: Field) -> None:
    if len(field[0]) + len(field[1]) <= SOUND_BYTES:
        if len(fields) >= MAX_KEPT:
            fields.clear()
        fields.add(field)


def _check_value(value: bytes) -> None:
    if BAD_IN_VALUES.search(value):
        raise Malformed("a value")


def encoded(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A header block that leaves the reader's table as it is: literals, never in Huffman's code."""
    return b"".join([_encoded(name, value) for name, value in fields])


def _encoded(name: bytes, value: bytes) -> bytes:
    if name == b":status" and value == b"200":
        return STATUS_OK
    return b"".join((b"\x00", _length(len(name)), name, _length(len(value)), value))


def _length(count: int) -> bytes:
    """An integer with a prefix of seven bits."""
    if count < 0x7F:
        return bytes((count,))
    parts, rest = [0x7F], count - 0x7F
    while rest >= 0x80:
        parts.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes((*parts, rest))

"""Header blocks: read with the hpack library behind a cache, written as plain literals (RFC 7541).

Most calls of a connection have the same header block, made of references into the table. Such a
block means the same until the table changes, so it is read once.
"""

from collections.abc import Callable, Iterable
from typing import Final, Generic, TypeAlias, TypeVar

from hpack import Decoder, HPACKError
from hpack.exceptions import OversizedHeaderListError
from hpack.table import HeaderTable

Fields: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""Names in lower case and values, in order, pseudo-fields first."""
Head = TypeVar("Head")

MAX_KEPT: Final = 256
"""Blocks that are kept for one connection."""
KEPT_BYTES: Final = 1024
"""Longest block that is kept."""
PSEUDO: Final = {b":method", b":scheme", b":path", b":authority"}
NEEDED: Final = {b":method", b":scheme", b":path"}
OF_CONNECTION: Final = {
    *(b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"),
}
"""Fields that HTTP/2 has no room for."""
UPPER: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
BAD_IN_VALUES: Final = frozenset(b"\x00\r\n")
STATUS_OK: Final = b"\x88"
"""`:status: 200` in the static table."""


class Malformed(Exception):
    """A request whose fields HTTP/2 forbids; its stream is reset."""


class Unreadable(Exception):
    """A block that cannot be read, so that no later one can; the connection ends."""

    def __init__(self, *, is_too_large: bool) -> None:
        super().__init__(is_too_large)
        self.is_too_large = is_too_large
        """Whether it is larger than we take."""


class _Table(HeaderTable):
    """The dynamic table, which knows how often it has changed."""

    def __init__(self) -> None:
        self.changes = 0
        super().__init__()

    def add(self, name: bytes, value: bytes) -> None:
        self.changes += 1
        super().add(name, value)

    def _shrink(self) -> None:
        self.changes += 1
        super()._shrink()


class HeaderReader(Generic[Head]):
    """Reads the header blocks of one connection."""

    def __init__(self, head: Callable[[Fields], Head], max_bytes: int) -> None:
        """Make it.

        Args:
            head: what a request's fields come to; called once for a block that is kept.
            max_bytes: largest list of fields, as RFC 9113 counts it.
        """
        self._head = head
        self._decoder = Decoder(max_header_list_size=max_bytes)
        self._table = _Table()
        self._decoder.header_table = self._table
        self._kept: dict[bytes, Head] = {}

    def read(self, block: bytes) -> Head:
        """The head of a request.

        Raises:
            Malformed: HTTP/2 forbids its fields.
            Unreadable: not even its end can be told.
        """
        known = self._kept.get(block)
        if known is not None:
            return known
        before = self._table.changes
        fields = self._fields(block)
        is_lasting = self._table.changes == before
        if not is_lasting:
            self._kept.clear()
        head = self._head(checked(fields))
        if is_lasting and len(block) <= KEPT_BYTES:
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            self._kept[block] = head
        return head

    def skip(self, block: bytes) -> Fields:
        """Reads a block whose head nobody wants: trailers, or a request that is refused.

        Raises:
            Unreadable: it cannot be read.
        """
        before = self._table.changes
        fields = self._fields(block)
        if self._table.changes != before:
            self._kept.clear()
        return fields

    def _fields(self, block: bytes) -> Fields:
        try:
            read = self._decoder.decode(block, raw=True)
        except OversizedHeaderListError:
            raise Unreadable(is_too_large=True) from None
        except (HPACKError, IndexError):
            raise Unreadable(is_too_large=False) from None
        return tuple([(bytes(name), bytes(value)) for name, value in read])


def checked(fields: Fields) -> Fields:
    """The fields of a request, as they are.

    Raises:
        Malformed: RFC 9113, section 8, forbids them.
    """
    pseudo = [name for name, _ in fields if name[:1] == b":"]
    known = set(pseudo)
    if len(known) != len(pseudo) or not known <= PSEUDO or not known >= NEEDED:
        raise Malformed("its pseudo-fields")
    for name, value in fields[: len(pseudo)]:
        if name[:1] != b":" or (not value and name != b":authority"):
            raise Malformed("its pseudo-fields")
    for name, value in fields[len(pseudo) :]:
        _check(name, value)
    return fields


def _check(name: bytes, value: bytes) -> None:
    if not name or not UPPER.isdisjoint(name) or name in OF_CONNECTION:
        raise Malformed("a name")
    if name == b"te" and value != b"trailers":
        raise Malformed("te")
    if not BAD_IN_VALUES.isdisjoint(value) or not BAD_IN_VALUES.isdisjoint(name):
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

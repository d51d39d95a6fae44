"""Header blocks as fields (RFC 7541): our own loop over the hpack library's static table and its
Huffman code.

Clients send a deadline that differs from call to call as a new entry of the table, so that no block
of theirs is ever the same: reading them is on the path of every request.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final, TypeAlias

from hpack import HPACKError
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

Field: TypeAlias = tuple[bytes, bytes]
"""Name and value."""

STATIC: Final[tuple[Field, ...]] = ((b"", b""), *HeaderTable.STATIC_TABLE)
"""Entries by their index; there is no entry 0."""
N_STATIC: Final = len(STATIC)
"""The index of the newest entry of a connection's own table."""
TABLE_BYTES: Final = 4096
"""Largest table that a client may use; what it is unless settings say otherwise."""
ENTRY_BYTES: Final = 32
"""What each entry counts beside its name and value."""
MAX_SHIFT: Final = 28
"""Bits of an integer's last part: more than any length or index of ours."""
MAX_RESIZES: Final = 2
"""Changes of the table's size that a block may begin with (RFC 7541, section 4.2)."""


class Unreadable(Exception):
    """A block that cannot be read, so that no later one can; the connection ends."""

    def __init__(self, *, is_too_large: bool) -> None:
        super().__init__(is_too_large)
        self.is_too_large = is_too_large
        """Whether it is larger than we take."""


class BlockReader:
    """Reads the header blocks of one connection, in their order."""

    def __init__(self, max_bytes: int) -> None:
        """Begin with an empty table; `max_bytes`: largest list of fields, as RFC 9113 counts it."""
        self.changes = 0
        """How often the table has changed."""
        self._max_bytes = max_bytes
        self._table: deque[Field] = deque()
        self._size = 0
        self._most = TABLE_BYTES

    def fields(self, block: bytes) -> list[Field]:
        """The fields of a block, in order.

        Raises:
            Unreadable: it is none, or they are larger than allowed.
        """
        try:
            fields = self._fields(block)
        except (HPACKError, IndexError):
            raise Unreadable(is_too_large=False) from None
        if size_of(fields) > self._max_bytes:
            raise Unreadable(is_too_large=True)
        return fields

    def _fields(self, block: bytes) -> list[Field]:
        fields: list[Field] = []
        at, size, table = self._resized(block), len(block), self._table
        while at < size:
            first = block[at]
            if first > 0x80 and first != 0xFF:  # an entry, in one byte
                at += 1
                index = first & 0x7F
                fields.append(STATIC[index] if index < N_STATIC else table[index - N_STATIC])
            elif first & 0x80:
                index, at = _integer(block, at, 0x7F)
                fields.append(self._entry(index))
            elif first & 0x40:
                field, at = self._literal(block, at, 0x3F)
                self._add(field)
                fields.append(field)
            elif first & 0x20:
                raise Unreadable(is_too_large=False)  # a change of size after the beginning
            else:
                field, at = self._literal(block, at, 0x0F)
                fields.append(field)
        return fields

    def _entry(self, index: int) -> Field:
        """The entry of an index.

        Raises:
            IndexError: there is none.
        """
        if 0 < index < N_STATIC:
            return STATIC[index]
        if not index:
            raise IndexError(index)
        return self._table[index - N_STATIC]

    def _literal(self, block: bytes, at: int, mask: int) -> tuple[Field, int]:
        """A field that is spelt out, and where it ends; `mask`: the bits of its name's index."""
        index, at = _integer(block, at, mask)
        if index:
            name = self._entry(index)[0]
        else:
            name, at = _string(block, at)
        value, at = _string(block, at)
        return (name, value), at

    def _add(self, field: Field) -> None:
        self.changes += 1
        self._table.appendleft(field)
        self._size += ENTRY_BYTES + len(field[0]) + len(field[1])
        self._shrink()

    def _shrink(self) -> None:
        while self._size > self._most:
            name, value = self._table.pop()
            self._size -= ENTRY_BYTES + len(name) + len(value)

    def _resized(self, block: bytes) -> int:
        """Changes the table's size as the block's beginning says; where that ends."""
        at = 0
        for _ in range(MAX_RESIZES):
            if block[at : at + 1] < b"\x20" or block[at] & 0xE0 != 0x20:
                break
            self._most, at = _integer(block, at, 0x1F)
            if self._most > TABLE_BYTES:
                raise Unreadable(is_too_large=False)
            self.changes += 1
            self._shrink()
        return at


def size_of(fields: Sequence[Field]) -> int:
    """Bytes of a list of fields, as RFC 9113, section 10.5.1, counts them."""
    return sum([len(name) + len(value) for name, value in fields]) + ENTRY_BYTES * len(fields)


def _integer(block: bytes, at: int, mask: int) -> tuple[int, int]:
    """An integer with a prefix of so many bits, and where it ends.

    Raises:
        IndexError: the block ends before.
        Unreadable: it is larger than any that has a meaning.
    """
    number = block[at] & mask
    at += 1
    if number < mask:
        return number, at
    for shift in range(0, MAX_SHIFT, 7):
        part = block[at]
        at += 1
        number += (part & 0x7F) << shift
        if part < 0x80:
            return number, at
    raise Unreadable(is_too_large=False)


def _string(block: bytes, at: int) -> tuple[bytes, int]:
    """A name or a value, and where it ends.

    Raises:
        IndexError: the block ends before.
        HPACKError: it is not in Huffman's code.
    """
    is_packed = block[at] & 0x80
    length, at = _integer(block, at, 0x7F)
    end = at + length
    if end > len(block):
        raise IndexError(end)
    own = block[at:end]
    return (decode_huffman(own) if is_packed else own), end

"""Bytes held for clients: requests that are not answered yet, and answers that are not sent yet."""

from typing import Final

CONNECTION_BYTES: Final = 64 * 2**20
"""Default limit of one connection."""
PROCESS_BYTES: Final = 256 * 2**20
"""Default limit of all connections of a process."""
KEPT_SHARE: Final = 0.75
"""Share of a limit that remains held after calls were refused for exceeding it. Refusing more than
the excess makes one search for the largest calls pay for many bytes received."""


class Memory:
    """Number of bytes held, and its limit; of one connection, or of the whole process."""

    __slots__ = ("held_bytes", "limit_bytes", "total")

    def __init__(self, limit_bytes: int, total: "Memory | None" = None) -> None:
        """Hold nothing.

        Args:
            limit_bytes: above it calls are refused.
            total: counts the same bytes for the process; None: this is the process.
        """
        self.held_bytes = 0
        self.limit_bytes = limit_bytes
        self.total = total

    def add(self, count: int) -> None:
        """Count `count` more bytes; a negative number releases them."""
        self.held_bytes += count
        if self.total is not None:
            self.total.held_bytes += count

    def fits(self, count: int) -> bool:
        """Whether so many more bytes stay within the limit."""
        return self.held_bytes + count <= self.limit_bytes

    @property
    def is_over(self) -> bool:
        """Whether more is held than the limit of the connection or of the process allows."""
        total = self.total
        return self.held_bytes > self.limit_bytes or (total is not None and total.is_over)

    @property
    def excess_bytes(self) -> int:
        """Bytes to release after the limit was exceeded; 0 or less while it is kept."""
        if self.held_bytes <= self.limit_bytes:
            return 0
        return self.held_bytes - int(KEPT_SHARE * self.limit_bytes)

"""One stream of a connection: a request and its answer."""

from collections import deque
from typing import Any


class Stream:
    """What is known of one stream that is open."""

    __slots__ = (
        "call",
        "cost",
        "has_ended",
        "held",
        "id",
        "is_over",
        "left",
        "owed",
        "queue",
        "room",
        "unsent",
        "window",
    )

    def __init__(self, stream_id: int, room: int, *, has_ended: bool) -> None:
        """Open it.

        Args:
            stream_id: the peer's, odd.
            room: bytes that the peer may send.
            has_ended: whether the peer sends nothing more.
        """
        self.id = stream_id
        self.window = 0
        """Bytes that we may send beyond the connection's initial window; below 0 after some were
        sent."""
        self.cost = 0
        """Units of the connection's budget that its header block took."""
        self.room = room
        """Bytes that the peer may send."""
        self.owed = 0
        """Bytes that were taken, and that the peer has not been told of."""
        self.has_ended = has_ended
        """Whether the peer sends nothing more."""
        self.is_over = False
        """Whether both sides have ended, or it was reset."""
        self.queue: deque[tuple[bytes | memoryview, bool | None]] = deque()
        """What waits for window: data (None), or a header block and whether it ends the stream."""
        self.unsent = 0
        """Bytes of data that wait."""
        self.left: int | None = None
        """Bytes of data that are still to come; None: the request has no content-length."""
        self.held = 0
        """Bytes of the request that its call holds."""
        self.call: Any = None
        """The receiver's own."""

"""What a peer does to end its connection, and checks of a frame's payload."""

from service.wire import frames
from service.wire.frames import MOST_WINDOW, U32


class Fault(Exception):
    """What a peer does to end its connection."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(code, why)
        self.code = code
        self.why = why


def check_dependency(stream_id: int, priority: bytes) -> None:
    """That a stream does not depend on itself (RFC 7540, 5.3.1).

    Raises:
        Fault: it does.
    """
    if U32.unpack_from(priority)[0] & MOST_WINDOW == stream_id:
        raise Fault(frames.PROTOCOL_ERROR, f"stream {stream_id} depends on itself")


def unpadded(payload: bytes) -> bytes:
    """The payload of a padded frame.

    Raises:
        Fault: there is more padding than payload.
    """
    if not payload:
        raise Fault(frames.FRAME_SIZE_ERROR, "a padded frame that does not say how much")
    if payload[0] >= len(payload):
        raise Fault(frames.PROTOCOL_ERROR, "more padding than payload")
    return payload[1 : len(payload) - payload[0]]

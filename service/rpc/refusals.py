"""Refusals as header blocks; those that are alike but for the call's id are made once.

An overloaded replica refuses thousands of calls a second, and every one takes time from those that
it answers.
"""

from base64 import b64encode
from typing import Final, NamedTuple, cast

import grpc

from service.errors import DeadlineGone, Draining, Overloaded
from service.rpc.interceptor import refusal_of
from service.wire.metadata import refusal_block

ALIKE: Final = (Overloaded, Draining, DeadlineGone)
"""Errors whose text is all that tells two of a kind apart."""
PLACE: Final = "PLACEOFTHECALLID"
"""What stands for the id in a pattern: as long as one of ours."""
STATUS_KEY: Final = "grpc-status-details-bin"
MAX_PATTERNS: Final = 2048


class Refused(NamedTuple):
    """A refusal, ready to be sent."""

    code: grpc.StatusCode
    block: bytes
    """All of the answer, as an encoded header block."""


class _Pattern(NamedTuple):
    """A refusal without the id, which stands in a field of its own and within the rich status."""

    code: grpc.StatusCode
    before_id: bytes
    before_status: bytes
    status: bytes
    """Rich status, with PLACE."""
    after_status: bytes

    def of(self, request_id: bytes) -> Refused:
        status = _in_base64(self.status.replace(PLACE.encode(), request_id))
        parts = (self.before_id, request_id, self.before_status, status, self.after_status)
        return Refused(self.code, b"".join(parts))


class Refusals:
    """Of one method."""

    def __init__(self, method: str) -> None:
        self._method = method
        self._patterns: dict[tuple[type[Exception], str], _Pattern] = {}

    def of(self, error: Exception, request_id: str) -> Refused:
        """What the table makes of an error; an unknown one is logged."""
        is_ours = len(request_id) == len(PLACE) and request_id.isascii() and request_id.isalnum()
        if is_ours and isinstance(error, ALIKE):
            return self._pattern(error).of(request_id.encode())
        own = refusal_of(self._method, error, request_id)
        return Refused(own.code, refusal_block(own.code.value[0], own.details, own.metadata))

    def _pattern(self, error: Exception) -> _Pattern:
        key = type(error), str(error)
        if key not in self._patterns:
            if len(self._patterns) >= MAX_PATTERNS:
                self._patterns.clear()
            self._patterns[key] = self._made(error)
        return self._patterns[key]

    def _made(self, error: Exception) -> _Pattern:
        own = refusal_of(self._method, error, PLACE)
        block = refusal_block(own.code.value[0], own.details, own.metadata)
        status = cast("bytes", dict(own.metadata)[STATUS_KEY])
        before_id, _, rest = block.partition(PLACE.encode())
        before_status, _, after = rest.partition(_in_base64(status))
        return _Pattern(own.code, before_id, before_status, status, after)


def _in_base64(value: bytes) -> bytes:
    return b64encode(value).rstrip(b"=")

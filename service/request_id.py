"""The id of the call in progress, for replies, details and log lines."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

MAX_REQUEST_ID = 128
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""Of the call that this task answers; empty outside calls."""


@contextmanager
def named_by(request_id: str) -> Iterator[None]:
    """What is logged within the block belongs to the call of this id."""
    token = REQUEST_ID.set(request_id)
    try:
        yield
    finally:
        REQUEST_ID.reset(token)


def new_request_id() -> str:
    """16 hex digits, at random."""
    return secrets.token_hex(8)


def request_id_of(request: object) -> str:
    """What a call is named: its request's own id where that may be one, else a new one."""
    own = getattr(request, "request_id", "")
    return own if own and is_request_id(own) else new_request_id()


def is_request_id(text: str) -> bool:
    """Whether the text can stand in a log line: printable, not too long."""
    return len(text) <= MAX_REQUEST_ID and text.isprintable()

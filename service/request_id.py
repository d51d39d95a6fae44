"""The id of the call in progress, for replies, details and log lines."""

import secrets
from contextvars import ContextVar

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""Of the call that this task answers; empty outside calls."""


def new_request_id() -> str:
    """16 hex digits, at random."""
    return secrets.token_hex(8)

"""Pages: sizes within their limits, and opaque tokens that fit only the list they came from."""

import base64
import binascii
import json
import re

from service.errors import InvalidRequest, Violation

DEFAULT_SIZE = 100
MAX_SIZE = 1000
MAX_DIGITS = 9
ANYTHING = re.compile(r".*", re.DOTALL)


def page_size_of(asked: int, *, default: int = DEFAULT_SIZE, most: int = MAX_SIZE) -> int:
    """Entries of a page.

    Raises:
        InvalidRequest: the size asked is negative or above `most`.
    """
    if not 0 <= asked <= most:
        message = f"{asked} is not within 0 to {most}; 0 means {default}"
        raise InvalidRequest([Violation("page_size", message)])
    return asked or default


def page_token(scope: str, position: str) -> str:
    """The token of the page that starts after `position` of the list named `scope`."""
    return base64.urlsafe_b64encode(json.dumps([scope, position]).encode()).decode()


def start_of(token: str, scope: str) -> int:
    """Index that the token's page starts at, in a list by number; 0 without a token.

    Raises:
        InvalidRequest: no token of ours, or one of another list.
    """
    after = position_of(token, scope)
    if after is None:
        return 0
    if not (after.isdecimal() and len(after) <= MAX_DIGITS):
        raise _foreign()
    return int(after) + 1


def position_of(token: str, scope: str, form: re.Pattern[str] = ANYTHING) -> str | None:
    """Where the token's page starts after; None: at the beginning.

    Args:
        token: as received.
        scope: of the list.
        form: that every position of the list has.

    Raises:
        InvalidRequest: no token of ours, or one of another list.
    """
    if not token:
        return None
    try:
        own, position = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (binascii.Error, UnicodeDecodeError, ValueError, TypeError, RecursionError):
        own, position = None, None
    if own != scope or not isinstance(position, str) or form.fullmatch(position) is None:
        raise _foreign()
    return position


def _foreign() -> InvalidRequest:
    message = "is not one that this list gave; start again with an empty one"
    return InvalidRequest([Violation("page_token", message)])

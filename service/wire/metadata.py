"""What gRPC puts into header blocks: the head of a request, trailers, metadata.

After "gRPC over HTTP/2" (grpc.github.io, PROTOCOL-HTTP2).
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import quote_from_bytes, unquote

import grpc

from service.wire.blocks import ENTRY_BYTES, size_of
from service.wire.connection import MAX_HEADER_BYTES
from service.wire.headers import Fields, encoded
from service.wire.inflating import WINDOWS
from service.wire.unacceptable import Unacceptable

Metadata: TypeAlias = Iterable[tuple[str, str | bytes]]

TIMEOUT: Final = re.compile(rb" *(\d+) *([HMSmun]) *")
UNIT_S: Final = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
NOT_METADATA: Final = frozenset(
    (
        *(b"te", b"content-type", b"grpc-timeout", b"grpc-encoding", b"grpc-accept-encoding"),
        *(b"grpc-message-type", b"host", b"content-length"),
    )
)
"""Fields that are the protocol's own."""
OWN: Final = NOT_METADATA | {b"grpc-status", b"grpc-message"}
"""The same of answers."""
KEY: Final = re.compile(rb"[0-9a-z_.-]+")
VALUE: Final = re.compile(rb"[ -~]*")
MAX_KEYS: Final = 256
"""Keys of answers that are kept as names."""
INVALID: Final = "Invalid metadata"
TIMEOUT_NAME: Final = b"grpc-timeout"
MAX_HEADS: Final = 256
"""Heads that are kept, of all connections."""
PRINTABLE: Final = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
ENCODINGS: Final = ", ".join(("identity", *WINDOWS))
CONTENT_TYPE: Final = (b"content-type", b"application/grpc")
RESPONSE_BLOCK: Final = encoded(
    (
        (b":status", b"200"),
        CONTENT_TYPE,
        (b"grpc-accept-encoding", ENCODINGS.encode()),
    )
)
"""What every answer begins with that has no initial metadata."""


class CallHead(NamedTuple):
    """The head of a request; made for every call whose deadline is new."""

    path: str
    """/package.Service/Method."""
    timeout_s: float | None
    """What the caller gives us; None: no deadline."""
    encoding: str
    """Of compressed messages."""
    metadata: tuple[tuple[str, str | bytes], ...]
    """The caller's own."""
    refusal: bytes = b""
    """All of the answer to a head that is none; empty: it is one."""


class Unparsable(Exception):
    """A field that gRPC cannot read; its text is what the caller is told."""


def call_head(fields: Fields) -> CallHead:
    """The head of a request that HTTP/2 allows."""
    rest = tuple([field for field in fields if field[0] != TIMEOUT_NAME])
    if len(rest) == len(fields):
        return _timeless(rest, 0)
    text = dict(fields)[TIMEOUT_NAME]
    head = _timeless(rest, ENTRY_BYTES + len(TIMEOUT_NAME) + len(text))
    if head.refusal:
        return head
    try:
        timeout_s = timeout_of(text)
    except Unparsable as fault:
        return CallHead(head.path, None, head.encoding, (), _unparsable(fault))
    refusal = b"" if timeout_s > 0 else LATE
    return CallHead(head.path, timeout_s, head.encoding, head.metadata, refusal)


@lru_cache(MAX_HEADS)
def _timeless(fields: Fields, timeout_bytes: int) -> CallHead:
    """The head of a request but for its timeout, which alone differs from call to call."""
    own = dict(fields)
    path = own[b":path"].decode("latin-1")
    encoding = own.get(b"grpc-encoding", b"identity").decode("latin-1")
    if refusal := _refusal(own, size_of(fields) + timeout_bytes):
        return CallHead(path, None, encoding, (), refusal)
    try:
        return CallHead(path, None, encoding, tuple(_metadata(fields)))
    except Unparsable as fault:
        return CallHead(path, None, encoding, (), _unparsable(fault))


def _unparsable(fault: Unparsable) -> bytes:
    return refusal_block(grpc.StatusCode.INTERNAL.value[0], str(fault))


def _refusal(own: dict[bytes, bytes], size: int) -> bytes:
    """All of the answer to a request that is not gRPC's, or too large; else empty."""
    if own[b":method"] != b"POST":
        return http_block(405)
    if not own.get(b"content-type", b"").startswith(CONTENT_TYPE[1]):
        return http_block(415)
    if size <= MAX_HEADER_BYTES:
        return b""
    details = f"received metadata size exceeds hard limit ({size} vs. {MAX_HEADER_BYTES})"
    return refusal_block(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], details)


def timeout_of(text: bytes) -> float:
    """Seconds.

    Raises:
        Unparsable: it is no timeout.
    """
    if (match := TIMEOUT.fullmatch(text)) is None:
        raise Unparsable("Error parsing 'grpc-timeout' metadata")
    return float(match[1]) * UNIT_S[match[2]]


def _metadata(fields: Fields) -> Iterable[tuple[str, str | bytes]]:
    for name, value in fields:
        if name[:1] == b":" or name in NOT_METADATA:
            continue
        key = name.decode("latin-1")
        if not key.endswith("-bin"):
            yield key, _text(value)
            continue
        try:
            yield from ((key, _from_base64(part.strip())) for part in value.split(b","))
        except NotBase64:
            fault = f"Error parsing '{key}' metadata: illegal base64 encoding"
            raise Unparsable(fault) from None


def _text(value: bytes) -> str:
    """As gRPC gives it to handlers."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _from_base64(text: bytes) -> bytes:
    return b64decode(text + b"=" * (-len(text) % 4), validate=True)


def fields_of(metadata: Metadata) -> Iterable[tuple[bytes, bytes]]:
    """Metadata as header fields; those that are the protocol's own are left out.

    Raises:
        Unacceptable: gRPC's metadata cannot hold it.
    """
    for key, value in metadata:
        name, own = _name(key), _in_bytes(value)
        if name.endswith(b"-bin"):
            own = b64encode(own).rstrip(b"=")
        if VALUE.fullmatch(own) is None:
            raise Unacceptable(grpc.StatusCode.INTERNAL, INVALID)
        if name not in OWN:
            yield name, own


@lru_cache(MAX_KEYS)
def _name(key: str) -> bytes:
    """A key as a field's name.

    Raises:
        Unacceptable: it cannot be one.
    """
    name = _in_bytes(key).lower()
    if KEY.fullmatch(name) is None:
        raise Unacceptable(grpc.StatusCode.INTERNAL, INVALID)
    return name


def _in_bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode("utf-8", "surrogatepass")


def head_block(metadata: Metadata = ()) -> bytes:
    """What an answer begins with.

    Raises:
        Unacceptable: gRPC's metadata cannot hold it.
    """
    own = [*metadata]
    return RESPONSE_BLOCK + encoded(fields_of(own)) if own else RESPONSE_BLOCK


def trailers_block(metadata: Metadata = (), code: int = 0, details: str = "") -> bytes:
    """What an answer ends with.

    Args:
        metadata: trailing; values of keys that end in `-bin` are bytes.
        code: of the status.
        details: of the status.

    Raises:
        Unacceptable: gRPC's metadata cannot hold it.
    """
    fields = [(b"grpc-status", b"%d" % code)]
    if details:
        message = quote_from_bytes(details.encode("utf-8", "replace"), safe=PRINTABLE)
        fields.append((b"grpc-message", message.encode("ascii")))
    return encoded((*fields, *fields_of(metadata)))


def refusal_block(code: int, details: str, metadata: Metadata = ()) -> bytes:
    """All of an answer that has no message.

    Raises:
        Unacceptable: gRPC's metadata cannot hold it.
    """
    return RESPONSE_BLOCK + trailers_block(metadata, code, details)


LATE: Final = refusal_block(grpc.StatusCode.DEADLINE_EXCEEDED.value[0], "Deadline Exceeded")
"""The answer to a call whose deadline passes first."""


def http_block(status: int) -> bytes:
    """All of an answer to what is not gRPC."""
    return encoded(((b":status", b"%d" % status),))


def message_of(text: bytes) -> str:
    """The details of a status, as they were."""
    return unquote(text.decode("ascii"))

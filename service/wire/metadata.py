"""What gRPC puts into header blocks: the head of a request, trailers, metadata.

After "gRPC over HTTP/2" (grpc.github.io, PROTOCOL-HTTP2).
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import quote_from_bytes, unquote

from service.wire.headers import Fields, encoded

Metadata: TypeAlias = Iterable[tuple[str, str | bytes]]

TIMEOUT: Final = re.compile(rb"(\d{1,8})([HMSmun])")
UNIT_S: Final = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
NOT_METADATA: Final = frozenset(
    (
        *(b"te", b"content-type", b"grpc-timeout", b"grpc-encoding", b"grpc-accept-encoding"),
        *(b"grpc-message-type", b"host", b"content-length"),
    )
)
"""Fields that are the protocol's own."""
FIELD_BYTES: Final = 32
"""What each field counts beside its name and value (RFC 9113, section 10.5.1)."""
PRINTABLE: Final = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
ENCODINGS: Final = "identity, deflate, gzip"
CONTENT_TYPE: Final = (b"content-type", b"application/grpc")
RESPONSE_BLOCK: Final = encoded(
    (
        (b":status", b"200"),
        CONTENT_TYPE,
        (b"grpc-accept-encoding", ENCODINGS.encode()),
    )
)
"""What every answer begins with that has no initial metadata."""


@dataclass(frozen=True, slots=True)
class CallHead:
    """The head of a request."""

    path: str
    """/package.Service/Method."""
    timeout_s: float | None
    """What the caller gives us; None: no deadline."""
    encoding: str
    """Of compressed messages."""
    metadata: tuple[tuple[str, str | bytes], ...]
    """The caller's own."""
    http_status: int = 200
    """What is answered instead of gRPC; 200: it is gRPC."""
    size: int = 0
    """Bytes of all fields, as HTTP/2 counts them."""


def call_head(fields: Fields) -> CallHead:
    """The head of a request that HTTP/2 allows."""
    own = dict(fields)
    content_type = own.get(b"content-type", b"")
    is_grpc = content_type.startswith(b"application/grpc")
    status = 405 if own[b":method"] != b"POST" else 200 if is_grpc else 415
    return CallHead(
        path=own[b":path"].decode("latin-1"),
        timeout_s=timeout_of(own.get(b"grpc-timeout")),
        encoding=own.get(b"grpc-encoding", b"identity").decode("latin-1"),
        metadata=tuple(_metadata(fields)),
        http_status=status,
        size=sum(len(name) + len(value) + FIELD_BYTES for name, value in fields),
    )


def timeout_of(text: bytes | None) -> float | None:
    """Seconds; None: there is none, or it is none (as gRPC's own server takes it)."""
    match = TIMEOUT.fullmatch(text) if text else None
    return float(match[1]) * UNIT_S[match[2]] if match else None


def _metadata(fields: Fields) -> Iterable[tuple[str, str | bytes]]:
    for name, value in fields:
        if name[:1] == b":" or name in NOT_METADATA:
            continue
        key = name.decode("latin-1")
        if not key.endswith("-bin"):
            yield key, value.decode("latin-1")
            continue
        for part in value.split(b","):
            yield key, _from_base64(part.strip())


def _from_base64(text: bytes) -> bytes:
    try:
        return b64decode(text + b"=" * (-len(text) % 4))
    except NotBase64:
        return b""


def fields_of(metadata: Metadata) -> Iterable[tuple[bytes, bytes]]:
    """Metadata as header fields."""
    for key, value in metadata:
        name = key.lower().encode("latin-1")
        if key.endswith("-bin"):
            raw = value.encode("latin-1") if isinstance(value, str) else value
            yield name, b64encode(raw).rstrip(b"=")
        else:
            yield name, value.encode("latin-1") if isinstance(value, str) else value


def head_block(metadata: Metadata = ()) -> bytes:
    """What an answer begins with."""
    own = [*metadata]
    return RESPONSE_BLOCK + encoded(fields_of(own)) if own else RESPONSE_BLOCK


def trailers_block(metadata: Metadata = (), code: int = 0, details: str = "") -> bytes:
    """What an answer ends with.

    Args:
        metadata: trailing; values of keys that end in `-bin` are bytes.
        code: of the status.
        details: of the status.
    """
    fields = [(b"grpc-status", b"%d" % code)]
    if details:
        message = quote_from_bytes(details.encode("utf-8", "replace"), safe=PRINTABLE)
        fields.append((b"grpc-message", message.encode("ascii")))
    return encoded((*fields, *fields_of(metadata)))


def refusal_block(code: int, details: str, metadata: Metadata = ()) -> bytes:
    """All of an answer that has no message."""
    return encoded(((b":status", b"200"), CONTENT_TYPE)) + trailers_block(metadata, code, details)


def http_block(status: int) -> bytes:
    """All of an answer to what is not gRPC."""
    return encoded(((b":status", b"%d" % status),))


def message_of(text: bytes) -> str:
    """The details of a status, as they were."""
    return unquote(text.decode("ascii"))

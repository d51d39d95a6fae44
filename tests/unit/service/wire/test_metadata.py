"""Heads, trailers and metadata as header fields."""

import re
from typing import Any

import grpc
import pytest
from hpack import Decoder
from hypothesis import given
from hypothesis import strategies as st

from service.wire.blocks import ENTRY_BYTES
from service.wire.connection import MAX_HEADER_BYTES
from service.wire.headers import Fields
from service.wire.metadata import (
    call_head,
    fields_of,
    head_block,
    http_block,
    message_of,
    refusal_block,
    trailers_block,
)
from service.wire.unacceptable import Unacceptable

NEEDED = (
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/wire.Test/Call"),
    (b"content-type", b"application/grpc"),
    (b"te", b"trailers"),
)


def fields(block: bytes) -> dict[str, str]:
    return {str(name): str(value) for name, value in Decoder().decode(block)}


def changed(name: bytes, value: bytes | None) -> Fields:
    own = dict(NEEDED)
    if value is None:
        del own[name]
    else:
        own[name] = value
    return tuple(own.items())


def test_a_head_names_its_method() -> None:
    assert call_head(NEEDED).path == "/wire.Test/Call"


def test_a_head_without_a_timeout_has_none() -> None:
    assert call_head(NEEDED).timeout_s is None


def test_a_head_without_an_encoding_is_identity() -> None:
    assert call_head(NEEDED).encoding == "identity"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"2H", 7200.0),
        (b"3M", 180.0),
        (b"5S", 5.0),
        (b"250m", 0.25),
        (b"7u", 7e-6),
        (b"9n", 9e-9),
        (b"0S", 0.0),
        (b"99999999H", 99_999_999 * 3600.0),
    ],
)
def test_a_timeout_is_seconds(text: bytes, expected: float) -> None:
    assert call_head((*NEEDED, (b"grpc-timeout", text))).timeout_s == pytest.approx(expected)


def test_a_head_that_was_seen_has_a_timeout_of_its_own() -> None:
    own = [call_head((*NEEDED, (b"grpc-timeout", text))).timeout_s for text in (b"1S", b"2S")]
    assert own == [1.0, 2.0]


@pytest.mark.parametrize("over", [0, 1])
def test_a_timeout_counts_as_metadata(over: int) -> None:
    timeout = (b"grpc-timeout", b"1S")
    size = sum(len(name) + len(value) + ENTRY_BYTES for name, value in (*NEEDED, timeout))
    filler = (b"x", b"x" * (MAX_HEADER_BYTES - size - ENTRY_BYTES - 1 + over))
    assert bool(call_head((*NEEDED, timeout, filler)).refusal) is bool(over)


@pytest.mark.parametrize("text", [b"", b"S", b"5", b"5s", b"-1S", b"1.5S", b"1S1S", b"x"])
def test_what_is_no_timeout_is_refused(text: bytes) -> None:
    told = fields(call_head((*NEEDED, (b"grpc-timeout", text))).refusal)
    assert (told["grpc-status"], message_of(told["grpc-message"].encode())) == (
        "13",
        "Error parsing 'grpc-timeout' metadata",
    )


def test_the_protocols_own_fields_are_no_metadata() -> None:
    own = (
        (b"grpc-timeout", b"1S"),
        (b"grpc-encoding", b"gzip"),
        (b"grpc-accept-encoding", b"gzip"),
    )
    assert call_head((*NEEDED, *own)).metadata == ()


def test_metadata_keep_their_order_and_their_doubles() -> None:
    own = ((b"b", b"1"), (b"a", b"2"), (b"b", b"3"))
    assert call_head((*NEEDED, *own)).metadata == (("b", "1"), ("a", "2"), ("b", "3"))


@pytest.mark.parametrize("text", [b"AP8=", b"AP8"])
def test_a_binary_value_comes_with_and_without_its_padding(text: bytes) -> None:
    assert call_head((*NEEDED, (b"key-bin", text))).metadata == (("key-bin", b"\x00\xff"),)


def test_a_binary_value_that_is_none_is_refused() -> None:
    told = fields(call_head((*NEEDED, (b"key-bin", b"!!"))).refusal)
    assert told["grpc-status"] == "13"


@pytest.mark.parametrize("value", [b"application/json", b"text/plain", None])
def test_what_is_not_grpc_is_an_unsupported_media_type(value: bytes | None) -> None:
    assert call_head(changed(b"content-type", value)).refusal == http_block(415)


@pytest.mark.parametrize("value", [b"application/grpc+proto", b"application/grpc;charset=utf-8"])
def test_every_subtype_of_grpc_is_taken(value: bytes) -> None:
    assert call_head(changed(b"content-type", value)).refusal == b""


def test_another_method_of_http_is_not_allowed() -> None:
    assert call_head(changed(b":method", b"GET")).refusal == http_block(405)


def test_a_head_without_te_is_taken() -> None:
    assert call_head(changed(b"te", None)).refusal == b""


@pytest.mark.parametrize(("over", "is_refused"), [(0, False), (1, True)])
def test_metadata_up_to_the_limit_are_taken(over: int, is_refused: bool) -> None:
    size = sum(len(name) + len(value) + ENTRY_BYTES for name, value in NEEDED)
    value = b"x" * (MAX_HEADER_BYTES - size - ENTRY_BYTES - 1 + over)
    assert bool(call_head((*NEEDED, (b"k", value))).refusal) is is_refused


def test_trailers_of_an_answer_are_its_status() -> None:
    assert fields(trailers_block()) == {"grpc-status": "0"}


def test_trailers_hold_metadata() -> None:
    told = fields(trailers_block((("Key", "value"), ("key-bin", b"\x00\xff"))))
    assert told == {"grpc-status": "0", "key": "value", "key-bin": "AP8"}


@pytest.mark.parametrize(
    "details", ["plain", "100 %", "\u00fc\u2013\U0001f600", "two\nlines", "a%41"]
)
def test_details_come_as_they_were(details: str) -> None:
    told = fields(trailers_block((), 3, details))
    assert message_of(told["grpc-message"].encode("ascii")) == details


@given(st.text())
def test_any_details_come_as_they_were(details: str) -> None:
    told = fields(trailers_block((), 3, details))
    assert message_of(told.get("grpc-message", "").encode("ascii")) == details


@given(st.text(st.characters()))
def test_any_details_are_printable_on_the_wire(details: str) -> None:
    """Halves of surrogate pairs too, which no UTF-8 has."""
    block = refusal_block(3, details)
    assert re.fullmatch("[ -~]*", fields(block).get("grpc-message", ""))


@given(st.binary(), st.booleans())
def test_any_bytes_come_through_a_binary_field(value: bytes, is_padded: bool) -> None:
    [(name, text)] = fields_of((("key-bin", value),))
    if is_padded:
        text += b"=" * (-len(text) % 4)
    assert call_head((*NEEDED, (name, text))).metadata == (("key-bin", value),)


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_any_printable_text_comes_through_a_field(value: str) -> None:
    assert call_head((*NEEDED, *fields_of((("key", value),)))).metadata == (("key", value),)


@given(st.sampled_from([b"key", b"key-bin", b"grpc-timeout", b"grpc-encoding"]), st.binary())
def test_any_value_of_a_field_is_taken_or_refused(name: bytes, value: bytes) -> None:
    head = call_head((*NEEDED, (name, value)))
    assert head.refusal == b"" or head.metadata == ()


@pytest.mark.parametrize(
    "field",
    [
        pytest.param(("k", "\u65e5"), id="not ASCII"),
        pytest.param(("k", b"\xff"), id="bytes that are not ASCII"),
        pytest.param(("k", "a\r\nb"), id="two lines"),
        pytest.param(("k", "\0"), id="a zero"),
        pytest.param(("k", "\ud800"), id="half a pair"),
        pytest.param(("k k", "x"), id="a blank in the key"),
        pytest.param(("k:", "x"), id="a colon in the key"),
        pytest.param(("\u65e5", "x"), id="a key that is not ASCII"),
        pytest.param(("", "x"), id="no key"),
    ],
)
def test_metadata_that_http2_has_no_room_for_are_not_sent(field: tuple[str, str | bytes]) -> None:
    with pytest.raises(Unacceptable, match="Invalid metadata"):
        trailers_block((field,))


@pytest.mark.parametrize("key", ["grpc-status", "grpc-message", "grpc-encoding", "content-type"])
def test_metadata_do_not_speak_for_the_protocol(key: str) -> None:
    assert fields(trailers_block(((key, "9"),))) == {"grpc-status": "0"}


def test_the_text_of_a_binary_field_is_sent_as_utf_8() -> None:
    assert fields(trailers_block((("key-bin", "\u00fc"),)))["key-bin"] == "w7w"


def test_a_number_is_sent_as_its_text() -> None:
    own: Any = (("key", 5),)
    assert fields(trailers_block(own))["key"] == "5"


def test_details_are_printable_on_the_wire() -> None:
    told = fields(trailers_block((), 3, "\u00fc\n%"))
    assert told["grpc-message"] == "%C3%BC%0A%25"


def test_a_refusal_is_a_whole_answer() -> None:
    block = refusal_block(grpc.StatusCode.NOT_FOUND.value[0], "gone", (("key", "value"),))
    assert fields(block) == {
        ":status": "200",
        "content-type": "application/grpc",
        "grpc-accept-encoding": "identity, deflate, gzip",
        "grpc-status": "5",
        "grpc-message": "gone",
        "key": "value",
    }


def test_an_answer_begins_with_its_initial_metadata() -> None:
    assert fields(head_block((("key", "value"),))) == fields(head_block()) | {"key": "value"}


def test_an_answer_says_what_may_be_compressed() -> None:
    assert fields(head_block())["grpc-accept-encoding"] == "identity, deflate, gzip"

"""Messages within the data of a stream, however they are cut."""

import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.wire.inflating import Inflation
from service.wire.messages import PREFIX_BYTES, Messages, framed, is_plain
from service.wire.unacceptable import Unacceptable

MOST = 1000
PACKED: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}


def put_together(*parts: bytes, encoding: str = "identity", most: int = MOST) -> Messages:
    messages = Messages(encoding, most)
    for part in parts:
        messages.add(part)
    return messages


def taken(messages: Messages) -> list[bytes]:
    return [plain(messages.take()) for _ in range(len(messages))]


def plain(message: bytes | Inflation) -> bytes:
    """The message, inflated if need be."""
    while isinstance(message, Inflation):
        if (whole := message.step()) is not None:
            return whole
    return message


def packed(message: bytes, encoding: str) -> bytes:
    own = PACKED[encoding](message)
    return b"\x01" + len(own).to_bytes(4, "big") + own


def refusal(*parts: bytes, encoding: str = "identity") -> Unacceptable:
    with pytest.raises(Unacceptable) as caught:
        taken(put_together(*parts, encoding=encoding))
    return caught.value


def test_a_whole_message_is_there_at_once() -> None:
    assert taken(put_together(framed(b"whole"))) == [b"whole"]


def test_an_empty_message_is_a_message() -> None:
    assert taken(put_together(framed(b""))) == [b""]


def test_a_message_in_single_bytes_is_put_together() -> None:
    parts = [bytes((byte,)) for byte in framed(b"apart")]
    assert taken(put_together(*parts)) == [b"apart"]


@pytest.mark.parametrize("cut", range(1, 24))
def test_two_messages_cut_anywhere_are_two(cut: int) -> None:
    data = framed(b"first") + framed(b"and second")
    assert taken(put_together(data[:cut], data[cut:])) == [b"first", b"and second"]


def test_a_message_in_tiny_parts_takes_little_more_than_its_size() -> None:
    messages, size = put_together(framed(bytes(2**20))[:PREFIX_BYTES], most=2**20), 100_000
    tracemalloc.start()
    for number in range(size // 2):
        messages.add(number.to_bytes(2))
    taken_bytes = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert taken_bytes < 2 * size


@given(
    st.lists(st.tuples(st.binary(max_size=60), st.booleans()), max_size=8),
    st.lists(st.integers(0, 600), max_size=12),
    st.sampled_from([*PACKED]),
)
def test_messages_come_as_they_were_however_they_are_cut(
    sent: list[tuple[bytes, bool]], cuts: list[int], encoding: str
) -> None:
    data = b"".join(packed(own, encoding) if is_packed else framed(own) for own, is_packed in sent)
    bounds = [0, *sorted(at for at in cuts if at < len(data)), len(data)]
    messages = put_together(*(data[at:end] for at, end in pairwise(bounds)), encoding=encoding)
    assert taken(messages) == [own for own, _ in sent]
    assert not messages.is_partial


@given(st.lists(st.binary(max_size=20), max_size=8))
def test_any_bytes_are_messages_or_unacceptable(parts: list[bytes]) -> None:
    with suppress(Unacceptable):
        taken(put_together(*parts, encoding="gzip"))


@given(st.binary(max_size=60), st.integers(0, 200), st.integers(0, 255))
def test_a_compressed_message_with_a_changed_byte_is_one_or_unacceptable(
    message: bytes, at: int, byte: int
) -> None:
    own = bytearray(packed(message, "gzip"))
    own[5 + at % (len(own) - 5)] = byte
    with suppress(Unacceptable):
        taken(put_together(bytes(own), encoding="gzip"))


def test_many_messages_of_one_part_come_in_their_order() -> None:
    own = [b"%d" % number for number in range(100)]
    assert taken(put_together(b"".join(map(framed, own)))) == own


def test_the_beginning_of_a_message_is_no_message() -> None:
    messages = put_together(framed(b"cut off")[:-1])
    assert (len(messages), messages.is_partial) == (0, True)


def test_nothing_is_left_behind_a_whole_message() -> None:
    assert not put_together(framed(b"whole")).is_partial


def test_no_data_is_no_message() -> None:
    messages = put_together(b"", b"")
    assert (len(messages), messages.is_partial) == (0, False)


def test_a_message_of_the_largest_size_is_taken() -> None:
    assert taken(put_together(framed(b"x" * MOST))) == [b"x" * MOST]


def test_a_message_too_large_is_refused_by_its_prefix() -> None:
    fault = refusal(framed(b"x" * (MOST + 1))[:5])
    assert (fault.code, fault.details) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "SERVER: Received message larger than max (1001 vs. 1000)",
    )


def test_messages_before_one_too_large_can_be_taken() -> None:
    messages = Messages("identity", MOST)
    with pytest.raises(Unacceptable):
        messages.add(framed(b"good") + framed(b"x" * (MOST + 1)))
    assert taken(messages) == [b"good"]


@pytest.mark.parametrize("encoding", PACKED)
def test_a_compressed_message_is_decompressed(encoding: str) -> None:
    assert taken(put_together(packed(b"smaller", encoding), encoding=encoding)) == [b"smaller"]


@pytest.mark.parametrize("encoding", PACKED)
def test_a_message_that_grows_beyond_the_limit_is_refused(encoding: str) -> None:
    fault = refusal(packed(b"\x00" * (MOST + 1), encoding), encoding=encoding)
    assert fault.code is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("encoding", PACKED)
def test_a_message_that_is_cut_off_within_its_compression_is_refused(encoding: str) -> None:
    whole = PACKED[encoding](b"cut off")[:-3]
    fault = refusal(b"\x01" + len(whole).to_bytes(4, "big") + whole, encoding=encoding)
    assert fault.code is grpc.StatusCode.INTERNAL


@pytest.mark.parametrize("encoding", PACKED)
def test_a_message_that_grows_up_to_the_limit_is_taken(encoding: str) -> None:
    assert taken(put_together(packed(bytes(MOST), encoding), encoding=encoding)) == [bytes(MOST)]


@pytest.mark.parametrize("encoding", PACKED)
def test_a_bomb_is_not_unpacked(encoding: str) -> None:
    fault = refusal(packed(bytes(900_000), encoding), encoding=encoding)
    assert fault.details == "Decompressed message larger than max"


def test_bytes_that_do_not_decompress_are_refused() -> None:
    fault = refusal(b"\x01\x00\x00\x00\x04none", encoding="gzip")
    assert fault.code is grpc.StatusCode.INTERNAL


def test_a_compressed_message_without_an_encoding_is_refused() -> None:
    fault = refusal(packed(b"of what", "gzip"))
    assert fault.code is grpc.StatusCode.INTERNAL


def test_a_message_is_decompressed_only_once_it_is_taken() -> None:
    messages = put_together(packed(b"good", "gzip"), b"\x01\x00\x00\x00\x04none", encoding="gzip")
    assert (plain(messages.take()), len(messages)) == (b"good", 1)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (framed(b"whole"), True),
        (framed(b""), True),
        (framed(b"x" * MOST), True),
        (framed(b"x" * (MOST + 1)), False),
        (framed(b"cut off")[:-1], False),
        (framed(b"one") + framed(b"two"), False),
        (packed(b"smaller", "gzip"), False),
        (b"\x00\x00", False),
        (b"", False),
    ],
)
def test_only_one_whole_message_is_plain(data: bytes, expected: bool) -> None:
    assert is_plain(data, MOST) is expected

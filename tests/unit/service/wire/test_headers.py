"""Heads of requests: read once where nothing has changed, refused where HTTP/2 forbids them."""

import tracemalloc

import pytest
from hpack import Decoder, Encoder
from hypothesis import given
from hypothesis import strategies as st

from service.wire.blocks import Field, Unreadable
from service.wire.headers import (
    KEPT_FIELDS,
    KEPT_LIST_BYTES,
    MAX_KEPT,
    Fields,
    HeaderReader,
    Malformed,
    encoded,
)

REQUEST: list[Field] = [
    *((b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/a.B/C"), (b":authority", b"h")),
    *((b"content-type", b"application/grpc"), (b"te", b"trailers")),
]
MOST = 65_536
NEWEST = b"\xbe"
"""The entry of the table that was added last."""


class Asked:
    """A reader, and what it had made into a head."""

    def __init__(self) -> None:
        self.seen: list[Fields] = []
        self.reader = HeaderReader(self.head, MOST)

    def head(self, fields: Fields) -> int:
        self.seen.append(fields)
        return len(self.seen)


def with_field(name: bytes, value: bytes) -> list[Field]:
    return [*REQUEST, (name, value)]


def without(name: bytes) -> list[Field]:
    return [field for field in REQUEST if field[0] != name]


def test_a_head_has_the_fields_in_their_order() -> None:
    own = Asked()
    own.reader.read(Encoder().encode(REQUEST))
    assert own.seen == [tuple(REQUEST)]


def test_a_block_that_changes_nothing_is_read_once() -> None:
    own, encoder = Asked(), Encoder()
    encoder.encode(REQUEST)
    own.reader.read(Encoder().encode(REQUEST))
    heads = [own.reader.read(encoder.encode(REQUEST)) for _ in range(3)]
    assert heads == [2, 2, 2]


def test_a_block_is_read_anew_once_the_table_has_changed() -> None:
    own, encoder, block = Asked(), Encoder(), encoded(REQUEST) + NEWEST
    for value in (b"1", b"2"):
        own.reader.skip(encoder.encode([(b"x-a", value)]))
        own.reader.read(block)
    assert [fields[-1] for fields in own.seen] == [(b"x-a", b"1"), (b"x-a", b"2")]


def test_a_block_is_read_anew_once_the_table_is_empty() -> None:
    own, encoder = Asked(), Encoder()
    own.reader.read(encoder.encode(REQUEST))
    block = encoder.encode(REQUEST)
    own.reader.read(block)
    own.reader.skip(b"\x20")
    with pytest.raises(Unreadable):
        own.reader.read(block)


FEW: list[Field] = [
    *((b"grpc-timeout", b"1S"), (b"grpc-timeout", b"2S"), (b"grpc-timeout", b"999m")),
    *((b"x-id", b"1"), (b"x-id", b"2"), (b"x-large", b"a" * 1500), (b"x-large", b"b" * 1500)),
    *((b"user-agent", b"grpc-go"), (b"x-larger-than-the-table", b"c" * 4096), (b"x-empty", b"")),
]
LISTS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from(FEW), st.booleans()), max_size=5),
        st.sampled_from([None, None, None, None, 0, 60, 200, 4096]),
        st.booleans(),
    ),
    max_size=30,
)


@given(LISTS)
def test_every_head_of_a_connection_is_what_was_sent(
    lists: list[tuple[list[tuple[Field, bool]], int | None, bool]],
) -> None:
    """Whatever is kept, and however the table has changed between."""
    reader, encoder = HeaderReader(tuple[Field, ...], MOST), Encoder()
    for more, table_size, is_packed in lists:
        if table_size is not None:
            encoder.header_table_size = table_size
        fields = [*REQUEST, *(field for field, _ in more)]
        is_secret = [False] * len(REQUEST) + [own for _, own in more]
        sent = [(*field, own) for field, own in zip(fields, is_secret, strict=True)]
        assert reader.read(encoder.encode(sent, huffman=is_packed)) == tuple(fields)


def test_no_more_blocks_are_kept_than_allowed() -> None:
    own, encoder = Asked(), Encoder()
    own.reader.read(encoder.encode(REQUEST))
    blocks = [encoder.encode(REQUEST) + encoded([(b"x", b"%d" % at)]) for at in range(MAX_KEPT + 1)]
    for block in (*blocks, blocks[0]):
        own.reader.read(block)
    assert len(own.seen) == 1 + len(blocks) + 1


def test_a_block_of_many_fields_is_not_kept() -> None:
    own, encoder = Asked(), Encoder()
    own.reader.read(encoder.encode(REQUEST))
    block = encoder.encode(REQUEST) + b"\x90" * KEPT_FIELDS
    assert [own.reader.read(block), own.reader.read(block)] == [2, 3]


def copied(fields: Fields) -> list[bytes]:
    """A head that shares no bytes with the table."""
    return [bytes(bytearray(value)) for _, value in fields]


def test_small_blocks_that_mean_much_hold_little() -> None:
    reader = HeaderReader(copied, MOST)
    reader.read(Encoder().encode([*REQUEST, (b"x-large", b"a" * 3900)]))
    tracemalloc.start()
    for at in range(MAX_KEPT - 1):
        reader.read(encoded(REQUEST) + NEWEST * 3 + encoded([(b"x", b"%d" % at)]))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 4 * KEPT_LIST_BYTES


def test_fields_that_are_known_to_be_sound_hold_little() -> None:
    reader = HeaderReader(copied, MOST)
    tracemalloc.start()
    for at in range(MAX_KEPT - 1):
        reader.read(encoded(with_field(b"x", b"%0900d" % at)))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 4 * KEPT_LIST_BYTES


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(without(b":method"), id="no method"),
        pytest.param(without(b":scheme"), id="no scheme"),
        pytest.param(without(b":path"), id="no path"),
        pytest.param([(b":path", b""), *without(b":path")], id="an empty path"),
        pytest.param([(b":path", b"/"), *REQUEST], id="two paths"),
        pytest.param([*without(b":path"), (b":path", b"/")], id="a path behind a field"),
        pytest.param([(b":status", b"200"), *REQUEST], id="a status"),
        pytest.param([], id="nothing"),
        pytest.param(with_field(b"X-a", b""), id="upper case"),
        pytest.param(with_field(b"", b""), id="no name"),
        pytest.param(with_field(b"x a", b""), id="a blank in a name"),
        pytest.param(with_field(b"x:a", b""), id="a colon in a name"),
        pytest.param(with_field(b"x\x7f", b""), id="a control in a name"),
        pytest.param(with_field(b"x-\xc3\xa4", b""), id="a name that is not ASCII"),
        pytest.param(with_field(b"x", b"a\nb"), id="a new line in a value"),
        pytest.param(with_field(b"x", b"a\rb"), id="a return in a value"),
        pytest.param(with_field(b"x", b"a\0b"), id="a zero in a value"),
        pytest.param(with_field(b"te", b"gzip"), id="te"),
        pytest.param(with_field(b"connection", b"close"), id="connection"),
        pytest.param(with_field(b"proxy-connection", b"close"), id="proxy-connection"),
        pytest.param(with_field(b"keep-alive", b"1"), id="keep-alive"),
        pytest.param(with_field(b"transfer-encoding", b"chunked"), id="transfer-encoding"),
        pytest.param(with_field(b"upgrade", b"h2c"), id="upgrade"),
    ],
)
def test_a_request_that_http2_forbids_is_malformed(fields: list[Field]) -> None:
    with pytest.raises(Malformed):
        Asked().reader.read(encoded(fields))


def test_a_field_that_http2_forbids_is_so_at_every_request() -> None:
    own, block = Asked(), encoded(with_field(b"upgrade", b"h2c"))
    for _ in range(2):
        with pytest.raises(Malformed):
            own.reader.read(block)


@pytest.mark.parametrize("name", [b":path", b"Upper", b"connection"])
def test_trailers_that_http2_forbids_are_malformed(name: bytes) -> None:
    with pytest.raises(Malformed):
        Asked().reader.trailers(encoded([(name, b"/")]))


def test_a_request_without_an_authority_is_one() -> None:
    own = Asked()
    own.reader.read(encoded(without(b":authority")))
    assert own.seen == [tuple(without(b":authority"))]


@given(st.lists(st.tuples(st.binary(max_size=300), st.binary(max_size=300)), max_size=5))
def test_what_is_written_is_read_by_the_library(fields: list[Field]) -> None:
    read = Decoder().decode(encoded(fields), raw=True)
    assert [(bytes(name), bytes(value)) for name, value in read] == fields


@pytest.mark.parametrize("size", [0, 126, 127, 128, 254, 255, 256, 16_510, 16_511])
def test_a_length_of_several_bytes_is_written(size: int) -> None:
    read = Decoder(10**6).decode(encoded([(b"x", b"a" * size)]), raw=True)
    assert [len(value) for _, value in read] == [size]


def test_a_status_of_200_is_one_byte() -> None:
    assert len(encoded([(b":status", b"200")])) == 1


def test_what_is_written_leaves_the_readers_table_alone() -> None:
    decoder = Decoder()
    decoder.decode(encoded([(b":status", b"200"), (b"x-a", b"1")]))
    assert not decoder.header_table.dynamic_entries

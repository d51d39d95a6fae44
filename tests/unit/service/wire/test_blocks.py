"""Header blocks as fields: as the hpack library reads them, and bounded."""

import pytest
from hpack import Decoder, Encoder, HPACKError
from hypothesis import given
from hypothesis import strategies as st

from service.wire.blocks import BlockReader, Field, Unreadable

MOST = 10_000
REQUEST: list[Field] = [
    *((b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/")),
    (b":authority", b"www.example.com"),
]
TEXTS = st.binary(max_size=60) | st.sampled_from([b":path", b"/", b"te", b"x-a", b"x" * 1000])
LISTS = st.lists(st.lists(st.tuples(TEXTS, TEXTS), max_size=8), max_size=8)


def read(*blocks: bytes, most: int = MOST) -> list[list[Field]]:
    reader = BlockReader(most)
    return [reader.fields(block) for block in blocks]


def unreadable(*blocks: bytes, most: int = MOST) -> bool:
    """Whether the last block is refused for its size."""
    reader = BlockReader(most)
    for block in blocks[:-1]:
        reader.fields(block)
    with pytest.raises(Unreadable) as caught:
        reader.fields(blocks[-1])
    return caught.value.is_too_large


def library(blocks: list[bytes]) -> list[list[Field] | None]:
    """What the hpack library reads; None once it cannot."""
    decoder, own = Decoder(10**9), list[list[Field] | None]()
    for block in blocks:
        try:
            fields = decoder.decode(block, raw=True)
        except HPACKError:
            return [*own, None]
        own.append([(bytes(name), bytes(value)) for name, value in fields])
    return own


def test_the_standards_example_is_read_with_its_table() -> None:
    """RFC 7541, appendix C.4: three requests in Huffman's code."""
    blocks = (
        bytes.fromhex("828684418cf1e3c2e5f23a6ba0ab90f4ff"),
        bytes.fromhex("828684be5886a8eb10649cbf"),
        bytes.fromhex("828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"),
    )
    assert read(*blocks) == [
        REQUEST,
        [*REQUEST, (b"cache-control", b"no-cache")],
        [
            *((b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/index.html")),
            *((b":authority", b"www.example.com"), (b"custom-key", b"custom-value")),
        ],
    ]


@given(LISTS, st.booleans())
def test_what_the_librarys_encoder_writes_is_read(
    lists: list[list[Field]], is_packed: bool
) -> None:
    encoder = Encoder()
    blocks = [encoder.encode(own, huffman=is_packed) for own in lists]
    assert read(*blocks, most=10**6) == lists


@given(st.lists(st.sampled_from([0, 100, 1000, 4096]), min_size=1, max_size=6))
def test_a_table_that_changes_its_size_is_followed(sizes: list[int]) -> None:
    encoder, blocks = Encoder(), []
    for number, size in enumerate(sizes):
        encoder.header_table_size = size
        blocks.append(encoder.encode([(b"x-%d" % (number % 3), b"a" * 40), *REQUEST]))
    assert read(*blocks) == library(blocks)


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_any_bytes_are_read_as_by_the_library_or_refused(blocks: list[bytes]) -> None:
    known, reader = library(blocks), BlockReader(10**6)
    for block, own in zip(blocks, known, strict=False):
        try:
            fields = reader.fields(block)
        except Unreadable:
            return  # the standard asks for more than the library does
        assert fields == own


def test_a_literal_that_is_never_indexed_leaves_the_table_alone() -> None:
    reader = BlockReader(MOST)
    reader.fields(Encoder().encode([(b"x-secret", b"a", True)]))
    assert reader.changes == 0


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(b"\x80", id="entry 0"),
        pytest.param(b"\xbe", id="an entry beyond the table"),
        pytest.param(b"\xff\x80\x80\x80\x80\x80\x01", id="an integer without end"),
        pytest.param(b"\xff", id="half an integer"),
        pytest.param(b"\x00", id="no name"),
        pytest.param(b"\x00\x05abc", id="half a name"),
        pytest.param(b"\x00\x01a", id="no value"),
        pytest.param(b"\x00\x01a\x7f\x80", id="half a length"),
        pytest.param(b"\x00\x01a\x81\x00", id="not Huffman's code"),
        pytest.param(b"\x7f\x00\x01a", id="the name of an entry beyond the table"),
        pytest.param(b"\x3f\xe2\x1f", id="a table of 4097 bytes"),
        pytest.param(b"\x82\x20", id="a table resized behind a field"),
        pytest.param(b"\x20\x20\x20", id="a table resized three times"),
    ],
)
def test_a_block_that_is_none_is_refused(block: bytes) -> None:
    assert unreadable(block) is False


@pytest.mark.parametrize("size", [126, 127, 128, 254, 255, 256, 383, 1000, 2175, 2176])
def test_a_length_of_several_bytes_is_read(size: int) -> None:
    """Some of whose bytes are empty but for their mark."""
    own = Encoder().encode([(b"x", b"a" * size)], huffman=False)
    assert read(own) == [[(b"x", b"a" * size)]]


def test_an_entry_that_was_pushed_out_is_gone() -> None:
    first = Encoder().encode([(b"x-a", b"a" * 3000)])
    second = Encoder().encode([(b"x-b", b"b" * 3000)])
    assert unreadable(first, second, b"\xbf") is False


def test_an_entry_larger_than_the_table_empties_it() -> None:
    first = Encoder().encode([(b"x-a", b"a")])
    large = b"\x40\x03x-b\x7f\x81\x27" + b"b" * 5120
    assert unreadable(first, large, b"\xbe") is False


def test_a_table_of_no_bytes_forgets_everything() -> None:
    assert unreadable(Encoder().encode([(b"x-a", b"a")]), b"\x20", b"\xbe") is False


def test_few_bytes_that_stand_for_many_are_too_large() -> None:
    entry = Encoder().encode([(b"x-a", b"a" * 3000)])
    assert unreadable(entry, b"\xbe" * 4) is True


def test_each_field_counts_32_bytes_more() -> None:
    assert unreadable(b"\x82" * 10, most=10 * (7 + 3 + 32) - 1) is True


def test_a_list_of_the_most_bytes_is_read() -> None:
    assert read(b"\x82" * 10, most=10 * (7 + 3 + 32)) == [[(b":method", b"GET")] * 10]

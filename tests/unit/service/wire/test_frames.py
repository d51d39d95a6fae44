"""Frames as bytes: the hyperframe library reads what was meant."""

from itertools import pairwise

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from hypothesis import given
from hypothesis import strategies as st

from service.wire import frames

NUMBERS = st.integers(0, frames.MOST_WINDOW // 2).map(lambda at: 2 * at + 1)
VALUES = st.integers(0, 2**32 - 1)


def read(written: bytes) -> list[Frame]:
    """The frames of these bytes."""
    own, at = list[Frame](), 0
    while at < len(written):
        frame, size = Frame.parse_frame_header(memoryview(written[at : at + 9]))
        frame.parse_body(memoryview(written[at + 9 : at + 9 + size]))
        own.append(frame)
        at += 9 + size
    return own


def only(written: bytes) -> Frame:
    [frame] = read(written)
    return frame


@given(st.dictionaries(st.integers(0, 2**16 - 1), VALUES, max_size=8))
def test_settings_are_read(values: dict[int, int]) -> None:
    own = only(frames.settings(values))
    assert isinstance(own, SettingsFrame)
    assert own.settings == values


@given(st.just(0) | NUMBERS, st.integers(1, frames.MOST_WINDOW))
def test_a_window_is_read(stream_id: int, count: int) -> None:
    own = only(frames.window_update(stream_id, count))
    assert isinstance(own, WindowUpdateFrame)
    assert (own.stream_id, own.window_increment) == (stream_id, count)


@given(NUMBERS, VALUES)
def test_a_reset_is_read(stream_id: int, code: int) -> None:
    own = only(frames.rst_stream(stream_id, code))
    assert isinstance(own, RstStreamFrame)
    assert (own.stream_id, own.error_code) == (stream_id, code)


@given(NUMBERS, VALUES, st.text(max_size=40).map(lambda own: own.encode("utf-8", "replace")))
def test_a_goaway_is_read(last_id: int, code: int, why: bytes) -> None:
    own = only(frames.goaway(last_id, code, why.decode()))
    assert isinstance(own, GoAwayFrame)
    assert (own.last_stream_id, own.error_code, own.additional_data) == (last_id, code, why)


@pytest.mark.parametrize("size", [0, 1, 255, 65_535, 65_536, frames.MOST_MAX_FRAME])
def test_a_length_has_three_bytes(size: int) -> None:
    own = frames.frame(frames.DATA, 0, 1, bytes(size))
    assert (int.from_bytes(own[:3]), len(own)) == (size, 9 + size)


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 20, 21, 35])
@pytest.mark.parametrize("ends", [False, True])
def test_a_block_comes_in_frames_that_are_full_but_for_the_last(size: int, ends: bool) -> None:
    block = bytes(range(size))
    own = read(frames.headers(1, block, ends=ends, most=10))
    parts = [frame.data for frame in own if isinstance(frame, HeadersFrame | ContinuationFrame)]
    assert b"".join(parts) == block
    assert {len(part) for part in parts[:-1]} <= {10}


@pytest.mark.parametrize(("size", "count"), [(0, 1), (10, 1), (11, 2), (20, 2), (21, 3)])
def test_a_block_begins_as_headers_and_goes_on_as_continuation(size: int, count: int) -> None:
    own = read(frames.headers(1, bytes(size), ends=False, most=10))
    assert [type(frame) for frame in own] == [HeadersFrame, *[ContinuationFrame] * (count - 1)]


@pytest.mark.parametrize("size", [0, 10, 11, 21, 35])
def test_only_the_last_frame_of_a_block_ends_it(size: int) -> None:
    own = read(frames.headers(1, bytes(size), ends=False, most=10))
    assert ["END_HEADERS" in frame.flags for frame in own] == [
        later is None for _, later in pairwise([*own, None])
    ]


@pytest.mark.parametrize(
    ("size", "flags"), [(0, [5]), (10, [5]), (11, [1, 4]), (21, [1, 0, 4])], ids=str
)
def test_only_the_first_frame_of_a_block_says_that_the_stream_ends(
    size: int, flags: list[int]
) -> None:
    """In bytes: hyperframe knows no such flag of CONTINUATION."""
    own = frames.headers(1, bytes(size), ends=True, most=10)
    assert [own[at + 4] for at in range(0, len(own), 19)] == flags

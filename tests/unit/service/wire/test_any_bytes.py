"""Whatever a peer sends, however it is cut: no exception, the same outcome, bounded answers."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from hpack import Encoder
from hypothesis import given
from hypothesis import strategies as st

from service.wire import frames
from service.wire.frames import PREFACE, frame
from tests.unit.service.wire.peer import REQUEST, TRAILERS, answering, data, request

FIELDS = Encoder().encode([(":method", "POST"), (":scheme", "http"), (":path", "/"), ("x-a", "1")])
NUMBERS = st.sampled_from([0, 1, 1, 1, 3, 3, 5, 2, 2**31 - 1, 2**31 + 1])
BLOCKS = st.sampled_from([REQUEST, TRAILERS, FIELDS, REQUEST + b"\xbe", b"", b"\x20" + REQUEST])
COUNTS = st.sampled_from([0, 1, 1000, 2**31 - 1])
SOUND = st.one_of(
    st.builds(request, NUMBERS, ends=st.booleans(), block=BLOCKS),
    st.builds(data, NUMBERS, st.binary(max_size=40), ends=st.booleans()),
    st.builds(frames.window_update, NUMBERS, COUNTS),
    st.builds(frames.rst_stream, NUMBERS, st.just(8)),
    st.builds(frames.settings, st.dictionaries(st.integers(1, 7), COUNTS, max_size=3)),
    st.builds(frame, st.just(frames.PING), st.integers(0, 1), st.just(0), st.just(bytes(8))),
)
ANY = st.builds(
    frame, st.integers(0, 11), st.integers(0, 255), NUMBERS, BLOCKS | st.binary(max_size=40)
)
STREAMS = st.lists(SOUND | SOUND | SOUND | ANY, max_size=30).map(
    lambda own: PREFACE + frames.settings({}) + b"".join(own)
)
CUTS = st.lists(st.integers(0, 2000), max_size=20)
CHANGES = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=4)


def outcome(parts: Iterable[bytes]) -> tuple[Any, ...]:
    """What is told and written for these parts."""
    own, connection = answering()
    for part in parts:
        connection.receive(part)
    return own.events, b"".join(connection.out), connection.is_closed, [*connection.streams]


def cut(sent: bytes, cuts: list[int]) -> list[bytes]:
    bounds = [0, *sorted(at for at in cuts if at < len(sent)), len(sent)]
    return [sent[at:end] for at, end in pairwise(bounds)]


def changed(sent: bytes, changes: list[tuple[int, int]]) -> bytes:
    own = bytearray(sent)
    for at, byte in changes:
        own[at % len(own)] = byte
    return bytes(own)


@given(STREAMS, CUTS)
def test_the_outcome_does_not_depend_on_the_cuts(sent: bytes, cuts: list[int]) -> None:
    assert outcome(cut(sent, cuts)) == outcome([sent])


@given(STREAMS)
def test_the_outcome_byte_by_byte_is_the_same(sent: bytes) -> None:
    assert outcome(bytes((byte,)) for byte in sent) == outcome([sent])


@given(STREAMS, CHANGES, CUTS)
def test_changed_bytes_are_taken_alike_however_they_are_cut(
    sent: bytes, changes: list[tuple[int, int]], cuts: list[int]
) -> None:
    own = changed(sent, changes)
    assert outcome(cut(own, cuts)) == outcome([own])


@given(st.binary(max_size=200))
def test_any_bytes_behind_the_preface_are_taken(sent: bytes) -> None:
    outcome([PREFACE + frames.settings({}) + sent])


@given(STREAMS, CHANGES)
def test_what_is_written_is_in_proportion(sent: bytes, changes: list[tuple[int, int]]) -> None:
    """An answer of a hundred bytes for a request of ten is the most."""
    own = changed(sent, changes)
    assert len(outcome([own])[1]) <= 200 + 12 * len(own)


@given(STREAMS, CHANGES)
def test_a_request_is_told_to_be_over_at_most_once(
    sent: bytes, changes: list[tuple[int, int]]
) -> None:
    events = outcome([changed(sent, changes)])[0]
    resets = [event[1] for event in events if event[0] == "reset"]
    assert len(resets) == len(set(resets))


@given(STREAMS, CHANGES)
def test_nothing_is_told_of_a_request_that_was_reset(
    sent: bytes, changes: list[tuple[int, int]]
) -> None:
    gone = set[int]()
    for kind, number, *_ in outcome([changed(sent, changes)])[0]:
        assert number not in gone
        if kind == "reset":
            gone.add(number)

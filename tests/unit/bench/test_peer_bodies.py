"""Bodies of the servers beside ours: what goes in comes out, and what is no answer is refused."""

import struct

import numpy as np
import pytest

from bench.peers import v2, v2_frame
from bench.peers.frame import Row, answer_bytes, answer_of, row_bytes, row_of
from bench.peers.known import OTHERS
from bench.peers.peer import Peer

ROW = Row(
    items=np.array([5, 7, 9]),
    excluded=np.array([5, 7, 9, 11]),
    features=np.array([3, 1]),
    operations=np.array([2, 1]),
    values=np.array([0.5, -2.0], dtype=np.float32),
    k=2,
)
ITEMS = np.array([8, 6])
SCORES = np.array([1.5, 0.25], dtype=np.float32)


def _assert_same(given: Row, expected: Row) -> None:
    for own, right in zip(given, expected, strict=True):
        np.testing.assert_array_equal(own, right)


def test_a_question_comes_out_of_its_body_as_it_went_in() -> None:
    _assert_same(row_of(row_bytes(ROW)), ROW)


def test_a_question_without_rules_and_exclusions_does_too() -> None:
    none = np.array([], dtype=np.int64)
    bare = ROW._replace(
        excluded=none, features=none, operations=none, values=none.astype(np.float32)
    )
    _assert_same(row_of(row_bytes(bare)), bare)


@pytest.mark.parametrize("body", [row_bytes(ROW)[:-4], row_bytes(ROW) + b"\0\0\0\0"])
def test_a_body_of_another_length_than_its_head_says_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="values, not 2"):
        row_of(body)


def test_a_body_without_a_head_is_refused() -> None:
    with pytest.raises(struct.error):
        row_of(b"\0")


def test_an_answer_comes_out_of_its_body_as_it_went_in() -> None:
    items, scores = answer_of(answer_bytes(ITEMS, SCORES))
    np.testing.assert_array_equal(items, ITEMS)
    np.testing.assert_array_equal(scores, SCORES)


def test_an_answer_of_half_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="not a whole number of places"):
        answer_of(answer_bytes(ITEMS, SCORES)[:-1])


def test_a_question_in_one_element_is_the_same_body() -> None:
    request = v2.messages()["inference.ModelInferRequest"].FromString(v2_frame.encoded(ROW))
    (tensor,) = request.inputs
    assert (tensor.datatype, list(tensor.shape)) == ("BYTES", [1])
    assert list(tensor.contents.bytes_contents) == [row_bytes(ROW)]


def test_an_answer_in_one_element_is_read() -> None:
    items, scores = v2_frame.decoded(_response(answer_bytes(ITEMS, SCORES)))
    np.testing.assert_array_equal(items, ITEMS)
    np.testing.assert_array_equal(scores, SCORES)


@pytest.mark.parametrize("elements", [[], [b"", b""]])
def test_an_answer_of_no_or_two_elements_is_refused(elements: list[bytes]) -> None:
    with pytest.raises(ValueError, match="elements, not 1"):
        v2_frame.decoded(_response(*elements))


def _response(*elements: bytes) -> bytes:
    response = v2.messages()["inference.ModelInferResponse"]()
    if elements:
        response.outputs.add(name="answer").contents.bytes_contents.extend(elements)
    serialised: bytes = response.SerializeToString()
    return serialised


@pytest.mark.parametrize("peer", OTHERS, ids=lambda peer: peer.name)
def test_every_package_of_a_peer_is_pinned(peer: Peer) -> None:
    lines = peer.requirements.read_text().splitlines()
    assert [line for line in lines if "==" not in line] == []


@pytest.mark.parametrize("peer", OTHERS, ids=lambda peer: peer.name)
def test_no_two_tunings_of_a_peer_are_the_same(peer: Peer) -> None:
    tunings = peer.tunings
    assert len({own.name for own in tunings}) == len(tunings)
    assert len({own.arguments for own in tunings}) == len(tunings)

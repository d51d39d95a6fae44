"""Items as bytes are those that protobuf writes."""

import struct

import pytest
from steerrec.v1 import recommender_pb2

from service import item_heads
from service.item_heads import ItemHeads

IDS = ["", "318", "a title", "é" * 40, "x" * 300]


@pytest.mark.parametrize("place", range(len(IDS)))
def test_a_head_and_a_score_are_the_item(place: int) -> None:
    (head,) = ItemHeads().of(IDS, [place])
    read = recommender_pb2.RecommendResponse.FromString(head + struct.pack("<f", -0.75))
    assert [*read.items] == [recommender_pb2.RecommendedItem(item_id=IDS[place], score=-0.75)]


def test_heads_come_in_the_order_asked() -> None:
    heads = ItemHeads()
    first = heads.of(IDS, [1, 2, 3])
    assert heads.of(IDS, [3, 1, 4])[:2] == [first[2], first[0]]


def test_no_more_heads_are_kept_than_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_heads, "MAX_HEADS", 2)
    heads = ItemHeads()
    for place in range(len(IDS)):
        heads.of(IDS, [place])
    assert len(heads) <= 2

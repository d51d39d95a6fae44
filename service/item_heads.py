"""Items of a catalogue as the bytes that a reply has for them, up to their score."""

from collections.abc import Sequence
from typing import Final

from steerrec.v1 import recommender_pb2

MAX_HEADS: Final = 100_000
"""Items whose head is kept, for each bundle: some 12 MiB."""
SCORE_BYTES: Final = 4


class ItemHeads:
    """Items of one catalogue as a reply has them, up to their score."""

    def __init__(self) -> None:
        """None is known yet."""
        self._heads: dict[int, bytes] = {}

    def __len__(self) -> int:
        """Those that are kept."""
        return len(self._heads)

    def of(self, item_ids: Sequence[str], items: Sequence[int]) -> list[bytes]:
        """The head of each item.

        Args:
            item_ids: of the catalogue, by item index.
            items: item indices.
        """
        heads = self._heads
        try:
            return [heads[item] for item in items]
        except KeyError:
            if len(heads) + len(items) > MAX_HEADS:
                heads.clear()
            heads |= {item: _item_head(item_ids[item]) for item in items}
            return [heads[item] for item in items]


def _item_head(item_id: str) -> bytes:
    item = recommender_pb2.RecommendedItem(item_id=item_id, score=1.0)
    return recommender_pb2.RecommendResponse(items=[item]).SerializeToString()[:-SCORE_BYTES]

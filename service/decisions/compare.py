"""Two answers to one request, compared."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from steerrec.v1.recommender_pb2 import AppliedPreset, RecommendedItem, RecommendResponse

TOLERANCE = 1e-4
"""Of scores: a row's neighbours in its batch change rounding, and nothing else (ADR 0006). A
row that was answered alone comes out the same to the last bit."""
MAX_TOLD = 10
"""Differences of items that are told one by one."""


def differences(recorded: RecommendResponse, replayed: RecommendResponse) -> list[str]:
    """What differs in presets, items, order or scores, in words; empty: nothing."""
    of_items = list(_item_differences(recorded.items, replayed.items))
    more = len(of_items) - MAX_TOLD
    rest = [f"and {more} more ranks differ"] if more > 0 else []
    return [*_preset_differences(recorded, replayed), *of_items[:MAX_TOLD], *rest]


def _preset_differences(recorded: RecommendResponse, replayed: RecommendResponse) -> Iterator[str]:
    before, after = _named(recorded.applied_presets), _named(replayed.applied_presets)
    if before != after:
        yield f"presets: {_listed(before)} applied, {_listed(after)} apply now"


def _named(presets: Sequence[AppliedPreset]) -> list[str]:
    return [f"{preset.name}@{preset.revision}" for preset in presets]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _item_differences(
    recorded: Sequence[RecommendedItem], replayed: Sequence[RecommendedItem]
) -> Iterator[str]:
    for rank, (before, after) in enumerate(zip_longest(recorded, replayed), 1):
        if before is None:
            yield f"rank {rank}: {after.item_id} is answered now, the slate ended before"
        elif after is None:
            yield f"rank {rank}: {before.item_id} was answered, the slate ends before it now"
        elif before.item_id != after.item_id:
            near = " (scores equal but for rounding)" if _is_near(before, after) else ""
            yield f"rank {rank}: {before.item_id} was answered, {after.item_id} is now{near}"
        elif not _is_near(before, after):
            yield f"rank {rank}: {before.item_id} scored {before.score!r}, now {after.score!r}"


def _is_near(before: RecommendedItem, after: RecommendedItem) -> bool:
    return abs(before.score - after.score) <= TOLERANCE * max(1.0, abs(before.score))

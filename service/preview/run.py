"""Runs a preset over histories, beside live requests and after them.

A preview goes the way of every request, so that it shows what would be answered. One history at a
time is in the model's queue, before and after the preset, and after each the preview rests for as
long as it took: a live request finds at most these two rows before it (`bench.previews`).
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

from google.protobuf.struct_pb2 import Struct
from steerrec.v1 import recommender_pb2

from service.errors import Overloaded
from service.presets.compiled import CompiledPreset, CompiledPresets
from service.preview.effects import Effects
from service.query import Query, query_of
from service.recommend import Pinned, Recommender
from service.slate import Slate

TELL_EVERY_S = 0.2
"""Shortest time between two tellings of how far a preview is."""
OVERLOADED_PAUSE_S = 0.1
"""Rest of a preview that finds the model's queue full: live requests go first."""


@dataclass(frozen=True, eq=False, slots=True)
class History:
    """One history to run on."""

    item_ids: Sequence[str]
    """Oldest first."""
    context: Struct
    """What conditions read."""
    next_item_id: str = ""
    """What came next; empty: not known."""
    excluded: Sequence[str] = ()
    """Items that must not be recommended."""
    may_repeat: bool = False
    """Whether items of the history may be recommended again."""


@dataclass(frozen=True, eq=False, slots=True)
class Preview:
    """What to run, and on what."""

    preset: CompiledPreset
    """With the revision, or as revision 0 where it is not stored."""
    pinned: Pinned
    """The bundle with the presets in force, the limits, and when schedules are read."""
    histories: Sequence[History]
    k: int
    """Length of the slates."""


class Previewer:
    """Runs previews, one at a time."""

    def __init__(self, recommender: Recommender) -> None:
        self._recommender = recommender
        self._turn = asyncio.Lock()

    async def run(self, preview: Preview, effects: Effects) -> AsyncGenerator[int, None]:
        """Gathers the effects, and tells now and then how many histories are done.

        Raises:
            RuleConflict: rules of the preset that hold together for a history contradict each
                other.
        """
        asking = _Asking(self._recommender, preview)
        told_at = perf_counter()
        async with self._turn:
            for done, history in enumerate(preview.histories, 1):
                start = perf_counter()
                before, after = await asking.slates(history)
                effects.add(before, after, asking.next_index(history))
                if perf_counter() - told_at >= TELL_EVERY_S:
                    yield done
                    told_at = perf_counter()
                await asyncio.sleep(perf_counter() - start)


class _Asking:
    """One preview's questions to the recommender."""

    def __init__(self, recommender: Recommender, preview: Preview) -> None:
        self._recommender = recommender
        self._preview = preview
        own = preview.preset
        before = without(preview.pinned.served.presets, own.name)
        self._before = _pinned(preview.pinned, before)
        self._after = _pinned(preview.pinned, with_preset(before, own))
        self._names = () if own.targeting.is_default else (own.name,)

    async def slates(self, history: History) -> tuple[Slate, Slate]:
        """Before and after; both at the same time."""
        before, after = await asyncio.gather(
            self._slate(history, self._before, ()), self._slate(history, self._after, self._names)
        )
        return before, after

    async def _slate(self, history: History, pinned: Pinned, names: Sequence[str]) -> Slate:
        query = question(history, names, self._preview.k)
        while True:
            try:
                return await self._recommender.answer(query, pinned, None)
            except Overloaded:
                await asyncio.sleep(OVERLOADED_PAUSE_S)

    def next_index(self, history: History) -> int | None:
        """Of the item taken next; None: not known, or not in the catalogue."""
        return self._preview.pinned.served.bundle.catalogue.index_of.get(history.next_item_id)


def _pinned(pinned: Pinned, presets: CompiledPresets) -> Pinned:
    return replace(pinned, served=replace(pinned.served, presets=presets))


def question(history: History, names: Sequence[str], k: int) -> Query:
    """The query of a history under the presets that are named.

    The item taken next may be recommended even where the history has it: else a repeated item
    would count as a miss, whatever the preset does.
    """
    repeats = history.next_item_id in history.item_ids
    excluded = list(history.excluded)
    if repeats and not history.may_repeat:
        excluded += [own for own in dict.fromkeys(history.item_ids) if own != history.next_item_id]
    request = recommender_pb2.RecommendRequest(
        history=history.item_ids,
        k=k,
        exclude_item_ids=[own for own in excluded if own != history.next_item_id],
        include_history=history.may_repeat or repeats,
        presets=[recommender_pb2.PresetReference(name=name) for name in names],
        context=history.context,
    )
    return query_of(request, "preview")


def without(presets: CompiledPresets, name: str) -> CompiledPresets:
    """The presets in force but one."""
    return CompiledPresets(
        by_name={own: revisions for own, revisions in presets.by_name.items() if own != name},
        records={own: records for own, records in presets.records.items() if own != name},
        active={own: revision for own, revision in presets.active.items() if own != name},
    )


def with_preset(presets: CompiledPresets, preset: CompiledPreset) -> CompiledPresets:
    """The presets with one more in force."""
    return CompiledPresets(
        by_name={**presets.by_name, preset.name: {preset.revision: preset}},
        records=presets.records,
        active={**presets.active, preset.name: preset.revision},
    )

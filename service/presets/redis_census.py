"""The census in Redis: what the other keys must hold, compared and written."""

import logging
import time
from collections.abc import Collection, Mapping, Sequence

from service.presets.audit import Tip
from service.presets.census import Contents, Counts, missing
from service.presets.errors import StoreLostData, StoreUnavailable
from service.presets.keys import Keys
from service.presets.record import Head
from service.presets.redis_calls import RedisCalls
from service.presets.redis_chain import RedisChain, chained_events, paired
from service.presets.redis_records import HOW_TO_GO_ON, RedisRecords
from service.presets.scripts import COUNT, COUNTS, LOOK
from service.presets.store import Look

PRESETS_AT_ONCE = 100
"""Presets that one look compares: so many take Redis well under a millisecond."""
COUNT_AGAIN_S = 10.0
"""Pause before a store is read whole again that takes no census, such as a read-only one."""
TRIES = 5
"""Of reading a store whole while others write to it."""

log = logging.getLogger(__name__)


class RedisCensus:
    """Compares the keys of one deployment with its census."""

    def __init__(
        self, calls: RedisCalls, keys: Keys, chain: RedisChain, records: RedisRecords
    ) -> None:
        self._calls = calls
        self._keys = keys
        self._chain = chain
        self._records = records
        self._count_at = 0.0
        """When the store may be counted again, where that failed."""

    async def look(self, cursor: str, names: Collection[str] = ()) -> Look:
        """See PresetStore."""
        unreadable: dict[str, str] = {}
        for some in batched(sorted(names), PRESETS_AT_ONCE) or [()]:
            found = await self._look(cursor, some)
            unreadable |= found.unreadable
            if found.lost or not found.has_cursor:
                break
        return found._replace(unreadable=unreadable)

    async def _look(self, cursor: str, names: Sequence[str]) -> Look:
        keys = (*self._keys.of_chain, *self._keys.of_presets(names))
        state, what, has, unreadable = await self._calls.scripted(LOOK, keys, cursor, *names)
        if state == "uncounted":
            state, what = "lost", await self._counted()
        why = {name: f"{fact}; {HOW_TO_GO_ON}" for name, fact in paired(unreadable).items()}
        return Look(bool(has), what if state == "lost" else "", why)

    async def _counted(self) -> str:
        """What a store without an up-to-date census lacks; empty: nothing, and it is counted now,
        or cannot be just now."""
        if time.monotonic() < self._count_at:
            return ""
        try:
            await self.count()
        except StoreLostData as lost:
            return lost.what
        except StoreUnavailable as away:
            self._count_at = time.monotonic() + COUNT_AGAIN_S
            log.debug("the presets in Redis could not be counted: %s", away)
        return ""

    async def count(self) -> None:
        """Writes the census of a store that an earlier version wrote to.

        Raises:
            StoreLostData: the store lacks something that its audit chain names.
        """
        for _ in range(TRIES):
            place = await self._chain.place()
            contents = await self._contents(place[1])
            if await self._chain.place() != place:
                continue
            if lost := missing(contents):
                raise StoreLostData(lost)
            names = list(contents.heads)
            keys = (*self._keys.of_chain, *self._keys.of_presets(names))
            await self._calls.written(COUNT, keys, place[1].to_text(), place[0], *names)
            return

    async def _contents(self, tip: Tip) -> Contents:
        keys = self._keys
        census = await self._calls.call(self._calls.redis.hgetall(keys.census), keys.census)
        heads, unreadable = await self._records.all_heads()
        entries = await self._chain.whole()
        events = list(chained_events(entries))
        counts = await self._counts(heads)
        return Contents(tip, events, len(entries), heads, unreadable, counts, census)

    async def _counts(self, heads: Mapping[str, Head]) -> dict[str, Counts]:
        counts: dict[str, Counts] = {}
        for names in batched(list(heads), PRESETS_AT_ONCE):
            shown = [str(heads[name].shown) for name in names]
            found = await self._calls.scripted(COUNTS, self._keys.of_presets(names), *shown)
            counts |= {
                name: Counts(n_revisions, n_previews, bool(has))
                for name, (n_revisions, n_previews, has) in zip(names, found, strict=True)
            }
        return counts


def batched(names: Sequence[str], most: int) -> list[Sequence[str]]:
    """The names in pieces of at most so many."""
    return [names[start : start + most] for start in range(0, len(names), most)]

"""A preset store in memory; passes the same suite as the Redis one."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from service.presets.compiled import StoredPresets
from service.presets.record import Head, PresetRevision
from service.presets.store import Change, Changes


@dataclass
class MemoryStore:
    """Satisfies `PresetStore`."""

    _heads: dict[str, Head] = field(default_factory=dict)
    _revisions: dict[tuple[str, int], PresetRevision] = field(default_factory=dict)
    audit: list[Change] = field(default_factory=list)
    """Every change; the cursor of the n-th is `n-0`."""

    async def heads(self) -> Mapping[str, Head]:
        return dict(self._heads)

    async def head(self, name: str) -> Head | None:
        return self._heads.get(name)

    async def revision(self, name: str, revision: int) -> PresetRevision | None:
        return self._revisions.get((name, revision))

    async def write(self, change: Change) -> str | None:
        if self._heads.get(change.name) != change.expected:
            return None
        if change.record is not None:
            if (change.name, change.record.revision) in self._revisions:
                return None
            self._revisions[change.name, change.record.revision] = change.record
        self._heads[change.name] = change.head
        self.audit.append(change)
        return f"{len(self.audit)}-0"

    async def cursor(self) -> str:
        return f"{len(self.audit)}-0"

    async def has(self, cursor: str) -> bool:
        return int(cursor.partition("-")[0]) <= len(self.audit)

    async def read_all(self, kept_revisions: int) -> StoredPresets:
        return StoredPresets(*self._kept(self._heads, kept_revisions), await self.cursor())

    async def read(self, names: Collection[str], kept_revisions: int) -> StoredPresets:
        heads = {name: self._heads[name] for name in names if name in self._heads}
        return StoredPresets(*self._kept(heads, kept_revisions))

    async def changes(self, cursor: str, wait_s: float) -> Changes:
        seen = int(cursor.partition("-")[0])
        if len(self.audit) == seen:
            await asyncio.sleep(min(wait_s, 0.01))
        names = {change.name for change in self.audit[seen:]}
        return Changes(f"{len(self.audit)}-0", names)

    async def aclose(self) -> None:
        pass

    def _kept(
        self, heads: Mapping[str, Head], kept: int
    ) -> tuple[dict[str, Head], dict[str, tuple[PresetRevision, ...]]]:
        records = {
            name: tuple(
                self._revisions[name, n]
                for n in range(max(1, head.revision - kept + 1), head.revision + 1)
            )
            for name, head in heads.items()
            if not head.is_archived
        }
        return dict(heads), records

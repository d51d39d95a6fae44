"""A preset store in memory; passes the same suite as the Redis one."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from service.presets.audit import START, AuditEvent, Tip
from service.presets.compiled import StoredPresets
from service.presets.record import Head, PresetRevision, remnant
from service.presets.redis_faults import Fault
from service.presets.redis_risks import Risk
from service.presets.replicas import Told
from service.presets.store import (
    AuditPage,
    Change,
    Changes,
    HeadLost,
    Look,
    Recovery,
    TipLost,
    Written,
)


@dataclass
class MemoryStore:
    """Satisfies `PresetStore`."""

    _heads: dict[str, Head] = field(default_factory=dict)
    _revisions: dict[tuple[str, int], PresetRevision] = field(default_factory=dict)
    _tip: Tip = START
    audit: list[AuditEvent] = field(default_factory=list)
    """Every event; the cursor of the n-th is `n-0`."""
    _told: dict[str, tuple[float, str]] = field(default_factory=dict)
    write_fault: Fault | None = None

    async def heads(self) -> Mapping[str, Head]:
        return dict(self._heads)

    async def head(self, name: str) -> Head | None:
        return self._heads.get(name)

    async def revision(self, name: str, revision: int) -> PresetRevision | None:
        return self._revisions.get((name, revision))

    async def revisions(self, name: str, numbers: Sequence[int]) -> Sequence[PresetRevision]:
        found = (self._revisions.get((name, number)) for number in numbers)
        return tuple(record for record in found if record is not None)

    async def write(self, change: Change) -> Written | HeadLost | TipLost:
        if self._heads.get(change.name) != change.expected:
            return HeadLost()
        if self._tip != change.tip:
            return TipLost(self._tip)
        if change.record is not None:
            self._revisions[change.name, change.record.revision] = change.record
        self._heads[change.name] = change.head
        return self._logged(change.event)

    async def recover(self, recovery: Recovery) -> Written | TipLost:
        if self._tip != recovery.tip:
            return TipLost(self._tip)
        self._heads.update(recovery.heads)
        for name, records in recovery.records.items():
            self._revisions.update({(name, record.revision): record for record in records})
        for name, numbers in recovery.dropped.items():
            for number in numbers:
                self._revisions.pop((name, number), None)
        return self._logged(recovery.event)

    def _logged(self, event: AuditEvent) -> Written:
        self.audit.append(event)
        self._tip = event.tip
        return Written(f"{len(self.audit)}-0", event.tip)

    async def tip(self) -> Tip:
        return self._tip

    async def chain_end(self) -> Tip:
        return self.audit[-1].tip if self.audit else START

    async def last_event(self, name: str) -> AuditEvent | None:
        return next((event for event in reversed(self.audit) if event.name == name), None)

    async def remnants(self, names: Collection[str]) -> Mapping[str, Head]:
        highest = dict.fromkeys(names, 0)
        for name, number in self._revisions:
            if name in highest:
                highest[name] = max(highest[name], number)
        return {name: remnant(number) for name, number in highest.items() if number}

    async def look(self, cursor: str, _: Collection[str] = ()) -> Look:
        return Look(await self.has(cursor), "", {})

    async def risks(self) -> Mapping[Risk, str]:
        return {}

    async def audit_events(self, after: str, limit: int) -> AuditPage:
        start = _place(after)
        page = self.audit[start : start + limit]
        is_last = len(self.audit) <= start + limit
        return AuditPage(tuple(page), f"{start + len(page)}-0", is_last, self._tip)

    async def cursor(self) -> str:
        return f"{len(self.audit)}-0"

    async def has(self, cursor: str) -> bool:
        return _place(cursor) <= len(self.audit)

    async def read_all(self, kept_revisions: int) -> StoredPresets:
        heads, records = await self._kept(self._heads, kept_revisions)
        return StoredPresets(heads, records, await self.cursor(), self._tip)

    async def read(self, names: Collection[str], kept_revisions: int) -> StoredPresets:
        heads = {name: self._heads[name] for name in names if name in self._heads}
        return StoredPresets(*await self._kept(heads, kept_revisions))

    async def changes(self, cursor: str, wait_s: float) -> Changes:
        seen = _place(cursor)
        if len(self.audit) == seen:
            await asyncio.sleep(min(wait_s, 0.01))
        events = self.audit[seen:]
        return Changes(
            cursor=f"{len(self.audit)}-0",
            names={event.name for event in events if event.name},
            tip=events[-1].tip if events else None,
            recoveries=[event for event in events if event.action.is_of_store],
        )

    async def tell(self, replica_id: str, report: str, forget_s: float, _: Tip = START) -> None:
        now = time.monotonic()
        self._told = {name: told for name, told in self._told.items() if now - told[0] <= forget_s}
        self._told[replica_id] = (now, report)

    async def told(self, forget_s: float) -> Mapping[str, Told]:
        ages = {name: Told(time.monotonic() - at, own) for name, (at, own) in self._told.items()}
        return {name: told for name, told in ages.items() if told.age_s <= forget_s}

    async def aclose(self) -> None:
        pass

    async def _kept(
        self, heads: Mapping[str, Head], kept: int
    ) -> tuple[dict[str, Head], dict[str, tuple[PresetRevision, ...]]]:
        records = {
            name: tuple(await self.revisions(name, head.kept(kept)))
            for name, head in heads.items()
            if not head.is_archived
        }
        return dict(heads), records


def _place(cursor: str) -> int:
    return int(cursor.partition("-")[0])

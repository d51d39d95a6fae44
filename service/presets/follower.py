"""Follows the store: what is in force here is what the store has, or the last good of it.

Runs beside the request path, never on it. Unknown is not empty: a store that cannot be reached,
or that has lost what it had, changes nothing that is served.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from service.presets.audit import AuditEvent
from service.presets.compiled import StoredPresets
from service.presets.errors import RecordCorrupt, StoreLostData, StoreUnavailable, unavailable
from service.presets.loss import KEPT_REVISIONS, StoreState, speaks_for
from service.presets.record import PresetRevision
from service.presets.redis_faults import Cause, Fault
from service.presets.redis_risks import Risk
from service.presets.snapshot_file import SnapshotFile
from service.presets.store import Changes, Look, PresetStore

WAIT_S = 1.0
"""Longest wait for a change before the store is asked again, and so the resolution of age_s."""
FIRST_RETRY_S = 0.1
LAST_RETRY_S = 2.0
LOST_RETRY_S = 1.0
"""Between two looks at whether a loss was resolved elsewhere."""
COPY_PAUSE_S = 0.5
"""After a copy was written: changes meanwhile go into the next one together."""
EVENTS_AT_ONCE = 1000
LOOKS_AT_ONCE = 100
"""Presets that are compared with the census each time."""
NOTHING_READ = "0-0"

NOT_ASKED = Fault(Cause.OTHER, "Redis was not asked yet", "wait a second", is_passing=True)

OnChange = Callable[[StoredPresets], Awaitable[None]]
Others = Callable[[], Awaitable[Sequence[str]]]
log = logging.getLogger(__name__)


async def nobody() -> Sequence[str]:
    """No other replica is known."""
    return ()


class PresetFollower:
    """Keeps `stored` at what the store has."""

    def __init__(
        self,
        store: PresetStore,
        folder: Path,
        on_change: OnChange,
        *,
        kept_revisions: int = KEPT_REVISIONS,
        others: Others = nobody,
    ) -> None:
        """Reads nothing yet.

        Args:
            store: to follow.
            folder: of the copy for a restart.
            on_change: puts presets in force.
            kept_revisions: of each preset.
            others: gives the running replicas that serve presets.
        """
        self._store = store
        self._others = others
        self._file = SnapshotFile(folder)
        self._on_change = on_change
        self._kept_revisions = kept_revisions
        self._synced_at = 0.0
        self._moved = asyncio.Condition()
        self._is_unsaved = asyncio.Event()
        self._nudged = asyncio.Event()
        self._loss: StoreLostData | None = None
        self._away: StoreUnavailable | None = None
        self._looked_at = 0
        """Where among the names the next look begins."""
        self._searched = NOTHING_READ
        self._recovered: list[AuditEvent] = []
        """Of the chain up to `_searched`."""
        self.stored = StoredPresets()
        """What is in force here."""
        self.state = StoreState.UNREACHABLE
        """Where the store stands."""
        self.has_copy = True
        """Whether `stored` ever was all that the store had."""
        self.risks: Mapping[Risk, str] = {}
        """Settings of the store under which it may lose data."""

    @property
    def is_connected(self) -> bool:
        """Whether `stored` is known to be what the store has."""
        return self.state is StoreState.CONNECTED

    def age_s(self) -> float:
        """Seconds since `stored` was last known to be what the store has."""
        return max(0.0, time.time() - self._synced_at)

    def staleness(self) -> str:
        """Why `stored` may not be what the store has, and its age; empty: it is."""
        match self.state:
            case StoreState.CONNECTED:
                return ""
            case StoreState.UNREACHABLE:
                why = self._unavailable().fault.sentence
            case StoreState.LOST_DATA:
                why = "the store of presets lost its data"
        return f"{why}; presets are {self.age_s():.0f} s old"

    def advice(self) -> str:
        """What the store's state means and what to do; empty: nothing."""
        match self.state:
            case StoreState.CONNECTED:
                return " ".join(self._faults_of_connected())
            case StoreState.UNREACHABLE:
                return (
                    f"{self._unavailable().fault}. The last good presets are served, and nothing"
                    " can be written. Following goes on by itself once Redis answers"
                )
            case StoreState.LOST_DATA:
                return str(self._loss)

    def _faults_of_connected(self) -> Iterator[str]:
        for name, why in sorted(self.stored.unreadable.items()):
            yield f"{name} is set aside: {why}."
        if (fault := self._store.write_fault) is not None:
            yield f"{fault}. Presets are followed, and the last write was not made."

    def _unavailable(self) -> StoreUnavailable:
        """Why what the store has is unknown."""
        return unavailable(self._away.fault if self._away else NOT_ASKED, is_write=True)

    def check_answers(self) -> None:
        """Passes where the store answers, whatever it lost.

        Raises:
            StoreUnavailable: it does not.
        """
        if self.state is StoreState.UNREACHABLE:
            raise self._unavailable()

    def check_kept(self) -> None:
        """Refuses to take what the store lacks for what does not exist.

        Raises:
            StoreLostData: it has less than is served here.
        """
        if self._loss is not None:
            raise self._loss

    async def check_store(self, name: str) -> None:
        """Looks whether a preset may be written to the store.

        Raises:
            StoreUnavailable: it is away.
            StoreLostData: it has less than is served here.
        """
        self.check_kept()
        self.check_answers()
        try:
            await self._refuse_loss([name])
        except StoreLostData as loss:
            self._disconnected(loss)
            raise

    async def start(self) -> None:
        """Reads the store once; where that fails, the last good copy on disk.

        Raises:
            StoreUnavailable: neither can be read: whether presets exist is unknown.
            StoreLostData: the store lost data, there is no copy, and another replica has one.
        """
        kept = await asyncio.to_thread(self._copy)
        if kept is not None:
            self.stored, self._synced_at = kept
        try:
            await self._read_all()
        except StoreUnavailable as error:
            if kept is None:
                raise
            await self._start_stale(error)
        except StoreLostData as error:
            if kept is None:
                error = await self._start_with_rest(error)
            await self._start_stale(error)
        await self._keep_copy()

    async def _start_stale(self, error: Exception) -> None:
        self._disconnected(error)
        log.warning("presets are %.0f s old: %s", self.age_s(), error)
        await self._on_change(self.stored)

    async def _start_with_rest(self, loss: StoreLostData) -> StoreLostData:
        """Takes what the store still has, where no running replica has more.

        Raises:
            StoreLostData: one has, and can write it back.
        """
        others = await self._others()
        if others:
            note = (
                f". This replica has no copy of the presets and does not start: {others[0]} serves"
                " them; resolve the loss there"
            )
            raise StoreLostData(loss.what, note)
        rest = await self._store.read_all(self._kept_revisions)
        self.stored, self.has_copy = rest, False
        note = ". This replica has no copy either, and serves what is left"
        return StoreLostData(loss.what, note)

    def _copy(self) -> tuple[StoredPresets, float] | None:
        """The last good presets on disk; None: there are none that can be read."""
        try:
            return self._file.load()
        except (RecordCorrupt, OSError, ValueError, KeyError) as error:
            log.error("the copy of the presets is not used: %s", error)  # noqa: TRY400
            return None

    async def follow(self) -> None:
        """Follows for ever, and keeps a copy for a restart."""
        copying = asyncio.create_task(self._keep_copies())
        try:
            await self._follow()
        finally:
            copying.cancel()
            await asyncio.gather(copying, return_exceptions=True)
            await self._keep_copy()

    async def _follow(self) -> None:
        """Reconnects with growing, jittered pauses."""
        pause_s = FIRST_RETRY_S
        while True:
            try:
                if not self.is_connected:
                    await self._read_all()
                await self._wait_for_change()
                pause_s = FIRST_RETRY_S
            except Exception as error:  # whatever it is, what is served stays and is called stale
                self._disconnected(error)
                if self._loss is not None:
                    pause_s = LOST_RETRY_S
                await self._pause(pause_s * random.uniform(0.5, 1.0))  # noqa: S311
                pause_s = min(2 * pause_s, LAST_RETRY_S)

    def look_again(self) -> None:
        """Ends the pause before the next look at the store: there is news."""
        self._nudged.set()

    async def _keep_copies(self) -> None:
        while True:
            await self._is_unsaved.wait()
            await self._keep_copy()
            await asyncio.sleep(COPY_PAUSE_S)

    async def _keep_copy(self) -> None:
        """Writes a copy where there is none of what is in force."""
        if not self._is_unsaved.is_set():
            return
        self._is_unsaved.clear()
        try:
            await asyncio.to_thread(self._file.save, self.stored, self._synced_at)
        except OSError as error:
            log.warning("no copy of the presets is kept for a restart: %s", error)

    async def caught_up(self, cursor: str, timeout_s: float) -> bool:
        """Whether this replica serves what was written at the cursor, waiting so long for it."""
        try:
            async with asyncio.timeout(timeout_s), self._moved:
                await self._moved.wait_for(lambda: _place(self.stored.cursor) >= _place(cursor))
        except TimeoutError:
            return False
        return True

    async def _pause(self, seconds: float) -> None:
        self._nudged.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._nudged.wait()
        except TimeoutError:
            return

    async def _read_all(self) -> None:
        """Puts what the store has in force, once it is sure that it lacks nothing."""
        if not (await self._look(())).has_cursor:
            await self._refuse_unresolved(self._event_gone())
        fresh = await self._store.read_all(self._kept_revisions)
        look = await self._look(fresh.heads, fresh.cursor)
        await self._take(replace(fresh, unreadable={**look.unreadable, **fresh.unreadable}))
        if not self.is_connected:
            log.info("in step with the store: %d presets", len(self.stored.heads))
            await self._warn_of_risks()
        self.state, self._loss, self._away = StoreState.CONNECTED, None, None
        self.has_copy = True

    async def _wait_for_change(self) -> None:
        changes = await self._store.changes(self.stored.cursor, WAIT_S)
        if changes.recoveries:
            await self._read_all()
        elif changes.cursor != self.stored.cursor:
            fresh = await self._changed(changes)
            await self._refuse_loss(self._next_names())
            await self._take(fresh)
        elif await self._refuse_loss(self._next_names()) or await self._is_mended():
            await self._read_all()
        self._synced_at = time.time()

    async def _warn_of_risks(self) -> None:
        """Says once what may make the store lose data."""
        risks = await self._store.risks()
        for risk in risks.keys() - self.risks.keys():
            log.warning("presets may be lost: %s", risks[risk])
        self.risks = risks

    def _with_last_good(self, fresh: StoredPresets) -> StoredPresets:
        """What was read, with what is served in place of what could not be read."""
        heads, records = dict(fresh.heads), dict(fresh.records)
        for name, why in fresh.unreadable.items():
            if name not in self.stored.unreadable:
                log.error("%s is set aside, the last good one stays: %s", name, why)
            if name in heads:
                numbers = heads[name].kept(self._kept_revisions)
                records[name] = _completed(numbers, records.get(name, ()), self._served(name))
            elif name in self.stored.heads:
                heads[name], records[name] = self.stored.heads[name], self._served(name)
        return replace(fresh, heads=heads, records=records)

    def _served(self, name: str) -> tuple[PresetRevision, ...]:
        return self.stored.records.get(name, ())

    async def _changed(self, changes: Changes) -> StoredPresets:
        changed = await self._store.read(changes.names, self._kept_revisions)
        before = self.stored.unreadable.items()
        unread = {name: why for name, why in before if name not in changes.names}
        return StoredPresets(
            {**self.stored.heads, **changed.heads},
            {**self.stored.records, **changed.records},
            changes.cursor,
            changes.tip or self.stored.tip,
            {**unread, **changed.unreadable},
        )

    async def _refuse_loss(self, names: Collection[str]) -> bool:
        """Whether presets became unreadable, among those named.

        Raises:
            StoreLostData: the store lacks something. Where that is the newest change that is
                served here it does so whatever was written since: a store that lost it may have
                lost others. A failover to a copy that was behind is such a loss too.
        """
        look = await self._look(names)
        if not look.has_cursor:
            raise self._event_gone()
        return not look.unreadable.keys() <= self.stored.unreadable.keys()

    def _next_names(self) -> list[str]:
        """Some of the presets, by turns, so that a look takes the same time however many there
        are."""
        names = sorted(self.stored.heads)
        start = self._looked_at if self._looked_at < len(names) else 0
        self._looked_at = start + LOOKS_AT_ONCE
        return names[start : self._looked_at]

    async def _is_mended(self) -> bool:
        """Whether something can be read again that could not be."""
        names = self.stored.unreadable
        if not names:
            return False
        look = await self._look(names)
        read = await self._store.read(list(names), self._kept_revisions)
        return look.unreadable.keys() | read.unreadable.keys() != names.keys()

    async def _look(self, names: Collection[str], cursor: str = "") -> Look:
        """What a look finds.

        Raises:
            StoreLostData: the store lacks something, whatever it is.
        """
        look = await self._store.look(cursor or self.stored.cursor, names)
        if look.lost:
            raise StoreLostData(look.lost)
        return look

    def _event_gone(self) -> StoreLostData:
        return StoreLostData(f"change {self.stored.cursor}, which is served here, is not in it")

    async def _refuse_unresolved(self, loss: StoreLostData) -> None:
        """Raises the loss, but where an operator ended one that covers all that is served here."""
        recoveries = await self._recoveries()
        if any(speaks_for(event, self.stored.tip) for event in recoveries):
            return
        if not recoveries:
            raise loss
        newest, seen = recoveries[-1].speaks_to.sequence, self.stored.tip.sequence
        note = f"; a loss was resolved up to event {newest}, and this replica serves event {seen}"
        raise StoreLostData(loss.what, note)

    async def _recoveries(self) -> list[AuditEvent]:
        """Events of the whole chain that ended a loss; what was read before is not read again."""
        if not await self._store.has(self._searched):
            self._searched, self._recovered = NOTHING_READ, []
        is_last = False
        while not is_last:
            page = await self._store.audit_events(self._searched, EVENTS_AT_ONCE)
            self._recovered += (event for event in page.events if event.action.is_of_store)
            self._searched, is_last = page.cursor, page.is_last
        return self._recovered

    async def _take(self, fresh: StoredPresets) -> None:
        """Puts the presets in force; the copy for a restart follows."""
        whole = self._with_last_good(fresh)
        await self._on_change(whole)
        async with self._moved:
            self.stored = whole
            self._synced_at = time.time()
            self._moved.notify_all()
        self._is_unsaved.set()

    def _disconnected(self, error: Exception) -> None:
        if self._is_new(error):
            log.warning("presets are no longer followed; the last good ones stay: %s", error)
        if isinstance(error, StoreLostData):
            self.state, self._loss = StoreState.LOST_DATA, error
        elif self._loss is None:  # a store that is away has not found again what it lost
            self.state = StoreState.UNREACHABLE
        self._away = error if isinstance(error, StoreUnavailable) else None

    def _is_new(self, error: Exception) -> bool:
        """Whether the log has not said so yet: the first error, a loss, or another cause."""
        if self.is_connected:
            return True
        if isinstance(error, StoreLostData):
            return self._loss is None
        if isinstance(error, StoreUnavailable):
            return self._away is None or self._away.fault.cause is not error.fault.cause
        return False


def _completed(
    numbers: Collection[int], found: Iterable[PresetRevision], served: Iterable[PresetRevision]
) -> tuple[PresetRevision, ...]:
    """What was found, with what is served of the numbers that were not."""
    known = {record.revision: record for record in served if record.revision in numbers}
    known |= {record.revision: record for record in found}
    return tuple(known[number] for number in sorted(known))


def _place(cursor: str) -> tuple[int, int]:
    """Stream ids in order."""
    milliseconds, _, number = cursor.partition("-")
    return int(milliseconds), int(number or 0)

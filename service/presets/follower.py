"""Follows the store: what is in force here is what the store has, or the last good of it.

Runs beside the request path, never on it. Unknown is not empty: a store that cannot be reached,
or that has lost what it had, changes nothing that is served.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from service.presets.audit import AuditEvent
from service.presets.compiled import StoredPresets
from service.presets.errors import RecordCorrupt, StoreLostData, StoreUnavailable
from service.presets.loss import StoreState, speaks_for
from service.presets.snapshot_file import SnapshotFile
from service.presets.store import Changes, PresetStore

WAIT_S = 1.0
"""Longest wait for a change before the store is asked again, and so the resolution of age_s."""
FIRST_RETRY_S = 0.1
LAST_RETRY_S = 2.0
LOST_RETRY_S = 1.0
"""Between two looks at whether a loss was resolved elsewhere."""
COPY_PAUSE_S = 0.5
"""After a copy was written: changes meanwhile go into the next one together."""
EVENTS_AT_ONCE = 1000
NOTHING_READ = "0-0"

OnChange = Callable[[StoredPresets], Awaitable[None]]
log = logging.getLogger(__name__)


class PresetFollower:
    """Keeps `stored` at what the store has."""

    def __init__(
        self, store: PresetStore, folder: Path, on_change: OnChange, *, kept_revisions: int = 20
    ) -> None:
        self._store = store
        self._file = SnapshotFile(folder)
        self._on_change = on_change
        self._kept_revisions = kept_revisions
        self._synced_at = 0.0
        self._moved = asyncio.Condition()
        self._is_unsaved = asyncio.Event()
        self._nudged = asyncio.Event()
        self._loss: StoreLostData | None = None
        self._searched = NOTHING_READ
        self._recovered: list[AuditEvent] = []
        """Of the chain up to `_searched`."""
        self.stored = StoredPresets()
        """What is in force here."""
        self.state = StoreState.UNREACHABLE
        """Where the store stands."""

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
                why = "Redis cannot be reached"
            case StoreState.LOST_DATA:
                why = "the store of presets lost its data"
        return f"{why}; presets are {self.age_s():.0f} s old"

    def advice(self) -> str:
        """What the store's state means and what to do; empty: nothing."""
        match self.state:
            case StoreState.CONNECTED:
                return ""
            case StoreState.UNREACHABLE:
                return (
                    "Redis cannot be reached: the last good presets are served, and nothing can be"
                    " written. Following goes on by itself once Redis answers"
                )
            case StoreState.LOST_DATA:
                return str(self._loss)

    def check_kept(self) -> None:
        """Refuses to take what the store lacks for what does not exist.

        Raises:
            StoreLostData: it has less than is served here.
        """
        if self._loss is not None:
            raise self._loss

    async def check_store(self) -> None:
        """Looks whether the store may be written to.

        Raises:
            StoreUnavailable: it is away.
            StoreLostData: it has less than is served here.
        """
        self.check_kept()
        if not self.is_connected:
            raise StoreUnavailable(RuntimeError("what the store has is unknown"))
        try:
            await self._refuse_loss()
        except StoreLostData as loss:
            self._disconnected(loss)
            raise

    async def start(self) -> None:
        """Reads the store once; where that fails, the last good copy on disk.

        Raises:
            StoreUnavailable: neither can be read: whether presets exist is unknown.
        """
        kept = await asyncio.to_thread(self._copy)
        if kept is not None:
            self.stored, self._synced_at = kept
        try:
            await self._read_all()
        except (StoreUnavailable, StoreLostData) as error:
            if kept is None:
                raise
            self._disconnected(error)
            log.warning("presets are %.0f s old: %s", self.age_s(), error)
            await self._on_change(self.stored)
        await self._keep_copy()

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
        try:
            await self._refuse_loss()
        except StoreLostData as loss:
            await self._refuse_unresolved(loss)
        await self._take(await self._store.read_all(self._kept_revisions))
        if not self.is_connected:
            log.info("in step with the store: %d presets", len(self.stored.heads))
        self.state, self._loss = StoreState.CONNECTED, None

    async def _wait_for_change(self) -> None:
        changes = await self._store.changes(self.stored.cursor, WAIT_S)
        await self._refuse_loss()
        if changes.recoveries:
            await self._take(await self._store.read_all(self._kept_revisions))
        elif changes.cursor != self.stored.cursor:
            await self._take(await self._changed(changes))
        else:
            self._synced_at = time.time()

    async def _changed(self, changes: Changes) -> StoredPresets:
        changed = await self._store.read(changes.names, self._kept_revisions)
        return StoredPresets(
            {**self.stored.heads, **changed.heads},
            {**self.stored.records, **changed.records},
            changes.cursor,
            changes.tip or self.stored.tip,
        )

    async def _refuse_loss(self) -> None:
        """Raises StoreLostData where the newest change that is served here is not in the store.

        Whatever was written since: a store that lost it may have lost others. A failover to a
        copy that was behind is such a loss too.
        """
        if not await self._store.has(self.stored.cursor):
            raise StoreLostData(self.stored.cursor)

    async def _refuse_unresolved(self, loss: StoreLostData) -> None:
        """Raises the loss, but where an operator ended one that covers all that is served here."""
        recoveries = await self._recoveries()
        if any(speaks_for(event, self.stored.tip) for event in recoveries):
            return
        if not recoveries:
            raise loss
        newest, seen = recoveries[-1].speaks_to.sequence, self.stored.tip.sequence
        note = f"; a loss was resolved up to event {newest}, and this replica serves event {seen}"
        raise StoreLostData(self.stored.cursor, note)

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
        await self._on_change(fresh)
        async with self._moved:
            self.stored = replace(fresh)
            self._synced_at = time.time()
            self._moved.notify_all()
        self._is_unsaved.set()

    def _disconnected(self, error: Exception) -> None:
        if self.is_connected or (isinstance(error, StoreLostData) and self._loss is None):
            log.warning("presets are no longer followed; the last good ones stay: %s", error)
        if isinstance(error, StoreLostData):
            self.state, self._loss = StoreState.LOST_DATA, error
        elif self._loss is None:  # a store that is away has not found again what it lost
            self.state = StoreState.UNREACHABLE


def _place(cursor: str) -> tuple[int, int]:
    """Stream ids in order."""
    milliseconds, _, number = cursor.partition("-")
    return int(milliseconds), int(number or 0)

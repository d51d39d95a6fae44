"""Follows the store: what is in force here is what the store has, or the last good of it.

Runs beside the request path, never on it. Unknown is not empty: a store that cannot be reached,
or that has lost what it had, changes nothing that is served.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from service.presets import snapshot_file
from service.presets.compiled import StoredPresets
from service.presets.errors import RecordCorrupt, StoreUnavailable
from service.presets.store import PresetStore

WAIT_S = 1.0
"""Longest wait for a change before the store is asked again, and so the resolution of age_s."""
FIRST_RETRY_S = 0.1
LAST_RETRY_S = 5.0

OnChange = Callable[[StoredPresets], None]
log = logging.getLogger(__name__)


class StoreLostData(StoreUnavailable):
    """The store has less than it had: restored from an old copy, flushed, or another one."""


class PresetFollower:
    """Keeps `stored` at what the store has."""

    def __init__(
        self, store: PresetStore, folder: Path, on_change: OnChange, *, kept_revisions: int = 20
    ) -> None:
        self._store = store
        self._folder = folder
        self._on_change = on_change
        self._kept_revisions = kept_revisions
        self._synced_at = 0.0
        self._moved = asyncio.Condition()
        self.stored = StoredPresets()
        """What is in force here."""
        self.is_connected = False
        """Whether `stored` is known to be what the store has."""

    def age_s(self) -> float:
        """Seconds since `stored` was last known to be what the store has."""
        return max(0.0, time.time() - self._synced_at)

    async def start(self) -> None:
        """Reads the store once; where it cannot be reached, the last good copy on disk.

        Raises:
            StoreUnavailable: neither can be read: whether presets exist is unknown.
        """
        kept = self._copy()
        if kept is not None:
            self.stored, self._synced_at = kept
        try:
            await self._read_all()
        except StoreUnavailable as error:
            if kept is None:
                raise
            log.warning("presets are %.0f s old: %s", self.age_s(), error)
            self._on_change(self.stored)

    def _copy(self) -> tuple[StoredPresets, float] | None:
        """The last good presets on disk; None: there are none that can be read."""
        try:
            return snapshot_file.load(self._folder)
        except (RecordCorrupt, OSError, ValueError, KeyError) as error:
            log.error("the copy of the presets is not used: %s", error)  # noqa: TRY400
            return None

    async def follow(self) -> None:
        """Follows for ever; reconnects with growing, jittered pauses."""
        pause_s = FIRST_RETRY_S
        while True:
            try:
                if not self.is_connected:
                    await self._read_all()
                await self._wait_for_change()
                pause_s = FIRST_RETRY_S
            except Exception as error:  # whatever it is, what is served stays and is called stale
                self._disconnected(error)
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311
                pause_s = min(2 * pause_s, LAST_RETRY_S)

    async def caught_up(self, cursor: str, timeout_s: float) -> bool:
        """Whether this replica serves what was written at the cursor, waiting so long for it."""
        try:
            async with asyncio.timeout(timeout_s), self._moved:
                await self._moved.wait_for(lambda: _place(self.stored.cursor) >= _place(cursor))
        except TimeoutError:
            return False
        return True

    async def _read_all(self) -> None:
        await self._refuse_loss()
        await self._take(await self._store.read_all(self._kept_revisions))
        if not self.is_connected:
            log.info("in step with the store: %d presets", len(self.stored.heads))
        self.is_connected = True

    async def _wait_for_change(self) -> None:
        changes = await self._store.changes(self.stored.cursor, WAIT_S)
        await self._refuse_loss()
        if not changes.names:
            self._synced_at = time.time()
            return
        changed = await self._store.read(changes.names, self._kept_revisions)
        await self._take(
            StoredPresets(
                {**self.stored.heads, **changed.heads},
                {**self.stored.records, **changed.records},
                changes.cursor,
            )
        )

    async def _refuse_loss(self) -> None:
        """Raises StoreLostData where the newest change that is served here is not in the store.

        Whatever was written since: a store that lost it may have lost others.
        """
        if not await self._store.has(self.stored.cursor):
            raise StoreLostData(RuntimeError(f"change {self.stored.cursor} is no longer there"))

    async def _take(self, fresh: StoredPresets) -> None:
        self._on_change(fresh)
        async with self._moved:
            self.stored = replace(fresh)
            self._synced_at = time.time()
            self._moved.notify_all()
        try:
            await asyncio.to_thread(snapshot_file.save, self._folder, fresh, self._synced_at)
        except OSError as error:
            log.warning("no copy of the presets is kept for a restart: %s", error)

    def _disconnected(self, error: Exception) -> None:
        if self.is_connected:
            log.warning("presets are no longer followed; the last good ones stay: %s", error)
        self.is_connected = False


def _place(cursor: str) -> tuple[int, int]:
    """Stream ids in order."""
    milliseconds, _, number = cursor.partition("-")
    return int(milliseconds), int(number or 0)

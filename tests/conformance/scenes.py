"""A replica of a real Redis with some presets, to which something then happens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from service.presets.errors import PresetMissing
from service.presets.follower import PresetFollower
from service.presets.keys import Keys
from service.presets.lifecycle import Lifecycle
from service.presets.redis_store import RedisStore
from service.preview.summary import PreviewSummary, RedisPreviews
from tests.integration.waiting import until
from tests.presets import draft

NAME = "scary"
Client = Any
"""Of redis-py, whose replies have a type for every protocol and so none."""


@dataclass
class Scene:
    """A replica that serves two presets, and its Redis."""

    store: RedisStore
    follower: PresetFollower
    client: Client
    keys: Keys
    folder: Path
    fresh_store: RedisStore
    """Of a replica that has not noticed anything."""

    @property
    def copy(self) -> bytes:
        """What is on disk."""
        return (self.folder / "presets.json").read_bytes()

    def key(self, name: str) -> str:
        own = getattr(self.keys, name)
        return str(own(NAME) if callable(own) else own)


def summary() -> PreviewSummary:
    return PreviewSummary("hash", "version", 0.0, 1, 1.0, 0.0, 0.0, 0, 0.0, 0.0)


async def nothing(_: object) -> None:
    """For followers whose changes are not looked at."""


async def fill(store: RedisStore, previews: RedisPreviews) -> None:
    life = Lifecycle(store)
    stored = await life.create(draft(NAME))
    for i in range(2):
        change = partial(replace, description=f"version {i}")
        stored = await life.update(NAME, stored.head.etag, change)
    await life.create(draft("cosy"))
    await previews.keep(stored.record, summary())
    await previews.keep(replace(stored.record, revision=1), summary())


@asynccontextmanager
async def following(follower: PresetFollower) -> AsyncIterator[None]:
    task = asyncio.create_task(follower.follow())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def lost(follower: PresetFollower) -> None:
    await until(lambda: follower.state == "LOST_DATA")


async def update(store: RedisStore) -> int:
    """Writes the next revision as a replica would that served the last one."""
    life = Lifecycle(store)
    try:
        now = await life.current(NAME)
    except PresetMissing:
        return (await life.create(draft(NAME))).record.revision
    written = await life.update(NAME, now.head.etag, lambda own: replace(own, reason="again"))
    return written.record.revision

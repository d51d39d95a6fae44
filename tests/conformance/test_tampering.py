"""What somebody changes behind the service's back in a real Redis, and who finds it."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial

import pytest
import redis

from service.presets.audit import ChainBreak, content_break, verify
from service.presets.connections import redis_client
from service.presets.keys import Keys
from service.presets.lifecycle import Lifecycle
from service.presets.redis_store import RedisStore
from tests.presets import draft

Entry = tuple[str, dict[str, str]]
Entries = list[Entry]


@pytest.fixture
def keys(request: pytest.FixtureRequest) -> Keys:
    """Of this test alone."""
    return Keys(prefix=request.node.name)


@pytest.fixture
async def store(redis_url: str, keys: Keys) -> AsyncIterator[RedisStore]:
    """A store with five revisions of one preset."""
    own = RedisStore(redis_client(redis_url), keys)
    life = Lifecycle(own)
    stored = await life.create(draft())
    for i in range(4):
        change = partial(replace, description=f"version {i}")
        stored = await life.update("scary", stored.head.etag, change)
    yield own
    await own.aclose()


@pytest.fixture
def tamper(redis_url: str, keys: Keys) -> Callable[[Callable[[Entries], Entries]], None]:
    """Puts another stream in place of the audit stream."""

    def tampered(change: Callable[[Entries], Entries]) -> None:
        with redis.Redis.from_url(redis_url, decode_responses=True) as client:
            entries = client.xrange(keys.audit)
            client.delete(keys.audit)
            for cursor, fields in change([(own, dict(values)) for own, values in entries]):
                client.xadd(keys.audit, fields, id=cursor)

    return tampered


async def first_break(store: RedisStore) -> ChainBreak | None:
    page = await store.audit_events("0-0", 1000)
    return verify(page.events, page.tip).broken


Tamper = Callable[[Callable[[Entries], Entries]], None]


async def test_an_untouched_chain_holds(store: RedisStore) -> None:
    assert await first_break(store) is None


async def test_a_tampered_event_is_found(store: RedisStore, tamper: Tamper) -> None:
    def blamed(entries: Entries) -> Entries:
        entries[2][1]["author"] = "mallory"
        return entries

    tamper(blamed)
    broken = await first_break(store)
    assert broken == (3, "event 3 was changed: its hash is not that of its fields")


async def test_a_removed_event_is_found(store: RedisStore, tamper: Tamper) -> None:
    tamper(lambda entries: entries[:2] + entries[3:])
    broken = await first_break(store)
    assert broken == (4, "event 4 follows event 2: it is not the next one")


async def test_an_event_made_unreadable_is_found(store: RedisStore, tamper: Tamper) -> None:
    def garbled(entries: Entries) -> Entries:
        entries[2][1]["sequence"] = "three"
        return entries

    tamper(garbled)
    broken = await first_break(store)
    assert broken == (4, "event 4 follows event 2: it is not the next one")


async def test_a_cut_tail_is_found(store: RedisStore, tamper: Tamper) -> None:
    tamper(lambda entries: entries[:3])
    broken = await first_break(store)
    assert broken == (4, "the chain ends at event 3; by the tip there are 5")


async def test_a_changed_revision_is_found(store: RedisStore, redis_url: str, keys: Keys) -> None:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        text = str(client.hget(keys.revisions("scary"), "2"))
        client.hset(keys.revisions("scary"), "2", text.replace("version 0", "version x"))
    found = await store.revisions("scary", range(1, 6))
    contents = {(own.name, own.revision): own.content_hash for own in found}
    broken = content_break((await store.audit_events("0-0", 1000)).events, contents)
    assert broken == (2, "preset 'scary' revision 2 is not as it was written")

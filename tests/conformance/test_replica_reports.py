"""What every store of replicas' reports does, and what it does to end a loss."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from service.presets.audit import AuditAction
from service.presets.lifecycle import Lifecycle
from service.presets.loss import LossResolver, Resolution, StoreState
from tests.presets import draft

FORGET_S = 60.0
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Lost:
    """A follower that knows of a loss, and what was served before it."""

    def __init__(self, stored: Any) -> None:
        self.state = StoreState.LOST_DATA
        self.stored = stored
        self.has_copy = True

    def check_answers(self) -> None:
        pass


async def test_what_a_replica_told_is_read_back(store: Any) -> None:
    await store.tell("one", "report: with a colon", FORGET_S)
    assert (await store.told(FORGET_S))["one"].report == "report: with a colon"


async def test_the_last_report_of_a_replica_counts(store: Any) -> None:
    await store.tell("one", "first", FORGET_S)
    await store.tell("one", "second", FORGET_S)
    assert [told.report for told in (await store.told(FORGET_S)).values()] == ["second"]


async def test_a_report_is_as_old_as_it_is(store: Any) -> None:
    await store.tell("one", "report", FORGET_S)
    assert 0 <= (await store.told(FORGET_S))["one"].age_s < 10


async def test_a_silent_replica_is_not_listed(store: Any) -> None:
    await store.tell("one", "report", FORGET_S)
    assert await store.told(-1.0) == {}


async def test_a_silent_replica_is_forgotten_when_another_tells(store: Any) -> None:
    await store.tell("one", "report", FORGET_S)
    await store.tell("other", "report", -1.0)
    assert "one" not in await store.told(FORGET_S)


async def test_a_restored_store_has_heads_and_revisions_again(store: Any, empty_store: Any) -> None:
    written = await Lifecycle(store).create(draft())
    served = await store.read_all(20)
    await LossResolver(empty_store, Lost(served)).resolve(Resolution.RESTORE, "ann", "flushed")
    assert (await Lifecycle(empty_store).current("scary")).record == written.record


async def test_a_restore_names_what_it_writes_back(store: Any, empty_store: Any) -> None:
    await Lifecycle(store).create(draft())
    resolver = LossResolver(empty_store, Lost(await store.read_all(20)))
    resolved = await resolver.resolve(Resolution.RESTORE, "ann", "flushed")
    assert resolved.names == ["scary"]


async def test_a_dry_restore_writes_nothing(store: Any, empty_store: Any) -> None:
    await Lifecycle(store).create(draft())
    resolver = LossResolver(empty_store, Lost(await store.read_all(20)))
    await resolver.resolve(Resolution.RESTORE, "ann", "flushed", is_dry=True)
    assert await empty_store.heads() == {}


async def test_an_accepted_loss_is_an_event_that_speaks_up_to_what_was_served(
    store: Any, empty_store: Any
) -> None:
    await Lifecycle(store).create(draft())
    served = await store.read_all(20)
    resolver = LossResolver(empty_store, Lost(served), lambda: NOON)
    await resolver.resolve(Resolution.ACCEPT, "ann", "a new start")
    (event,) = (await empty_store.audit_events("0-0", 10)).events
    assert (event.action, event.speaks_to) == (AuditAction.STORE_ACCEPTED, served.tip)


async def test_accepting_names_what_is_no_longer_in_force(store: Any, empty_store: Any) -> None:
    await Lifecycle(store).create(draft())
    resolver = LossResolver(empty_store, Lost(await store.read_all(20)))
    assert (await resolver.resolve(Resolution.ACCEPT, "ann", "gone")).names == ["scary"]


async def test_a_restored_preset_can_be_updated_though_the_store_has_newer_revisions(
    store: Any, empty_store: Any
) -> None:
    first = await Lifecycle(store).create(draft())
    since = await Lifecycle(empty_store).create(draft())
    await Lifecycle(empty_store).update(
        "scary", since.head.etag, lambda now: replace(now, description="since")
    )
    resolver = LossResolver(empty_store, Lost(await store.read_all(20)))
    await resolver.resolve(Resolution.RESTORE, "ann", "flushed")
    now = await Lifecycle(empty_store).current("scary")
    after = await Lifecycle(empty_store).update(
        "scary", now.head.etag, lambda own: replace(own, description="after")
    )
    assert (now.record, after.record.revision) == (first.record, 3)

"""Two operators who write what they last read, on a real Redis: no acknowledged write is lost."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import count

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from service.presets.audit import AuditAction, AuditEvent, verify
from service.presets.connections import redis_client
from service.presets.errors import (
    AlreadyInForce,
    EtagMismatch,
    NeverInForce,
    NotADraft,
    PresetExists,
    PresetMissing,
)
from service.presets.keys import Keys
from service.presets.lifecycle import Lifecycle, Stored
from service.presets.record import Head
from service.presets.redis_store import RedisStore
from tests.presets import draft

NAMES = ("scary", "cosy")
REFUSALS = (
    *(AlreadyInForce, EtagMismatch, NeverInForce),
    *(NotADraft, PresetExists, PresetMissing),
)
"""What an operator may be told; anything else is a fault."""
PREFIXES = count()

operators = st.sampled_from((0, 1))
names = st.sampled_from(NAMES)
revisions = st.integers(1, 6)
Step = Callable[["Operator"], Awaitable[Stored]]


class Operator:
    """Writes with the etags that it last read, however old."""

    def __init__(self, url: str, prefix: str) -> None:
        self.store = RedisStore(redis_client(url), Keys(prefix))
        self.life = Lifecycle(self.store)
        self.etags = dict.fromkeys(NAMES, "")

    async def read(self, name: str) -> None:
        """Takes the etag that the preset has now, deleted or not."""
        head = await self.store.head(name)
        self.etags[name] = head.etag if head else ""


def create(name: str, as_draft: bool) -> Step:
    return lambda own: own.life.create(draft(name), as_draft=as_draft)


def update(name: str, as_draft: bool, text: str) -> Step:
    return lambda own: own.life.update(
        name, own.etags[name], lambda now: replace(now, description=text), as_draft=as_draft
    )


def publish(name: str, revision: int) -> Step:
    return lambda own: own.life.publish(name, own.etags[name], revision, "ada", "ready")


def roll_back(name: str, revision: int) -> Step:
    return lambda own: own.life.rollback(name, own.etags[name], revision, "ada", "oh no")


def delete(name: str) -> Step:
    return lambda own: own.life.archive(name, own.etags[name], "ada", "over")


steps = st.one_of(
    st.builds(create, names, st.booleans()),
    st.builds(update, names, st.booleans(), st.text(max_size=5)),
    st.builds(update, names, st.booleans(), st.text(max_size=5)),
    st.builds(publish, names, revisions),
    st.builds(roll_back, names, revisions),
    st.builds(delete, names),
)


class RacingOperators(RuleBasedStateMachine):
    """Any interleaving of what two operators can do."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.acknowledged: list[Stored] = []
        self.operators: tuple[Operator, ...] = ()

    @initialize()
    def two_operators(self) -> None:
        prefix = f"racing-{next(PREFIXES)}"
        self.operators = (Operator(self.url, prefix), Operator(self.url, prefix))
        self.runner.run(self._done(0, create(NAMES[0], as_draft=False)))

    @rule(number=operators, name=names)
    def one_reads(self, number: int, name: str) -> None:
        self.runner.run(self.operators[number].read(name))

    @rule(number=operators, step=steps)
    def one_writes(self, number: int, step: Step) -> None:
        self.runner.run(self._done(number, step))

    @rule(name=names, first=steps, second=steps)
    def both_read_and_write_at_once(self, name: str, first: Step, second: Step) -> None:
        async def race() -> None:
            await asyncio.gather(*(own.read(name) for own in self.operators))
            await asyncio.gather(self._done(0, first), self._done(1, second))

        self.runner.run(race())

    @precondition(lambda self: self.acknowledged)
    @rule(name=names, text=st.text(max_size=5))
    def of_two_updates_with_one_etag_at_most_one_is_acknowledged(
        self, name: str, text: str
    ) -> None:
        async def race() -> tuple[bool, bool]:
            await asyncio.gather(*(own.read(name) for own in self.operators))
            step = update(name, as_draft=False, text=text)
            return await asyncio.gather(self._done(0, step), self._done(1, step))

        won = self.runner.run(race())
        head = self._heads().get(name)
        assert sum(won) == (1 if head is not None and not head.is_archived else 0)

    @invariant()
    def every_acknowledged_write_is_an_event_of_the_chain_and_there_are_no_others(self) -> None:
        events = self._chain()
        told = {(event.name, event.etag) for event in events}
        assert told == {(own.record.name, own.head.etag) for own in self.acknowledged}
        assert len(events) == len(self.acknowledged)

    @invariant()
    def every_acknowledged_revision_is_there_as_it_was_written(self) -> None:
        written = [event for event in self._chain() if event.content_hash]
        for event in written:
            record = self.runner.run(self.operators[0].store.revision(event.name, event.revision))
            assert record is not None
            assert record.content_hash == event.content_hash

    @invariant()
    def states_are_those_that_the_events_tell(self) -> None:
        heads, states = self._heads(), replayed(self._chain())
        assert {
            (name, revision): head.state_of(revision).value
            for name, head in heads.items()
            for revision in range(1, head.revision + 1)
        } == states

    def teardown(self) -> None:
        async def closed() -> None:
            for own in self.operators:
                await own.store.aclose()

        self.runner.run(closed())
        self.runner.close()

    async def _done(self, number: int, step: Step) -> bool:
        """Whether the step was acknowledged; it is noted then."""
        operator = self.operators[number]
        try:
            stored = await step(operator)
        except REFUSALS:
            return False
        operator.etags[stored.record.name] = stored.head.etag
        self.acknowledged.append(stored)
        return True

    def _heads(self) -> dict[str, Head]:
        if not self.operators:
            return {}
        return dict(self.runner.run(self.operators[0].store.heads()))

    def _chain(self) -> tuple[AuditEvent, ...]:
        """Every event, once the chain is verified."""
        if not self.operators:
            return ()
        page = self.runner.run(self.operators[0].store.audit_events("0-0", 1000))
        assert verify(page.events, page.tip).broken is None
        return page.events


def replayed(events: tuple[AuditEvent, ...]) -> dict[tuple[str, int], str]:
    """State of every revision, told from the events alone."""
    states: dict[tuple[str, int], str] = {}
    drafts: set[tuple[str, int]] = set()
    for event in events:
        own = (event.name, event.revision)
        mine = [key for key in states if key[0] == event.name]
        if event.action is AuditAction.DRAFTED:
            drafts.add(own)
            states[own] = "DRAFT"
            was_archived = any(states[key] == "ARCHIVED" for key in mine)
            revived = {key: _at_rest(key, drafts) for key in mine if was_archived}
            states.update(revived)
        elif event.action is AuditAction.ARCHIVED:
            states.update(dict.fromkeys(mine, "ARCHIVED"))
        else:
            drafts.discard(own)
            states.update({key: _at_rest(key, drafts) for key in mine})
            states[own] = "ACTIVE"
    return states


def _at_rest(key: tuple[str, int], drafts: set[tuple[str, int]]) -> str:
    return "DRAFT" if key in drafts else "SUPERSEDED"


def test_two_racing_operators_lose_no_write(redis_url: str) -> None:
    class OnThisRedis(RacingOperators):
        url = redis_url

    run_state_machine_as_test(
        OnThisRedis,
        settings=settings(
            max_examples=20,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],  # a race is not the same twice: nothing to shrink
            suppress_health_check=list(HealthCheck),
        ),
    )

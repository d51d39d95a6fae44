"""The audit chain as the service tells it: listed, and verified with every hash recomputed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from steerrec.v1 import preset_pb2

from cli.client import Client, pages
from cli.errors import Refused, told_as
from cli.output import show, show_json, table
from cli.stored_presets import moment, revisions
from service.presets.audit import (
    START,
    AuditEvent,
    ChainBreak,
    Tip,
    Verification,
    content_break,
    event_from_proto,
    tip_from_text,
    verify,
    written_since,
)
from service.presets.errors import RecordCorrupt
from service.presets.record import from_proto

PAGE = 1000
"""Events asked for at once, the most that the service gives."""


class Chain(NamedTuple):
    """All of the chain, and where the store says that it ends."""

    events: list[preset_pb2.AuditEvent]
    tip: Tip


def events(client: Client, name: str = "") -> list[preset_pb2.AuditEvent]:
    """The events of one preset, or all, oldest first."""
    return chain(client, name).events


def chain(client: Client, name: str = "") -> Chain:
    """The chain, or the events of one preset, with the tip as it was after the last page."""

    def ask(token: str) -> preset_pb2.ListAuditEventsResponse:
        request = preset_pb2.ListAuditEventsRequest(page_size=PAGE, page_token=token, name=name)
        return client.call(client.presets.ListAuditEvents, request)

    told: list[preset_pb2.AuditEvent] = []
    tip = Tip()
    for page in pages(ask):
        told.extend(page.events)
        tip = Tip(page.tip_sequence, page.tip_hash)
    return Chain(told, tip)


def expected_tip(text: str) -> Tip:
    """The tip that `SEQUENCE:HASH` spells.

    Raises:
        Refused: it spells none.
    """
    with told_as(Refused, RecordCorrupt, ValueError):  # Python reads no number of 5,000 digits
        return tip_from_text(text)


def verified(read: Chain, expected: Tip | None) -> Verification:
    """Whether the chain is unbroken, and still holds the event of a tip that was noted before.

    Raises:
        Refused: an event is of a kind that this version does not know.
    """
    with told_as(Refused, RecordCorrupt):
        told = [event_from_proto(event) for event in read.events]
    found = verify(told, read.tip)
    if expected is None or found.broken is not None or _holds(told, expected):
        return found
    why = f"the chain does not hold event {expected.sequence} with the hash that was noted"
    return replace(found, broken=ChainBreak(expected.sequence, why))


def contents_verified(client: Client, read: Chain, found: Verification) -> Verification:
    """The same, broken too where a revision that the service has is not as the chain says."""
    if found.broken is not None:
        return found
    told = [event_from_proto(event) for event in read.events]
    names = sorted({event.name for event in written_since(told)})
    records = (from_proto(own) for name in names for own in revisions(client, name))
    contents = {(own.name, own.revision): own.content_hash for own in records}
    return replace(found, broken=content_break(told, contents))


def show_verification(found: Verification, *, as_json: bool) -> None:
    """Print how many events hold, where the chain ends, and what losses it went through.

    Raises:
        Refused: the chain is broken; with the first break.
    """
    if as_json:
        show_json(_report(found))
    else:
        show(f"events that hold: {found.n_events}; tip {found.tip.to_text()}")
        for event in found.recoveries:
            what = f"{event.action.lower().replace('_', ' ')} by {event.author}"
            when = f"{event.event_time:%Y-%m-%d %H:%M:%SZ}"
            show(f"event {event.sequence}: {what}, {when}; events before it may be missing")
    if found.broken is not None:
        raise Refused(f"the chain is broken at event {found.broken.sequence}: {found.broken.why}")


def show_events(told: Sequence[preset_pb2.AuditEvent], *, as_json: bool) -> None:
    """Print one line for each event."""
    if as_json:
        show_json(told)
        return
    columns = ("event", "when", "action", "preset", "revision", "author", "reason", "hash")
    made = table(*columns, right=("event", "revision"))
    for event in told:
        made.add_row(
            str(event.sequence),
            moment(event.event_time),
            action(event),
            event.name,
            str(event.revision or ""),
            event.author,
            event.reason,
            event.hash[:12],
        )
    show(made)


def action(event: preset_pb2.AuditEvent) -> str:
    """What happened, in lower case."""
    name = preset_pb2.AuditAction.Name(event.action).removeprefix("AUDIT_ACTION_")
    return name.lower().replace("_", " ")


def _holds(told: Sequence[AuditEvent], expected: Tip) -> bool:
    return expected == START or any(event.tip == expected for event in told)


def _report(found: Verification) -> dict[str, object]:
    broken = found.broken
    return {
        "events": found.n_events,
        "tip": found.tip.to_text(),
        "recoveries": [event.sequence for event in found.recoveries],
        "broken_at": None if broken is None else broken.sequence,
        "why": None if broken is None else broken.why,
    }

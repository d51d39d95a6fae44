"""Whether a store that has no census yet, or an old one, holds all that its audit chain names.

Pure. A store of an earlier version has no census, and a replica of one that writes beside us
leaves it behind: then the audit chain since the last recovery says what there must be.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from service.presets.audit import AuditEvent, Tip
from service.presets.record import Head

ETAG, REVISIONS, PREVIEWS = "etag:", "revisions:", "previews:"


class Counts(NamedTuple):
    """Entries of one preset's keys; -1: the key holds another type."""

    revisions: int
    previews: int
    has_shown: bool
    """Whether the revision that the head shows is among them."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a store holds, read at one place of its chain."""

    tip: Tip
    """As kept beside the chain."""
    events: Sequence[AuditEvent]
    """Readable events of the whole chain, oldest first."""
    n_entries: int
    """Of the audit stream, unreadable ones too."""
    heads: Mapping[str, Head]
    """Those that can be read."""
    unreadable: Mapping[str, str]
    """Why a preset's head cannot be read, by name."""
    counts: Mapping[str, Counts]
    """By name of a readable head."""
    census: Mapping[str, str] = field(default_factory=dict)
    """As an earlier change left it; empty: there is none."""


def missing(contents: Contents) -> str:
    """The first thing that a store lacks of what it must hold; empty: nothing."""
    return next(_missing(contents), "")


def _missing(contents: Contents) -> Iterator[str]:
    yield from _missing_of_chain(contents)
    etags, revisions = _written(contents.events)
    for name, etag in (_counted_etags(contents.census) | etags).items():
        if name in contents.unreadable:
            continue
        head = contents.heads.get(name)
        if head is None:
            yield f"preset {name} has audit events and no head"
        elif head.etag != etag:
            yield f"the head of preset {name} is not the one that was written last"
    for name, head in contents.heads.items():
        yield from _missing_of_preset(name, head, contents, len(revisions.get(name, ())))


def _missing_of_chain(contents: Contents) -> Iterator[str]:
    events, tip = contents.events, contents.tip
    if not events:
        if tip.sequence:
            yield f"the audit chain is gone; by its tip it had {tip.sequence} events"
        elif contents.heads:
            yield f"there are {len(contents.heads)} presets and no audit chain"
        return
    if tip.sequence < events[-1].sequence:
        yield f"the tip of the audit chain names event {tip.sequence} of {events[-1].sequence}"
    elif tip.sequence > events[-1].sequence:
        yield f"the audit chain ends at event {events[-1].sequence} of {tip.sequence}"
    elif tip != events[-1].tip:
        yield f"the tip of the audit chain is of another event {tip.sequence}"
    since = _since_recovery(events)
    first = since[0].sequence if since[0].action.is_of_store else 1
    lacking = since[-1].sequence - first + 1 - len(since)
    if lacking > contents.n_entries - len(events):
        yield f"the audit chain lacks {lacking} events before event {since[-1].sequence}"


def _since_recovery(events: Sequence[AuditEvent]) -> Sequence[AuditEvent]:
    """From the last recovery on; all where there was none."""
    places = [i for i, event in enumerate(events) if event.action.is_of_store]
    return events[places[-1] :] if places else events


def _written(events: Sequence[AuditEvent]) -> tuple[dict[str, str], dict[str, set[int]]]:
    """Etag and written revisions of each preset that changed since the last recovery."""
    etags: dict[str, str] = {}
    revisions: dict[str, set[int]] = {}
    for event in _since_recovery(events):
        if event.name:
            etags[event.name] = event.etag
        if event.content_hash:
            revisions.setdefault(event.name, set()).add(event.revision)
    return etags, revisions


def _counted_etags(census: Mapping[str, str]) -> dict[str, str]:
    return {key[len(ETAG) :]: etag for key, etag in census.items() if key.startswith(ETAG)}


def _missing_of_preset(name: str, head: Head, contents: Contents, n_written: int) -> Iterator[str]:
    counts = contents.counts[name]
    if -1 in counts[:2]:
        return  # told by name as unreadable
    wanted = max(n_written, _number(contents.census.get(REVISIONS + name)))
    if counts.revisions < wanted:
        yield f"preset {name} has {counts.revisions} of {wanted} revisions"
    elif not (head.is_archived or counts.has_shown):
        yield f"preset {name} lacks its revision {head.shown}"
    if counts.previews < (n_previews := _number(contents.census.get(PREVIEWS + name))):
        yield f"preset {name} has {counts.previews} of {n_previews} previews"


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() else 0

"""What presets refuse, and why.

PresetError
├── PresetMissing     no preset, or no revision of it, has this name
├── PresetExists      a new preset has the name of one that is in force
├── EtagMismatch      somebody else wrote in between
├── NotADraft         a revision to publish was published or written in force already
├── NeverInForce      a revision to roll back to never was in force
├── AlreadyInForce    a revision to roll back to is the one in force
├── TooManyDrafts     a preset has as many open drafts as it may
├── TooManyDefaults   as many presets apply to every request as may
├── ChainContended    other changes kept coming first
├── StoreUnavailable  Redis cannot be reached
│   └── StoreRefuses  Redis refuses, and goes on to until somebody acts
├── StoreLostData     Redis has less than it had
├── NothingLost       a loss is to be resolved, and there is none
├── NothingKept       a loss is to be restored from a replica that has no copy
├── RecordCorrupt     what is stored is not a preset
└── RedisNotStarted   the embedded redis-server did not come up
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from service.errors import ServiceError
from service.presets.redis_faults import Fault


class PresetError(ServiceError):
    """Root of what presets refuse."""


class PresetMissing(PresetError):
    """No preset in force, or no revision of it, has this name."""

    def __init__(
        self,
        name: str,
        revision: int | None = None,
        near: str = "",
        *,
        is_draft: bool = False,
    ) -> None:
        what = f"preset {name!r}" if revision is None else f"preset {name!r} revision {revision}"
        hint = f"; did you mean {near!r}?" if near else ""
        fact = f"{what} is a draft: publish it first" if is_draft else f"there is no {what}{hint}"
        super().__init__(fact)
        self.name = name
        self.revision = revision


class PresetExists(PresetError):
    """A new preset has the name of one that is in force."""

    def __init__(self, name: str, revision: int) -> None:
        super().__init__(f"preset {name!r} exists at revision {revision}; update it instead")
        self.name = name


@dataclass(frozen=True, slots=True)
class LastWrite:
    """Who changed a preset last."""

    author: str
    action: str
    """What they did, such as `published`."""
    revision: int
    """That it was about."""
    time: datetime
    """UTC."""

    @property
    def by(self) -> str:
        """Author, and time to the second with its zone."""
        return f"by {self.author} at {self.time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


class EtagMismatch(PresetError):
    """Somebody else wrote in between, or the etag was never right."""

    def __init__(
        self, name: str, revision: int, active: int, last: LastWrite | None = None
    ) -> None:
        in_force = f"revision {active} is in force" if active else "none is in force"
        wrote = last is not None and last.action in {"created", "updated", "drafted"}
        by = f", {last.by}" if last and wrote else ""
        then = (
            f"; revision {last.revision} was {last.action} {last.by}" if last and not wrote else ""
        )
        super().__init__(
            f"preset {name!r} is no longer as it was when its etag was read: its newest revision"
            f" is {revision}{by}, and {in_force}{then}. Nothing was written: read it, look at what"
            " changed, and make the change again with the new etag"
        )
        self.name = name
        self.revision = revision
        """The newest."""
        self.active = active
        """The one in force; 0: none."""
        self.last = last
        """The newest change; None: it is unknown."""


class NotADraft(PresetError):
    """A revision to publish was published or written in force already."""

    def __init__(self, name: str, revision: int, state: str, remedy: str) -> None:
        super().__init__(
            f"preset {name!r} revision {revision} is {state}, and only a DRAFT can be published;"
            f" {remedy}"
        )
        self.name = name
        self.revision = revision
        self.state = state


class NeverInForce(PresetError):
    """A revision to roll back to never was in force."""

    def __init__(self, name: str, revision: int, *, is_archived: bool) -> None:
        where = "was a DRAFT when the preset was deleted" if is_archived else "is a DRAFT"
        remedy = (
            "roll back to one that was in force, then publish it" if is_archived else "publish it"
        )
        super().__init__(
            f"preset {name!r} revision {revision} {where}, and never was in force; {remedy}"
        )
        self.name = name
        self.revision = revision


class AlreadyInForce(PresetError):
    """A revision to roll back to is the one in force."""

    def __init__(self, name: str, revision: int) -> None:
        super().__init__(
            f"preset {name!r} revision {revision} is ACTIVE already; name an earlier one"
        )
        self.name = name
        self.revision = revision


class TooManyDrafts(PresetError):
    """A preset has as many open drafts as it may."""

    def __init__(self, name: str, count: int, oldest: int) -> None:
        super().__init__(
            f"preset {name!r} has {count} drafts, the most that may be open, from revision"
            f" {oldest}; publish one, or write the draft under another name"
        )
        self.name = name
        self.count = count


class TooManyDefaults(PresetError):
    """As many presets apply without being named as may, or they would have too many rules."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"preset {name!r} cannot apply to every request: {why};"
            " take is_default from one, or name this one in requests"
        )
        self.name = name


class ChainContended(PresetError):
    """Other changes kept coming first; nothing was written."""

    def __init__(self, tries: int) -> None:
        super().__init__(
            f"{tries} times another change was first, and nothing was written; try again"
        )
        self.tries = tries


class StoreUnavailable(PresetError):
    """Redis cannot be reached, or not now; presets in force go on being served."""

    def __init__(self, fault: Fault, *, is_write: bool = False) -> None:
        note = "; nothing was written that is not confirmed" if is_write else ""
        super().__init__(f"{fault}{note}")
        self.fault = fault


class StoreRefuses(StoreUnavailable):
    """Redis refuses the call, and every other like it until somebody acts."""


def unavailable(fault: Fault, *, is_write: bool = False) -> StoreUnavailable:
    """The error of a fault: one that passes by itself, or one that does not."""
    if fault.is_passing:
        return StoreUnavailable(fault, is_write=is_write)
    return StoreRefuses(fault)


class StoreLostData(PresetError):
    """The store has less than it had: flushed, evicted, restored from an old copy, or another."""

    def __init__(self, what: str, note: str = "") -> None:
        super().__init__(
            f"the store of presets lost its data: {what}{note}. Until an operator decides the last"
            " good presets are served and nothing is written: `steerrec preset store restore`"
            " writes back what this replica serves, `steerrec preset store accept` takes what the"
            " store has"
        )
        self.what = what
        """The first thing that is missing."""


class NothingLost(PresetError):
    """A loss is to be resolved, and this replica knows of none."""

    def __init__(self) -> None:
        super().__init__("the store has everything that this replica serves: nothing was lost")


class NothingKept(PresetError):
    """A loss is to be restored from a replica that started without a copy of the presets."""

    def __init__(self) -> None:
        super().__init__(
            "this replica started without a copy of the presets and has nothing to write back:"
            " restore from a replica that served them, give Redis a backup, or accept what the"
            " store has"
        )


class RecordCorrupt(PresetError):
    """What is stored under a preset's key is not a preset."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")
        self.why = why


class RedisNotStarted(PresetError):
    """The embedded redis-server did not come up."""

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
├── StoreLostData     Redis has less than it had
├── NothingLost       a loss is to be resolved, and there is none
├── RecordCorrupt     what is stored is not a preset
└── RedisNotStarted   the embedded redis-server did not come up
"""

from service.errors import ServiceError


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


class EtagMismatch(PresetError):
    """Somebody else wrote in between, or the etag was never right."""

    def __init__(self, name: str, revision: int, active: int, written: str = "") -> None:
        in_force = f"revision {active} is in force" if active else "none is in force"
        super().__init__(
            f"preset {name!r} is no longer as it was when its etag was read: its newest revision"
            f" is {revision}{written and f', {written}'}, and {in_force}; read it, and make the"
            " change again"
        )
        self.name = name
        self.revision = revision
        """The newest."""
        self.active = active
        """The one in force; 0: none."""
        self.written = written
        """Who wrote the newest revision, and when; empty: not known."""


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
    """Redis cannot be reached; presets in force go on being served."""

    def __init__(self, cause: Exception) -> None:
        super().__init__("Redis cannot be reached; nothing was written that is not confirmed")
        self.cause = cause


class StoreLostData(PresetError):
    """The store has less than it had: flushed, restored from an old copy, or another one."""

    def __init__(self, cursor: str, note: str = "") -> None:
        super().__init__(
            f"the store of presets lost its data: change {cursor}, which is served here, is not in"
            " it. Until an operator decides the last good presets are served and nothing is"
            " written: `steerrec preset store restore` writes back what this replica serves,"
            f" `steerrec preset store accept` takes what the store has{note}"
        )
        self.cursor = cursor


class NothingLost(PresetError):
    """A loss is to be resolved, and this replica knows of none."""

    def __init__(self) -> None:
        super().__init__("the store has everything that this replica serves: nothing was lost")


class RecordCorrupt(PresetError):
    """What is stored under a preset's key is not a preset."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")


class RedisNotStarted(PresetError):
    """The embedded redis-server did not come up."""

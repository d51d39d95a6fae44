"""What presets refuse, and why.

PresetError
├── PresetMissing     no preset, or no revision of it, has this name
├── PresetExists      a new preset has the name of one that is in force
├── EtagMismatch      somebody else wrote in between
├── StoreUnavailable  Redis cannot be reached
├── RecordCorrupt     what is stored is not a preset
└── RedisNotStarted   the embedded redis-server did not come up
"""

from service.errors import ServiceError


class PresetError(ServiceError):
    """Root of what presets refuse."""


class PresetMissing(PresetError):
    """No preset in force, or no revision of it, has this name."""

    def __init__(self, name: str, revision: int | None = None, near: str = "") -> None:
        what = f"preset {name!r}" if revision is None else f"preset {name!r} revision {revision}"
        hint = f"; did you mean {near!r}?" if near else ""
        super().__init__(f"there is no {what}{hint}")
        self.name = name
        self.revision = revision


class PresetExists(PresetError):
    """A new preset has the name of one that is in force."""

    def __init__(self, name: str, revision: int) -> None:
        super().__init__(f"preset {name!r} exists at revision {revision}; update it instead")
        self.name = name


class EtagMismatch(PresetError):
    """Somebody else wrote in between, or the etag was never right."""

    def __init__(self, name: str, revision: int) -> None:
        super().__init__(
            f"preset {name!r} is at revision {revision} with another etag; read it and repeat"
        )
        self.name = name
        self.revision = revision


class StoreUnavailable(PresetError):
    """Redis cannot be reached; presets in force go on being served."""

    def __init__(self, cause: Exception) -> None:
        super().__init__("Redis cannot be reached; nothing was written that is not confirmed")
        self.cause = cause


class RecordCorrupt(PresetError):
    """What is stored under a preset's key is not a preset."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")


class RedisNotStarted(PresetError):
    """The embedded redis-server did not come up."""

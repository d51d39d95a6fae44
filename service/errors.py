"""What the service refuses, and why; `service.status` says what a caller gets for each.

ServiceError
├── SettingsRefused       the process does not start: its settings are wrong
├── CannotBind            the process does not start: an address cannot be bound
├── PlaceUnusable         the process does not start: a folder or file cannot be written
├── WorkerNotStarted      the process does not start: one of its workers cannot
├── InvalidRequest        fields of a request break the contract, all of them at once
├── ModelNotServed        no label or version of this name is served here
├── ModelStoreAway        the store of bundles cannot be read
├── PresetNotInForce      no preset, or no revision of it, has this name
├── PresetNotHonoured     the served bundle lacks what a preset names
├── FeatureNotFound       the SAE has no such feature
├── GroupNotFound         no group was measured for an attribute
├── Overloaded            as many requests wait as may
├── Draining              the replica is stopping
├── DeadlineGone          the caller's time ran out before the model ran
├── DeadlineTooNear       the caller's time would run out behind those that wait already
├── DecisionLogOff        no decision log is on
├── DecisionLogAway       the decision log cannot be read or written
│   └── DecisionLogRefuses  and not until somebody acts
├── DecisionMissing       the decision log has no such decision
├── DecisionUnreadable    what is stored is not a decision
├── ReplayImpossible      what a decision was made from is gone
├── NoHistories           there is no recorded history to preview on
└── PublishRefused        the publish policy keeps a revision out of force
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from service.address import why_not_bound
from steering.errors import RuleFault


class Violation(NamedTuple):
    """One field of a request that breaks the contract."""

    field: str
    """Path of the field, e.g. `rules[2].value`."""
    message: str
    """What is wrong and what to do."""


class ServiceError(Exception):
    """Root of what this room raises."""


class SettingsRefused(ServiceError):
    """The settings are wrong; `faults` holds a sentence for each."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)
        """At least one."""


class CannotBind(ServiceError):
    """An address cannot be bound."""

    def __init__(self, setting: str, address: str, cause: BaseException) -> None:
        """Say why.

        Args:
            setting: variable that names the address.
            address: host:port.
            cause: what the system said.
        """
        why = why_not_bound(cause, address.rpartition(":")[2])
        super().__init__(f"{setting}: {address} cannot be bound: {why}")
        self.address = address


class PlaceUnusable(ServiceError):
    """A folder or file that a setting names cannot be written."""

    def __init__(self, setting: str, path: Path, cause: str) -> None:
        super().__init__(f"{setting}: {path} cannot be written: {cause}")
        self.path = path


class WorkerNotStarted(ServiceError):
    """A worker cannot start."""

    def __init__(self, index: int, why: str) -> None:
        super().__init__(f"worker {index} cannot start: {why}")
        self.index = index
        """From 0."""
        self.why = why
        """What it says itself."""


class InvalidRequest(ServiceError):
    """Fields of a request break the contract."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in violations))
        self.violations = tuple(violations)
        """At least one."""


class ModelNotServed(ServiceError):
    """No label or version of this name is served by this replica."""

    def __init__(self, model: str, served: Sequence[str]) -> None:
        super().__init__(f"model {model!r} is not served here; there are {', '.join(served)}")
        self.model = model
        self.served = tuple(served)
        """Labels and versions that are."""


class ModelStoreAway(ServiceError):
    """The store of bundles cannot be read now."""

    def __init__(self) -> None:
        super().__init__("the store of bundles cannot be read, the log says why; try again")


class PresetNotInForce(ServiceError):
    """No preset, or no revision of it, has this name."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        """Path in the request, e.g. `presets[0]`."""
        self.message = message
        """What is wrong and what to do, without the path."""


class PresetNotHonoured(ServiceError):
    """The served bundle lacks what a preset names."""

    def __init__(
        self, field: str, name: str, revision: int, version: str, faults: Sequence[RuleFault]
    ) -> None:
        why = "; ".join(map(str, faults))
        self.message = f"model {version!r} cannot honour preset {name!r} revision {revision}: {why}"
        """What is wrong, without the path."""
        super().__init__(f"{field}: {self.message}")
        self.field = field
        """Path in the request, e.g. `presets[0]`."""
        self.faults = tuple(faults)
        """What the bundle lacks."""


class FeatureNotFound(ServiceError):
    """The SAE has no such feature."""

    def __init__(self, index: int, d_sae: int) -> None:
        super().__init__(f"feature {index} does not exist; there are 0 to {d_sae - 1}")
        self.index = index


class GroupNotFound(ServiceError):
    """No group of features was measured for the attribute."""

    def __init__(self, name: str, value: str, n_groups: int) -> None:
        super().__init__(f"no feature group for {name}={value}; there are {n_groups} groups")
        self.name = name
        self.value = value


class Overloaded(ServiceError):
    """As many requests wait for the model as may."""

    def __init__(self, queue_limit: int) -> None:
        super().__init__(f"{queue_limit} requests are waiting already; try again")
        self.queue_limit = queue_limit


class Draining(ServiceError):
    """The replica is stopping; another will answer."""

    def __init__(self) -> None:
        super().__init__("this replica is stopping; try again")


class DeadlineGone(ServiceError):
    """The caller's time ran out before the model ran."""

    def __init__(self) -> None:
        super().__init__("the deadline passed before the model ran")


class DeadlineTooNear(ServiceError):
    """The caller's time would run out behind the requests that wait already."""

    def __init__(self, wait_s: float, left_s: float) -> None:
        super().__init__(
            f"the requests ahead take about {wait_s:.3g} s and {max(left_s, 0):.3g} s are left"
        )
        self.wait_s = wait_s
        """What the requests ahead take at least, in seconds."""
        self.left_s = left_s
        """What the caller has left, in seconds."""


class DecisionLogOff(ServiceError):
    """No decision log is on."""

    def __init__(self) -> None:
        super().__init__(
            "no decision log is on; start the service with STEERREC_DECISION_LOG=redis, or a file"
        )


class DecisionLogAway(ServiceError):
    """The decision log cannot be read or written now."""

    def __init__(self, cause: Exception, why: str = "try again") -> None:
        super().__init__(f"the decision log cannot be reached; {why}")
        self.cause = cause


class DecisionLogRefuses(DecisionLogAway):
    """The decision log cannot be read or written until somebody acts."""


class DecisionMissing(ServiceError):
    """The decision log has no decision of this id."""

    def __init__(self, decision_id: str, why: str) -> None:
        super().__init__(f"decision {decision_id[:80]!r} is not in the log: {why}")
        self.decision_id = decision_id


class DecisionUnreadable(ServiceError):
    """What is stored in the decision log is not a decision."""

    def __init__(self, why: str) -> None:
        super().__init__(f"an entry of the decision log cannot be read: {why}")


class ReplayImpossible(ServiceError):
    """What a decision was made from is gone."""

    def __init__(self, decision_id: str, why: str) -> None:
        super().__init__(f"decision {decision_id} cannot be answered again: {why}")
        self.decision_id = decision_id


class NoHistories(ServiceError):
    """There is no recorded history to preview on."""

    def __init__(self) -> None:
        super().__init__("the decision log has no decision yet; send requests, or supply histories")


class PublishRefused(ServiceError):
    """The publish policy keeps a revision out of force."""

    def __init__(self, field: str, violations: Sequence[str], remedy: str) -> None:
        super().__init__(f"the publish policy refuses: {'; '.join(violations)}. {remedy}")
        self.field = field
        """Path in the request, e.g. `revision`."""
        self.violations = tuple(violations)
        """A sentence for each; at least one."""
        self.remedy = remedy
        """What to run."""

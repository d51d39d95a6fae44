"""The answer to one query, before it is put into protobuf."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from service.findings import Findings
from service.forward import Unsteered
from service.layers import AppliedPreset, KeptOutPreset
from service.snapshot import ServedModel
from steering.report import RuleReport
from steering.space import Floats, Indices


class DegradedReason(Enum):
    """Why an answer is less than what was asked for; the numbers are the contract's."""

    UNKNOWN_ITEMS = 1
    COLD_START = 2
    HISTORY_TRUNCATED = 3
    PRESET_SKIPPED = 4
    STALE_PRESETS = 5
    SHORT_SLATE = 6


@dataclass(frozen=True, slots=True)
class Degraded:
    """One way in which an answer is less than what was asked for."""

    reason: DegradedReason
    detail: str
    """A sentence for a person."""
    count: int = 0
    """How many, where the reason counts something."""


@dataclass(frozen=True, slots=True)
class ActiveFeature:
    """A feature that the history makes active."""

    index: int
    label: str
    activation: float
    """In reference units, before all rules."""


class Slate(NamedTuple):
    """The answer."""

    served: ServedModel
    """What answered."""
    items: Indices
    """[n] item indices, best first."""
    scores: Floats
    """[n]."""
    applied: Sequence[AppliedPreset]
    """Presets of the plan, in order."""
    reports: Sequence[RuleReport]
    """One per rule."""
    degraded: Sequence[Degraded]
    """Empty: the answer is what was asked for."""
    request_id: str
    kept_out: Sequence[KeptOutPreset] = ()
    """Presets that their targeting kept out."""
    norm_share: float = 0.0
    """Norm of the shift over that of the hidden state; 0: not steered."""
    is_shift_clipped: bool = False
    """Whether the shift was scaled down to its limit."""
    is_full: bool = False
    """Whether the reply tells all it can."""
    unsteered: Unsteered | None = None
    """What the items would have got without the plan; None: not asked, or nothing to tell."""
    active: Sequence[ActiveFeature] = ()
    """The strongest first."""
    findings: Findings | None = None
    """What became of target and budget, and why; None: nothing of it was asked for."""

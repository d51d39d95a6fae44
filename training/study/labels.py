"""Do labels hold on users who did not make them? Labels of one half, checked on the other.

Feature cards are labelled by all training histories. Here the same rule labels the features by one
half of the users, and each label has to predict its feature's activation on the other half.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from training.config import Count, Settings
from training.pipeline import Run
from training.progress import Report, silent


class LabelsSettings(Settings):
    """How labels are checked."""

    max_moments: Count = 20_000
    """Moments read, half of them to label and half to check."""
    per_user: Count = 20
    """Most moments of one training history."""
    draws: Count = 1_000
    """Times that users are drawn for an interval."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of moments, halves, clusters and drawn users."""


@dataclass(frozen=True)
class HeldOutLabel:
    """The label that one half of the users gives a feature, on the other half."""

    feature_index: int
    """Row of W_dec."""
    label: str
    """As a card would have it."""
    source: str
    """`attribute`, `co_occurrence` or `titles`."""
    roc_auc: float
    """On the unseen half: of the activation against "the last item is among the label's items"."""
    roc_auc_low: float
    """Lower end of the 95 % interval over users."""
    roc_auc_high: float
    """Upper end."""
    predicted_share: float | None
    """R2 of the activation from the label, there; None: the feature never varies there."""
    is_predicting: bool
    """Whether the interval of ROC AUC lies above one half."""
    is_same: bool
    """Whether the unseen half alone gives the feature the same label."""


@dataclass(frozen=True)
class LabelsOfSource:
    """The labels of one source together."""

    source: str
    """`attribute`, `co_occurrence`, `titles`, or `all`."""
    n_features: int
    """Features so labelled."""
    predicting_share: float
    """Share of them whose label still predicts the feature on the unseen half."""
    predicting_share_by_chance: float
    """The same where every feature has another feature's label: what labels dealt at random do."""
    mean_roc_auc: float
    """Mean over them, on the unseen half."""
    mean_roc_auc_by_chance: float
    """The same with another feature's label."""
    mean_predicted_share: float
    """Mean R2 on the unseen half."""
    same_share: float
    """Share of them to which the unseen half alone gives the same label."""


@dataclass(frozen=True)
class LabelsStudy:
    """The labels of one SAE, checked; `dataclasses.asdict` of it is JSON."""

    n_features: int
    """Features of the SAE."""
    n_dead: int
    """Features that never fire on the half that labels: they have no label."""
    n_rows: int
    """Moments read."""
    n_users: int
    """Whose they are."""
    by_source: tuple[LabelsOfSource, ...]
    """All first, then by source."""
    labels: tuple[HeldOutLabel, ...]
    """By feature index."""


def study_of(
    run: Run, settings: LabelsSettings | None = None, report: Report = silent
) -> LabelsStudy:
    """The labels of a run's SAE, checked on the users of its training histories."""
    raise NotImplementedError

"""Do labels hold on users who did not make them? Labels of one half, checked on the other.

Feature cards are labelled by all training histories. Here the same rule labels the features by one
half of the users, and each label has to predict its feature's activation on the other half.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import sparse

from model_store.cards import FeatureCard, LabelSource
from training.association import Z_95
from training.attributes import attribute_table
from training.batches import generator
from training.cards import Readings, feature_cards
from training.config import CardsConfig, Count, Settings
from training.dataset import Dataset
from training.labels import Nameable, labelled_items, nameable
from training.pipeline import Run
from training.progress import Report, silent
from training.study.directions import sae_features
from training.study.judging import one_label_means
from training.study.moments import newest_hidden, sampled_moments
from training.study.question import picking_half
from training.study.separation import auc_influence, roc_aucs

Float32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Int64 = npt.NDArray[np.int64]


class LabelsSettings(Settings):
    """How labels are checked."""

    max_moments: Count = 20_000
    """Moments read, half of them to label and half to check."""
    per_user: Count = 20
    """Most moments of one training history."""
    min_item_count: Count = 5
    """Fewest times that a top item was read as the newest, in a half."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of moments, halves and clusters."""


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


class Half(NamedTuple):
    """What is read of one half of the users."""

    activations: Float32
    """[rows, d_sae]."""
    items: Int64
    """Newest item of each row [rows]."""
    users: Int64
    """Whose row it is [rows]."""

    @property
    def readings(self) -> Readings:
        """The same as feature cards take it."""
        return Readings(sparse.csc_array(self.activations), self.items)


class Fit(NamedTuple):
    """How well one label predicts one feature on the unseen half."""

    roc_auc: float
    """Of the activation against the label."""
    error: float
    """Its standard error, by users."""
    predicted_share: float | None
    """R2 of the activation; None: it never varies there."""

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval of ROC AUC."""
        return max(self.roc_auc - Z_95 * self.error, 0.0)

    @property
    def high(self) -> float:
        """Upper end."""
        return min(self.roc_auc + Z_95 * self.error, 1.0)

    @property
    def is_predicting(self) -> bool:
        """Whether the interval lies above one half."""
        return self.low > 0.5


def study_of(
    run: Run, settings: LabelsSettings | None = None, report: Report = silent
) -> LabelsStudy:
    """The labels of a run's SAE, checked on the users of its training histories."""
    settings = settings or LabelsSettings()
    train, seed = run.split.train, settings.seed
    moments = sampled_moments(
        train, per_user=settings.per_user, seed=seed, at_most=settings.max_moments
    )
    hidden = newest_hidden(run.base_model, moments.begun, run.block)
    activations = sae_features("SAE", run.sae, hidden).activations
    labels_it = picking_half(moments.users, seed)
    labelling, checking = (
        Half(activations[rows], moments.last_items[rows], moments.users[rows])
        for rows in (labels_it, ~labels_it)
    )
    config = run.config.cards.model_copy(update={"min_item_count": settings.min_item_count})
    table = attribute_table(run.dataset, config.min_items)
    theirs = [train[user] for user in np.unique(labelling.users)]
    named = nameable(run.dataset, table, theirs, config, seed=seed)
    return labels_study(labelling, checking, run.dataset, named, config, report)


def labels_study(
    labelling: Half,
    checking: Half,
    dataset: Dataset,
    named: Nameable,
    config: CardsConfig,
    report: Report = silent,
) -> LabelsStudy:
    """The labels by one half, checked on the other.

    Args:
        labelling: the half that labels.
        checking: the half that checks.
        dataset: the catalogue.
        named: what labels may name; clusters come from the half that labels.
        config: the rule's bounds.
        report: told after each feature.
    """
    cards = feature_cards(labelling.readings, dataset, named, config)
    again = feature_cards(checking.readings, dataset, named, config)
    meant = [labelled_items(card, named, dataset) for card in cards]
    known = [card for card, items in zip(cards, meant, strict=True) if items is not None]
    others = _others(len(known))
    fits, by_chance = [], []
    for place, card in enumerate(known):
        both = (card.feature_index, known[others[place]].feature_index)
        own, another = (meant[feature] for feature in both)
        fits.append(fit(card.feature_index, own, labelling, checking))
        by_chance.append(fit(card.feature_index, another, labelling, checking))
        report("labels", place + 1, len(known))
    held_out = tuple(
        _held_out(card, again[card.feature_index], fitted)
        for card, fitted in zip(known, fits, strict=True)
    )
    return LabelsStudy(
        n_features=len(cards),
        n_dead=sum(card.is_dead for card in cards),
        n_rows=len(labelling.items) + len(checking.items),
        n_users=len(np.unique(labelling.users)) + len(np.unique(checking.users)),
        by_source=_by_source(held_out, by_chance),
        labels=held_out,
    )


def fit(feature: int, items: Bools | None, labelling: Half, checking: Half) -> Fit:
    """How well "the newest item is among these" predicts a feature on the half that checks.

    R2 is that of two means learned on the half that labels: with the label, and without.

    Args:
        feature: column.
        items: [n_items + 1] what the label means.
        labelling: where the means are learned.
        checking: where they predict.
    """
    if items is None:
        return Fit(0.5, 0.0, None)
    carried, activation = items[checking.items], checking.activations[:, feature]
    area = float(roc_aucs(activation[:, None], carried[:, None])[0, 0])
    influence = auc_influence(activation, carried)
    by_user = np.bincount(checking.users, influence)
    expected = one_label_means(labelling.activations[:, [feature]], items[labelling.items][:, None])
    predicted = np.where(carried, expected.with_label, expected.without)
    return Fit(area, float(np.sqrt(np.square(by_user).sum())), _r2(activation, predicted))


def _r2(activation: Float32, predicted: Float32) -> float | None:
    values = activation.astype(np.float64)
    variation = np.square(values - values.mean()).sum()
    return float(1 - np.square(values - predicted).sum() / variation) if variation > 0 else None


def _others(n: int) -> Int64:
    """A feature for each feature, never the same one where there are two."""
    order = generator(0, 11).permutation(n)
    other = np.zeros(n, dtype=np.int64)
    other[order] = np.roll(order, 1)
    return other


def _held_out(card: FeatureCard, again: FeatureCard, fitted: Fit) -> HeldOutLabel:
    return HeldOutLabel(
        feature_index=card.feature_index,
        label=card.label,
        source=str(card.label_evidence.source) if card.label_evidence else "",
        roc_auc=fitted.roc_auc,
        roc_auc_low=fitted.low,
        roc_auc_high=fitted.high,
        predicted_share=fitted.predicted_share,
        is_predicting=fitted.is_predicting,
        is_same=card.label == again.label,
    )


def _by_source(
    held_out: Sequence[HeldOutLabel], by_chance: Sequence[Fit]
) -> tuple[LabelsOfSource, ...]:
    both = list(zip(held_out, by_chance, strict=True))
    sources = [source for source in LabelSource if any(h.source == source for h in held_out)]
    parts = [("all", both)] + [
        (str(source), [pair for pair in both if pair[0].source == source]) for source in sources
    ]
    return tuple(_of_source(name, pairs) for name, pairs in parts)


def _of_source(name: str, pairs: Sequence[tuple[HeldOutLabel, Fit]]) -> LabelsOfSource:
    return LabelsOfSource(
        source=name,
        n_features=len(pairs),
        predicting_share=_mean([label.is_predicting for label, _ in pairs]),
        predicting_share_by_chance=_mean([chance.is_predicting for _, chance in pairs]),
        mean_roc_auc=_mean([label.roc_auc for label, _ in pairs]),
        mean_roc_auc_by_chance=_mean([chance.roc_auc for _, chance in pairs]),
        mean_predicted_share=_mean(
            [label.predicted_share for label, _ in pairs if label.predicted_share is not None]
        ),
        same_share=_mean([label.is_same for label, _ in pairs]),
    )


def _mean(values: Sequence[float]) -> float:
    """0 of nothing."""
    return float(np.mean(values)) if values else 0.0

"""What a feature is called, by a written rule, and why.

1. By attribute: of the attribute values that it tells apart well, the one with the largest lift.
   Well is: the lower end of ROC AUC's 95 % interval is at least `label_auc`, and the lift at least
   `label_lift`. Lift is the share of the feature's activation that falls on items with the value,
   over the share of positions that read such items.
2. Else by co-occurrence: of the clusters of items that the same users read, the one with the
   largest lift, by the same bounds. A cluster is called after its two most read items, and after
   the attribute value of most of them that is most its own.
3. Else by the titles of its three strongest items.

Strings and thresholds live here and in `training.config.CardsConfig`; a language model may rewrite
a label afterwards (`training/labeller.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from model_store.cards import (
    AttributeValue,
    FeatureCard,
    LabelEvidence,
    LabelSource,
    TopItem,
)
from training.association import RocAuc, roc_auc
from training.attributes import AttributeTable
from training.batches import Items
from training.co_occurrence import clusters, readers
from training.config import CardsConfig
from training.dataset import Dataset

LABEL_TITLES = 3
CLUSTER_TITLES = 2

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


class Label(NamedTuple):
    """A feature's name and why."""

    text: str
    """Empty: there is nothing to name it after."""
    evidence: LabelEvidence | None
    """None where the text is empty."""


@dataclass(frozen=True, eq=False)
class Nameable:
    """Sets of items that a label may name."""

    table: AttributeTable
    """Attribute values."""
    cluster_names: tuple[str, ...]
    """Of each cluster."""
    cluster_carries: Bools
    """[n_items + 1, n_clusters] by item index."""


class Clarity(NamedTuple):
    """How well one feature tells sets of items apart, [n_sets] each."""

    auc: RocAuc
    """Of the activation against "the newest item is in the set"."""
    lift: Floats
    """Share of the activation on the set over the set's share of positions."""


def nameable(
    dataset: Dataset,
    table: AttributeTable,
    histories: Sequence[Items],
    config: CardsConfig,
    *,
    seed: int,
) -> Nameable:
    """What labels may name: the attribute values, and clusters of items that users read together.

    Args:
        dataset: the catalogue.
        table: its attribute values.
        histories: of training; co-occurrence comes from them.
        config: how many clusters, and how few items one may have.
        seed: of the clustering.
    """
    if not config.label_clusters:
        return Nameable(table, (), np.zeros((dataset.n_items + 1, 0), dtype=np.bool_))
    found = clusters(readers(histories, dataset.n_items), config.label_clusters, seed)
    carries = found[:, None] == np.arange(config.label_clusters)
    carries = carries[:, carries.sum(0) >= config.min_items]
    counts = np.bincount(np.concatenate(histories), minlength=dataset.n_items + 1)
    names = tuple(_cluster_name(column, counts, dataset, table) for column in carries.T)
    return Nameable(table, names, carries)


def clarity(values: npt.NDArray[np.floating], listed: Bools, carried: Bools) -> Clarity:
    """How well one sparse activation tells the sets apart.

    Args:
        values: activations above 0 [n_listed].
        listed: [n_listed, n_sets] whether the item read there is in the set.
        carried: [rows, n_sets] the same of all rows, listed or not.
    """
    auc = roc_auc(values, listed, len(carried), carried.sum(0))
    mass = values.astype(np.float64) @ listed / max(float(values.sum()), 1e-12)
    return Clarity(auc, np.asarray(mass / np.maximum(carried.mean(0), 1e-12)))


def label(
    attributes: Clarity,
    by_readers: Clarity,
    top: Sequence[TopItem],
    named: Nameable,
    titles: Mapping[str, str],
    config: CardsConfig,
) -> Label:
    """The label by the rule.

    Args:
        attributes: of the attribute values.
        by_readers: of the clusters.
        top: the feature's strongest items; none where it is dead, or strong on rare items alone.
        named: what the columns of the two are.
        titles: of all items, by item id.
        config: the bounds.
    """
    if (column := clearest(attributes, config)) is not None:
        return _attribute_label(named.table.values[column], attributes, column)
    if (column := clearest(by_readers, config)) is not None:
        return _cluster_label(named.cluster_names[column], by_readers, column)
    if not top:
        return Label("", None)
    return _title_label([titles[item.item_id] for item in top[:LABEL_TITLES]])


def labelled_items(card: FeatureCard, named: Nameable, dataset: Dataset) -> Bools | None:
    """The items that a card's label means [n_items + 1]; None: the rule gave it no label.

    Args:
        card: labelled by the rule.
        named: what the rule could name.
        dataset: the catalogue.
    """
    evidence = card.label_evidence
    if evidence is None:
        return None
    if evidence.attribute is not None:
        return named.table.carries[:, named.table.values.index(evidence.attribute)]
    if evidence.source is LabelSource.CO_OCCURRENCE:
        return named.cluster_carries[:, named.cluster_names.index(card.label)]
    strongest = {item.item_id for item in card.top_items[:LABEL_TITLES]}
    return np.array([False, *(item.item_id in strongest for item in dataset.items)])


def clearest(found: Clarity, config: CardsConfig) -> int | None:
    """The set with the largest lift among those told apart well; None: there is none."""
    clear = (found.auc.low >= config.label_auc) & (found.lift >= config.label_lift)
    return int(np.argmax(np.where(clear, found.lift, 0.0))) if clear.any() else None


def _attribute_label(value: AttributeValue, found: Clarity, column: int) -> Label:
    text = f"{value.name}: {value.value}"
    reason = f"Its activation falls on {text} {_how_clear(found, column)}."
    return Label(text, _evidence(LabelSource.ATTRIBUTE, found, column, reason, value))


def _cluster_label(name: str, found: Clarity, column: int) -> Label:
    reason = (
        f"No attribute is clear; its activation falls on items that the same users read "
        f"{_how_clear(found, column)}."
    )
    return Label(name, _evidence(LabelSource.CO_OCCURRENCE, found, column, reason))


def _title_label(titles: Sequence[str]) -> Label:
    reason = "No attribute and no cluster is clear; these are its strongest items."
    return Label(" / ".join(titles), LabelEvidence(source=LabelSource.TITLES, reason=reason))


def _evidence(
    source: LabelSource,
    found: Clarity,
    column: int,
    reason: str,
    attribute: AttributeValue | None = None,
) -> LabelEvidence:
    return LabelEvidence(
        source=source,
        attribute=attribute,
        measure="lift",
        value=float(found.lift[column]),
        reason=reason,
    )


def _how_clear(found: Clarity, column: int) -> str:
    low, high = found.auc.low[column], found.auc.high[column]
    return (
        f"{found.lift[column]:.1f} times as much as their share of positions "
        f"(ROC AUC {found.auc.area[column]:.2f}, {low:.2f} to {high:.2f})"
    )


def _cluster_name(
    carries: Bools, counts: npt.NDArray[np.int64], dataset: Dataset, table: AttributeTable
) -> str:
    """Its most read items, and the attribute value that is most its own among common ones."""
    most_read = np.argsort(-np.where(carries, counts, -1), kind="stable")[:CLUSTER_TITLES]
    around = f"around {' / '.join(dataset.items[item - 1].title for item in most_read)}"
    within = table.carries[carries].mean(0)
    lift = within / np.maximum(table.carries[1:].mean(0), 1e-12)
    common = np.where(within >= 0.5, lift, 0.0)
    if not common.any() or common.max() < 1:
        return around
    value = table.values[int(common.argmax())]
    return f"{around}, mostly {value.name}: {value.value}"

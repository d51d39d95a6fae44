"""Feature cards: what each feature of an SAE answers to, measured on the training histories."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import Tensor

from model_store.cards import Association, FeatureCard, TopItem
from training.association import RocAuc
from training.attributes import AttributeTable
from training.batches import generator
from training.config import CardsConfig
from training.dataset import Dataset
from training.labels import Nameable, clarity, label
from training.progress import Report, silent
from training.sae import Sae

REFERENCE_PERCENTILE = 99
ENCODE_ROWS = 4_096


@dataclass(frozen=True, eq=False)
class Readings:
    """Activations at positions of the training histories."""

    activations: sparse.csc_array
    """[rows, d_sae]."""
    items: npt.NDArray[np.int64]
    """Item index read at each position [rows]: the newest item there."""


@torch.no_grad()
def readings(sae: Sae, hidden: Tensor, items: Tensor, *, max_positions: int, seed: int) -> Readings:
    """The SAE's activations at the positions, or at a sample of them.

    Args:
        sae: in the hidden state's own units.
        hidden: [rows, d_model].
        items: item index read at each row [rows].
        max_positions: larger inputs are sampled down to this.
        seed: of the sample.
    """
    if len(hidden) > max_positions:
        drawn = generator(seed).choice(len(hidden), max_positions, replace=False)
        rows = torch.from_numpy(np.sort(drawn)).to(hidden.device)
        hidden, items = hidden[rows], items[rows]
    encoded = [
        sparse.csr_array(sae.encode(h).cpu().numpy()) for h in torch.split(hidden, ENCODE_ROWS)
    ]
    return Readings(sparse.vstack(encoded, format="csc"), items.cpu().numpy())


def feature_cards(
    read: Readings,
    dataset: Dataset,
    named: Nameable,
    config: CardsConfig,
    report: Report = silent,
) -> tuple[FeatureCard, ...]:
    """One card per feature, by index."""
    d_sae = read.activations.shape[1]
    carried, together = named.table.carries[read.items], named.cluster_carries[read.items]
    means, seen = mean_by_item(read, dataset.n_items)
    shown = seen >= config.min_item_count
    titles = {item.item_id: item.title for item in dataset.items}
    report("feature cards", 0, d_sae)
    cards = []
    for index, (rows, values) in enumerate(_columns(read.activations)):
        attributes = clarity(values, carried[rows], carried)
        by_readers = clarity(values, together[rows], together)
        reference = float(np.percentile(values, REFERENCE_PERCENTILE)) if len(values) else 0.0
        mean = np.where(shown, means[:, [index]].toarray()[:, 0], 0.0)
        top = _top_items(mean, reference, dataset, config)
        told_apart = _associations(attributes.auc, named.table, config)
        called = label(attributes, by_readers, top, named, titles, config)
        cards.append(
            FeatureCard(
                feature_index=index,
                label=called.text,
                label_evidence=called.evidence,
                reference_activation=reference,
                density=len(values) / len(read.items),
                attributes=told_apart if len(values) else (),
                top_items=top,
            )
        )
        report("feature cards", index + 1, d_sae)
    return tuple(cards)


def mean_by_item(read: Readings, n_items: int) -> tuple[sparse.csc_array, npt.NDArray[np.int64]]:
    """Mean activation when each item is the newest [n_items + 1, d_sae], and how often it was."""
    n_rows = len(read.items)
    seen = np.bincount(read.items, minlength=n_items + 1)
    weights = (1 / seen[read.items]).astype(np.float32)
    shape = (n_items + 1, n_rows)
    average = sparse.csr_array((weights, (read.items, np.arange(n_rows))), shape=shape)
    return sparse.csc_array(average @ read.activations), seen


def _columns(
    matrix: sparse.csc_array,
) -> Iterator[tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]]:
    """Rows and values of each column's non-zeros."""
    for start, stop in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
        yield matrix.indices[start:stop], matrix.data[start:stop]


def _associations(
    auc: RocAuc, table: AttributeTable, config: CardsConfig
) -> tuple[Association, ...]:
    strongest = np.argsort(-auc.area, kind="stable")[: config.max_attributes]
    return tuple(
        Association(
            attribute=table.values[i],
            roc_auc=float(auc.area[i]),
            roc_auc_low=float(auc.low[i]),
            roc_auc_high=float(auc.high[i]),
        )
        for i in strongest
    )


def _top_items(
    means: npt.NDArray[np.float32], reference: float, dataset: Dataset, config: CardsConfig
) -> tuple[TopItem, ...]:
    strongest = np.argsort(-means, kind="stable")[: config.max_top_items]
    return tuple(
        TopItem(item_id=dataset.items[i - 1].item_id, activation=float(means[i]) / reference)
        for i in strongest
        if means[i] > 0
    )

"""How alike two bundles of one catalogue answer: whose slates are compared, and how."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model_store.bundle import Bundle
from model_store.catalogue import Catalogue
from model_store.graphs import Graphs
from training.batches import Items, left_padded, length_batches
from training.dataset import Dataset
from training.errors import OtherCatalogue
from training.metrics import MISS, ndcg
from training.split import leave_one_out

BATCH = 32
PLACES = 20
"""Of the slates that are compared."""
SEEN_HISTORIES = 512
"""At most, that the ranges of int8 are taken from."""
JUDGED_HISTORIES = 2_000
"""At most, whose slates are compared."""


class Histories(NamedTuple):
    """Whose slates are compared, and what ranges are taken from."""

    name: str
    """Who they are."""
    seen: Sequence[Items]
    """For the ranges of int8; none of those judged."""
    judged: Sequence[Items]
    """Whose slates are compared."""
    targets: NDArray[np.int32] | None
    """[n] what came next in those judged; None: not known."""


def drawn_histories(catalogue: Catalogue, max_seq: int, count: int, seed: int) -> list[Items]:
    """Histories of 1 to max_seq items, by how often each was met in training."""
    rng = np.random.default_rng(seed)
    weight = catalogue.counts[1:] + 1.0
    lengths = rng.integers(1, max_seq + 1, count)
    drawn = rng.choice(catalogue.n_items, size=int(lengths.sum()), p=weight / weight.sum()) + 1
    return list(np.split(drawn.astype(np.int32), np.cumsum(lengths)[:-1]))


def histories_of(bundle: Bundle, dataset: Dataset | None) -> Histories:
    """Validation users of the data, or histories drawn by popularity where there is none.

    Raises:
        OtherCatalogue: the data's items are not the bundle's.
    """
    if dataset is None:
        max_seq = bundle.manifest.base_model.max_seq
        seen = drawn_histories(bundle.catalogue, max_seq, SEEN_HISTORIES, seed=0)
        judged = drawn_histories(bundle.catalogue, max_seq, JUDGED_HISTORIES, seed=1)
        return Histories("drawn by popularity", seen, judged, None)
    if tuple(item.item_id for item in dataset.items) != bundle.catalogue.item_ids[1:]:
        manifest = bundle.manifest
        raise OtherCatalogue(dataset.name, manifest.version, manifest.data.name)
    split = leave_one_out(dataset)
    order = np.random.default_rng(0).permutation(len(split.validation_inputs))
    # ranges come from nobody who judges, where there are enough for both
    judged_rows = order[: min(JUDGED_HISTORIES, max(1, len(order) * 4 // 5))]
    seen_rows = order[len(judged_rows) :][:SEEN_HISTORIES]
    judged = [split.validation_inputs[row] for row in judged_rows]
    seen = [split.validation_inputs[row] for row in seen_rows] or judged
    name = f"validation users of {dataset.name}"
    return Histories(name, seen, judged, split.validation_targets[judged_rows])


def overlap(before: NDArray[np.int64], after: NDArray[np.int64], k: int) -> float:
    """Mean share of the first k of one slate that are among the first k of the other [n, places].

    Of fewer than k places: of those that there are.
    """
    first, other = before[:, :k], after[:, :k]
    return float((first[:, :, np.newaxis] == other[:, np.newaxis]).any(axis=2).mean())


def ndcg_kept(
    before: NDArray[np.int64], after: NDArray[np.int64], targets: NDArray[np.int32] | None
) -> float | None:
    """NDCG@10 of the slates [n, places] after, over before; None: not known, or 0 before.

    Args:
        before: item indices, best first.
        after: the same of the other bundle.
        targets: [n] what came next; None: not known.
    """
    if targets is None:
        return None
    base, kept = (ndcg(_ranks(slates, targets), 10) for slates in (before, after))
    return kept / base if base else None


def _ranks(slates: NDArray[np.int64], targets: NDArray[np.int32]) -> NDArray[np.int64]:
    found = slates == targets[:, np.newaxis]
    return np.where(found.any(axis=1), found.argmax(axis=1) + 1, MISS)


def slates_of(graphs: Graphs, histories: Sequence[Items], max_seq: int) -> NDArray[np.int64]:
    """[n, PLACES] unsteered slates, the whole history left out."""
    longest = max(map(len, histories))
    places: list[NDArray[np.int64]] = [np.empty(0, dtype=np.int64)] * len(histories)
    for rows in length_batches(histories, BATCH):
        own = [histories[row] for row in rows]
        items = left_padded(own, max_seq).numpy()
        excluded = left_padded(own, longest).numpy()
        best = graphs.top_k(graphs.hidden(items), items, excluded, PLACES).items
        for row, slate in zip(rows, best, strict=True):
            places[row] = slate
    return np.stack(places)

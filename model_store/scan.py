"""The best of a large catalogue: int8 copies say which items could be, float32 says which are.

The catalogue is cut into groups of neighbouring items. `scan.onnx` gives, for each history and
group, the best score that the copies promise, and of catalogues that are not very large every
item's. Of the groups that promise most, all items are scored exactly, or the k that promise most;
the k-th best of those is what anything else has to reach, within its bound, to be scored as well.
So no item of the best k is missed (ADR 0011); where too many groups reach, all are scored.

A score is the dot product in float64, rounded once to float32; ties: the smaller index first.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model_store.bounds import GROUP, SMALLEST, Bounds, Float32, Float64, n_groups, norms
from model_store.errors import BundleCorrupt
from model_store.files import BASE_MODEL_FILE, ITEM_VECTORS, SCAN_FILE, SCAN_WEIGHTS_FILE
from model_store.graphs import Graph, Int64, TopK
from model_store.scanned import Scanned
from model_store.weights import mapped_weights

BATCH = 32
"""Histories scanned at once: more only need more memory."""
GROUPS_AT_ONCE = 128
"""Groups scored exactly at once: their vectors stay in a core's cache."""
FIRST_GROUPS = 16
"""Groups that are scored whatever the others promise, and one more for each 8 places."""
MOST_SHARE = 8
"""Where more than one in so many groups reaches the best, every item is scored."""
MOST_LISTED_SHARE = 2
"""The same where the copies tell every item's score: few items of those groups reach it."""
LARGEST_SCORE = 1e36
"""Where scores may be larger every item is scored: float32 then loses more than rounding."""


class Scores(NamedTuple):
    """Scores of some items, each for one history."""

    row: Int64
    """[m] which history."""
    item: Int64
    """[m] item index."""
    score: Float32
    """[m]; -inf: must not be answered."""

    def where(self, is_kept: NDArray[np.bool_]) -> "Scores":
        """Those that are kept."""
        kept = np.flatnonzero(is_kept)
        return Scores(self.row.take(kept), self.item.take(kept), self.score.take(kept))


class Shortlist(NamedTuple):
    """What could be among the best of some histories."""

    scores: Scores
    """Of everything that could."""
    whole: Int64
    """[rows] histories for which that may be anything: `scores` has none of their items."""


class Reaching(NamedTuple):
    """Groups that may hold one of the best items of some histories."""

    pair: Int64
    """[m] history * n_groups + group, ascending; not those of `whole`."""
    lowest: Float32
    """[m] what an item has to promise there, in steps."""
    whole: Int64
    """[rows] histories with so many that every item is to be scored."""


class Scan:
    """The int8 copies of a bundle's items, and the float32 ones, mapped into memory.

    Safe to call from several threads: nothing is written between calls.
    """

    def __init__(self, folder: Path, *, n_items: int, threads: int = 1) -> None:
        """Open the scan of the bundle in `folder`.

        Args:
            folder: the bundle's.
            n_items: items in the catalogue.
            threads: that the graph may use.

        Raises:
            BundleCorrupt: ONNX Runtime refuses the graph, or a tensor is missing or misshapen.
        """
        self.n_groups = n_groups(n_items)
        self._n_items = n_items
        self._vectors = _item_vectors(folder, n_items)
        self._grouped, self._last = _in_groups(self._vectors)
        self.bounds = _bounds(folder, self.n_groups)
        self._table = self.bounds.table
        self._lost = 2 * (self._vectors.shape[1] + 8) * 2.0**-24
        self._longest = float(self.bounds.error.max() + self.bounds.norm.max())
        self.graph = Graph(folder / SCAN_FILE, threads)
        self._outputs = [name for name in Scanned._fields if name in self.graph.outputs]
        share = MOST_LISTED_SHARE if "scores" in self._outputs else MOST_SHARE
        self._most = self.n_groups // share

    def top_k(self, hidden: Float32, items: Int64, excluded: Int64, k: int) -> TopK:
        """The best k items of each history; see `Graphs.top_k`."""
        k = min(k, self._n_items)
        if len(hidden) <= BATCH:
            return self._top_k(self.scanned(hidden, items), excluded, k)
        parts = [
            self._top_k(self.scanned(hidden[own], items[own]), excluded[own], k)
            for own in _slices(len(hidden), BATCH)
        ]
        return TopK(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def scanned(self, hidden: Float32, items: Int64) -> Scanned:
        """What the int8 copies say."""
        return Scanned(*self.graph.run(self._outputs, hidden=hidden, items=items))

    def shortlist(self, scanned: Scanned, excluded: Int64, k: int) -> Shortlist:
        """Everything that could be among the best k; `scanned` is used up."""
        first = FIRST_GROUPS + (k + excluded.shape[1]) // 8
        if first > self._most:
            return Shortlist(NO_SCORES, np.arange(len(scanned.final)))
        if scanned.scores is None:
            return self._by_groups(scanned, excluded, k, first)
        return self._by_items(scanned, scanned.scores, excluded, k, first)

    def _by_groups(self, scanned: Scanned, excluded: Int64, k: int, first: int) -> Shortlist:
        """The shortlist where groups are all that the copies tell."""
        batch = len(scanned.final)
        groups = np.sort(_largest(scanned.peaks, first), axis=1)
        row = np.arange(batch).repeat(first)
        sure = self._of_groups(scanned.final, excluded, row, groups.ravel())
        np.put_along_axis(scanned.peaks, groups, -np.inf, axis=1)
        enough, reaching = self._reaching(scanned, _kth(sure.score.reshape(batch, -1), k))
        others = self._of_groups(scanned.final, excluded, *np.divmod(reaching.pair, self.n_groups))
        scores = _joined([sure, others])
        is_kept = ~((scores.score < enough[scores.row]) | np.isin(scores.row, reaching.whole))
        return Shortlist(scores.where(is_kept), reaching.whole)

    def _by_items(
        self, scanned: Scanned, promised: Float32, excluded: Int64, k: int, first: int
    ) -> Shortlist:
        """The shortlist where the copies tell every item's score; those of `excluded` go."""
        starts = np.arange(len(promised))[:, np.newaxis] * promised.shape[1]
        promised.reshape(-1)[starts + excluded] = -np.inf
        promised[:, 0] = promised[:, self._n_items + 1 :] = -np.inf
        enough, reaching = self._reaching(scanned, self._sure(scanned, promised, k, first))
        likely = promised.reshape(-1, GROUP).take(reaching.pair, axis=0)
        found = np.flatnonzero(~(likely < reaching.lowest[:, np.newaxis]))
        at = reaching.pair.take(found // GROUP) * GROUP + found % GROUP
        scores = self._of_items(scanned.final, *np.divmod(at, promised.shape[1]))
        return Shortlist(scores.where(~(scores.score < enough.take(scores.row))), reaching.whole)

    def _sure(self, scanned: Scanned, promised: Float32, k: int, first: int) -> Float32:
        """[batch] the lowest exact score of k items that promise much; -inf: there are fewer."""
        rows = np.arange(len(promised))[:, np.newaxis]
        groups = _largest(scanned.peaks, first)
        likely = promised.reshape(-1, GROUP).take(groups + rows * self.n_groups, axis=0)
        likely = likely.reshape(len(rows), -1)
        best = _largest(likely, k)
        item = groups.take(best // GROUP + rows * first) * GROUP + best % GROUP
        vectors = self._vectors.take(item, axis=0, mode="clip")
        lowest: Float32 = np.vecdot(vectors, scanned.final[:, np.newaxis]).min(axis=1)
        lowest[likely[rows[:, 0], best[:, 0]] == -np.inf] = -np.inf
        return lowest

    def _top_k(self, scanned: Scanned, excluded: Int64, k: int) -> TopK:
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is kept
            scores, whole = self.shortlist(scanned, excluded, k)
            if whole.size:
                every = [self._of_all(scanned, excluded, int(row), k) for row in whole]
                scores = _joined([scores, *every])
            return _best(self._exact(scanned.final, scores), len(scanned.final), k)

    def _reaching(self, scanned: Scanned, kth: Float32) -> tuple[Float64, Reaching]:
        """What an item has to score in float32 at least, and the groups that may hold one.

        Args:
            scanned: by the copies.
            kth: [batch] float32 score that k items of each history reach.
        """
        rounded = scanned.rounded()
        enough = self._enough(rounded.norm, kth)
        lowest = rounded.lowest(enough, scanned.step[:, 0], self._table)
        pair = np.flatnonzero(~(scanned.peaks < lowest))
        ends = np.searchsorted(pair, np.arange(len(kth) + 1) * self.n_groups)
        whole = np.flatnonzero(ends[1:] - ends[:-1] > self._most)
        if whole.size:
            pair = pair[~np.isin(pair // self.n_groups, whole)]
        return enough, Reaching(pair, lowest.take(pair), whole)

    def _enough(self, norm: Float64, kth: Float32) -> Float64:
        """[batch] what an item has to score in float32 at least to be among the best."""
        largest = norm * self._longest
        enough: Float64 = kth - largest * self._lost - SMALLEST
        enough[~(largest < LARGEST_SCORE)] = -np.inf
        return enough

    def _of_items(self, final: Float32, row: Int64, item: Int64) -> Scores:
        """Of some items, each for one history."""
        score = np.empty(len(item), dtype=np.float32)
        for own in _slices(len(item), GROUPS_AT_ONCE * GROUP):
            vectors = self._vectors.take(item[own], axis=0)
            np.vecdot(vectors, final.take(row[own], axis=0), out=score[own])
        return Scores(row, item, score)

    def _of_groups(self, final: Float32, excluded: Int64, row: Int64, group: Int64) -> Scores:
        """Of the items in some groups; pairs of row and group ascend."""
        item = group[:, np.newaxis] * GROUP + np.arange(GROUP)
        score = np.empty(item.shape, dtype=np.float32)
        for own in _slices(len(item), GROUPS_AT_ONCE):
            np.vecdot(self._vectors_of(group[own]), final[row[own], np.newaxis], out=score[own])
        score[(item == 0) | (item > self._n_items)] = -np.inf
        beyond = np.arange(len(excluded))[:, np.newaxis] * self.n_groups
        at, is_there = _places(row * self.n_groups + group, (beyond + excluded // GROUP).ravel())
        score[at[is_there], (excluded % GROUP).ravel()[is_there]] = -np.inf
        return Scores(row.repeat(GROUP), item.ravel(), score.ravel())

    def _vectors_of(self, group: Int64) -> Float32:
        """[n, GROUP, d_model] of some groups."""
        vectors = self._grouped.take(group, axis=0, mode="clip")
        vectors[group == len(self._grouped)] = self._last
        return vectors

    def _of_all(self, scanned: Scanned, excluded: Int64, row: int, k: int) -> Scores:
        """Of every item that could be among the best of one history, where any could."""
        final = scanned.final[[row]]
        score = np.empty(self._n_items + 1, dtype=np.float32)
        for own in _slices(len(score), GROUPS_AT_ONCE * GROUP):
            np.vecdot(self._vectors[own], final, out=score[own])
        allowed = np.ones(len(score), dtype=bool)
        allowed[0] = allowed[excluded[row]] = False
        left = np.where(allowed, score, np.float32(-np.inf))
        enough = self._enough(norms(final), _kth(left[np.newaxis], k))
        item = np.flatnonzero(allowed & ~(score < enough))
        return Scores(np.full(len(item), row), item, score[item])

    def _exact(self, final: Float32, scores: Scores) -> Scores:
        """The same items, with their scores rounded once."""
        final = final.astype(np.float64)
        exact = np.empty_like(scores.score)
        for own in _slices(len(exact), GROUPS_AT_ONCE * GROUP):
            vectors = self._vectors.take(scores.item[own], axis=0).astype(np.float64)
            exact[own] = np.vecdot(vectors, final.take(scores.row[own], axis=0))
        return scores._replace(score=exact)


NO_SCORES = Scores(
    np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
)


def _best(scores: Scores, batch: int, k: int) -> TopK:
    """The best k of each row; ties: the smaller index first.

    Args:
        scores: ascending by row and item.
        batch: rows.
        k: places.
    """
    counts = np.bincount(scores.row, minlength=batch)
    width = max(k, *counts.tolist())
    is_there = np.arange(width) < counts[:, np.newaxis]
    items = np.zeros((batch, width), dtype=np.int64)
    below = np.full((batch, width), np.inf, dtype=np.float32)
    items[is_there], below[is_there] = scores.item, -scores.score
    best = np.argsort(below, axis=1, kind="stable")[:, :k]
    best += np.arange(batch)[:, np.newaxis] * width
    return TopK(items.take(best), -below.take(best))


def _largest(values: Float32, count: int) -> Int64:
    """[batch, count] places of each row's largest values, the least of them first."""
    return np.argpartition(values, values.shape[1] - count, axis=1)[:, -count:]


def _kth(scores: Float32, k: int) -> Float32:
    """[batch] the k-th largest of each row."""
    place = scores.shape[1] - k
    return np.partition(scores, place, axis=1)[:, place]


def _places(ascending: Int64, wanted: Int64) -> tuple[Int64, NDArray[np.bool_]]:
    """Where each wanted value stands, and whether it does."""
    at = np.searchsorted(ascending, wanted)
    inside = at < len(ascending)
    is_there = inside.copy()
    is_there[inside] = ascending[at[inside]] == wanted[inside]
    return at, is_there


def _joined(scores: Sequence[Scores]) -> Scores:
    """All of them, ascending by row and item."""
    row, item, score = (np.concatenate(arrays) for arrays in zip(*scores, strict=True))
    order = np.lexsort((item, row))
    return Scores(row[order], item[order], score[order])


def _slices(count: int, length: int) -> Iterator[slice]:
    return (slice(start, start + length) for start in range(0, count, length))


def _item_vectors(folder: Path, n_items: int) -> Float32:
    vectors = mapped_weights(folder / BASE_MODEL_FILE).get(ITEM_VECTORS)
    if vectors is None or vectors.ndim != 2 or len(vectors) != n_items + 1:
        reason = f"a bundle with {SCAN_FILE} has the float32 tensor {ITEM_VECTORS} here, "
        raise BundleCorrupt(BASE_MODEL_FILE, f"{reason}[{n_items + 1}, d_model]")
    return vectors


def _in_groups(vectors: Float32) -> tuple[Float32, Float32]:
    """The full groups [n, GROUP, d_model], mapped; and the last, filled up, where it is not."""
    full = len(vectors) // GROUP
    last = np.zeros((GROUP, vectors.shape[1]), dtype=np.float32)
    last[: len(vectors) - full * GROUP] = vectors[full * GROUP :]
    return vectors[: full * GROUP].reshape(full, GROUP, -1), last


def _bounds(folder: Path, groups: int) -> Bounds:
    if not (folder / SCAN_WEIGHTS_FILE).exists():
        raise BundleCorrupt(SCAN_WEIGHTS_FILE, f"every bundle with {SCAN_FILE} has it")
    tensors = mapped_weights(folder / SCAN_WEIGHTS_FILE)
    for name in Bounds._fields:
        if name not in tensors or tensors[name].shape != (groups,):
            raise BundleCorrupt(SCAN_WEIGHTS_FILE, f"lacks the float32 tensor {name} [{groups}]")
        if not (tensors[name] >= 0).all():
            raise BundleCorrupt(SCAN_WEIGHTS_FILE, f"{name} holds a value that is not >= 0")
    return Bounds(*(tensors[name].astype(np.float64) for name in Bounds._fields))

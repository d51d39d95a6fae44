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
LEAST_LISTED_ROWS = 2
"""Where the copies tell every item's score: one float32 product for a history alone costs less than
numpy's calls."""
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

    def where(self, kept: NDArray[np.bool_]) -> "Scores":
        """Those that are kept."""
        return Scores(self.row[kept], self.item[kept], self.score[kept])


class Shortlist(NamedTuple):
    """What could be among the best of some histories."""

    scores: Scores
    """Of everything that could."""
    whole: Int64
    """[rows] histories for which that may be anything: `scores` has none of their items."""


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
        self._largest = self.bounds.largest
        self.graph = Graph(folder / SCAN_FILE, threads)
        self._outputs = [name for name in Scanned._fields if name in self.graph.outputs]
        self.least_rows = LEAST_LISTED_ROWS if "scores" in self._outputs else 1
        """Histories from which it costs less than the upper graph."""
        share = MOST_LISTED_SHARE if "scores" in self._outputs else MOST_SHARE
        self._most = self.n_groups // share

    def top_k(self, hidden: Float32, items: Int64, excluded: Int64, k: int) -> TopK:
        """The best k items of each history; see `Graphs.top_k`."""
        k = min(k, self._n_items)
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
        groups = _largest(scanned.peaks, first)
        sure = self._of_groups(scanned.final, excluded, np.arange(batch).repeat(first), groups)
        enough = self._enough(scanned.final, _kth(sure.score.reshape(batch, -1), k))
        np.put_along_axis(scanned.peaks, groups.reshape(batch, first), -np.inf, axis=1)
        row, group, _ = self._reaching(scanned, enough)
        is_whole = np.bincount(row, minlength=batch) > self._most
        near = ~is_whole[row]
        others = self._of_groups(scanned.final, excluded, row[near], group[near])
        scores = _joined([sure, others])
        is_kept = ~((scores.score < enough[scores.row]) | is_whole[scores.row])
        return Shortlist(scores.where(is_kept), np.flatnonzero(is_whole))

    def _by_items(
        self, scanned: Scanned, promised: Float32, excluded: Int64, k: int, first: int
    ) -> Shortlist:
        """The shortlist where the copies tell every item's score; those of `excluded` go."""
        batch = len(scanned.final)
        rows = np.arange(batch)[:, np.newaxis]
        promised[rows, excluded] = -np.inf
        promised[:, 0] = promised[:, self._n_items + 1 :] = -np.inf
        grouped = promised.reshape(batch, self.n_groups, GROUP)
        enough = self._enough(scanned.final, self._sure(scanned, grouped, k, first))
        row, group, lowest = self._reaching(scanned, enough)
        is_whole = np.bincount(row, minlength=batch) > self._most
        near = ~is_whole[row]
        row, group, lowest = row[near], group[near], lowest[near]
        pair, place = np.nonzero(~(grouped[row, group] < lowest[:, np.newaxis]))
        scores = self._of_items(scanned.final, row[pair], group[pair] * GROUP + place)
        is_kept = ~(scores.score < enough[scores.row])
        return Shortlist(scores.where(is_kept), np.flatnonzero(is_whole))

    def _sure(self, scanned: Scanned, grouped: Float32, k: int, first: int) -> Float32:
        """[batch] the lowest exact score of k items that promise much; -inf: there are fewer."""
        rows = np.arange(len(grouped))[:, np.newaxis]
        groups = _largest(scanned.peaks, first).reshape(len(grouped), first)
        promised = grouped[rows, groups].reshape(len(grouped), -1)
        best = np.argpartition(promised, promised.shape[1] - k, axis=1)[:, -k:]
        item = groups[rows, best // GROUP] * GROUP + best % GROUP
        inside = np.minimum(item, self._n_items).ravel()
        score = self._of_items(scanned.final, rows.ravel().repeat(k), inside).score.reshape(-1, k)
        score[promised[rows, best] == -np.inf] = -np.inf
        return np.asarray(score.min(axis=1))

    def _top_k(self, scanned: Scanned, excluded: Int64, k: int) -> TopK:
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is kept
            found = self.shortlist(scanned, excluded, k)
            whole = [self._of_all(scanned.final, excluded, int(row), k) for row in found.whole]
            exact = self._exact(scanned.final, _joined([found.scores, *whole]))
        return _best(exact, len(scanned.final), k)

    def _reaching(self, scanned: Scanned, enough: Float64) -> tuple[Int64, Int64, Float32]:
        """Rows and groups that may hold an item that scores enough, and its least copy's score."""
        rounded, step = scanned.rounded(), scanned.step[:, 0].astype(np.float64)
        lowest = (enough - rounded.furthest(self._largest, slice(None))) / step
        row, group = np.nonzero(~(scanned.peaks < _rounded_down(lowest)[:, np.newaxis]))
        near = rounded.furthest(self.bounds.at(group), row)
        own = _rounded_down((enough[row] - near) / step[row])
        within = ~(scanned.peaks[row, group] < own)
        return row[within], group[within], own[within]

    def _enough(self, final: Float32, kth: Float32) -> Float64:
        """[batch] what an item has to score in float32 at least to be among the best."""
        norm = (self._largest.error + self._largest.norm) * norms(final)
        lost = (final.shape[1] + 8) * 2.0**-24 * norm
        enough = kth - 2 * lost - SMALLEST
        return np.where(norm < LARGEST_SCORE, enough, -np.inf)

    def _of_items(self, final: Float32, row: Int64, item: Int64) -> Scores:
        """Of some items, each for one history."""
        score = np.empty(len(item), dtype=np.float32)
        for own in _slices(len(item), GROUPS_AT_ONCE * GROUP):
            np.vecdot(self._vectors[item[own]], final[row[own]], out=score[own])
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

    def _of_all(self, final: Float32, excluded: Int64, row: int, k: int) -> Scores:
        """Of every item that could be among the best of one history, where any could."""
        score = np.empty(self._n_items + 1, dtype=np.float32)
        for own in _slices(len(score), GROUPS_AT_ONCE * GROUP):
            np.vecdot(self._vectors[own], final[row], out=score[own])
        allowed = np.ones(len(score), dtype=bool)
        allowed[0] = allowed[excluded[row]] = False
        enough = self._enough(final[[row]], _kth(np.where(allowed, score, -np.inf)[np.newaxis], k))
        item = np.flatnonzero(allowed & ~(score < enough))
        return Scores(np.full(len(item), row), item, score[item])

    def _exact(self, final: Float32, scores: Scores) -> Scores:
        """The same items, with their scores rounded once."""
        exact = np.empty_like(scores.score)
        for own in _slices(len(exact), GROUPS_AT_ONCE * GROUP):
            vectors = self._vectors[scores.item[own]].astype(np.float64)
            exact[own] = np.vecdot(vectors, final[scores.row[own]].astype(np.float64))
        return scores._replace(score=exact)


NO_SCORES = Scores(
    np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
)


def _best(scores: Scores, batch: int, k: int) -> TopK:
    """The best k of each row; ties: the smaller index first."""
    order = np.lexsort((scores.item, -scores.score, scores.row))
    row = scores.row[order]
    place = np.arange(len(order)) - np.searchsorted(row, row)
    kept = place < k
    best = TopK(
        np.zeros((batch, k), dtype=np.int64), np.full((batch, k), -np.inf, dtype=np.float32)
    )
    best.items[row[kept], place[kept]] = scores.item[order][kept]
    best.scores[row[kept], place[kept]] = scores.score[order][kept]
    return best


def _largest(peaks: Float32, count: int) -> Int64:
    """[batch * count] the groups of each row's largest peaks, ascending within the row."""
    groups = np.argpartition(peaks, peaks.shape[1] - count, axis=1)[:, -count:]
    return np.sort(groups, axis=1).ravel()


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
    return Scores(*(np.concatenate(arrays) for arrays in zip(*scores, strict=True)))


def _rounded_down(bounds: Float64) -> Float32:
    return np.nextafter(bounds.astype(np.float32), np.float32(-np.inf))


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

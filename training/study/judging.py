"""One set of directions, judged: one half of the users picks, the other scores.

Every figure comes with what it would be had other users been drawn, the same ones for every set, so
that the difference of two sets has an interval.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from training.study.directions import DirectionSet, live
from training.study.monosemanticity import item_means, monosemanticity, top_items
from training.study.question import LAST, TARGETS, Question
from training.study.separation import (
    auc_influence,
    correlations,
    precisions,
    roc_aucs,
    strongest,
)

COVERED = 0.9
"""Bound of ROC AUC and of precision at which values are counted."""
SIMILARITY_DIRECTIONS = 512
"""Directions whose top items are found anew for drawn users; the value itself is of all."""

AREA, PRECISION = "mean best AUC", "mean best precision"
PURITY, OWN_PURITY = "purity", "purity of its own"
COVERED_AREA, COVERED_PRECISION = "values at AUC .9", "values at precision .9"
BY_ATTRIBUTES, BY_READERS, R2 = "alike by attributes", "alike by co-occurrence", "R2 from label"

Floats = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Int64 = npt.NDArray[np.int64]


class Figure(NamedTuple):
    """One measure of one set."""

    value: float
    """On all users."""
    drawn: Floats
    """[draws] with users drawn with replacement: the same users for every set."""


Figures = dict[tuple[str, str], Figure]
"""By measure and target; the target is empty where the measure has none."""


@dataclass(frozen=True, eq=False)
class Scores:
    """Every direction of a set with every value of every target, [n, 3 n_values] each."""

    picked_auc: Floats
    """ROC AUC on the half that picks."""
    auc: Floats
    """On the half that scores."""
    picked_precision: Floats
    """Precision on the half that picks."""
    precision: Floats
    """On the half that scores."""
    among: Float32
    """[rows that score, n] how much of each row is among the direction's strongest."""


class Best(NamedTuple):
    """The picked direction of each value of one target."""

    directions: Int64
    """[n_values]."""
    values: Floats
    """[n_values] on the half that scores."""
    drawn: Floats
    """[draws, n_values]."""


def scores(activations: Float32, asked: Question) -> Scores:
    """The set's activations [rows, n] against all labels."""
    picks, share = asked.picks, asked.settings.strongest_share
    picking, scoring = activations[picks], activations[~picks]
    picked_labels, labels = asked.labels[picks], asked.labels[~picks]
    among = strongest(scoring, share)
    return Scores(
        picked_auc=roc_aucs(picking, picked_labels),
        auc=roc_aucs(scoring, labels),
        picked_precision=precisions(strongest(picking, share), picked_labels),
        precision=precisions(among, labels),
        among=among,
    )


def figures(directions: DirectionSet, found: Scores, asked: Question) -> Figures:
    """All measures of a set, with drawn users."""
    activations = directions.activations
    measured: Figures = {}
    for target in TARGETS:
        areas = best_areas(activations, found, target, asked)
        precise = best_precisions(found, target, asked)
        measured[AREA, target] = _mean_of(areas)
        measured[PRECISION, target] = _mean_of(precise)
        measured[COVERED_AREA, target] = _count_of(areas)
        measured[COVERED_PRECISION, target] = _count_of(precise)
        for name, is_own in ((PURITY, False), (OWN_PURITY, True)):
            measured[name, target] = purity(live(directions), found, target, asked, is_own=is_own)
    measured[BY_ATTRIBUTES, ""], measured[BY_READERS, ""] = similarities(directions, asked)
    measured[R2, ""] = predicted(activations, asked)[1]
    return measured


def best_areas(activations: Float32, found: Scores, target: str, asked: Question) -> Best:
    """The direction with the best ROC AUC on the half that picks, for each value."""
    columns = asked.columns(target)
    chosen, values = picked_and_scored(found.picked_auc, found.auc, columns)
    labels, scoring = asked.labels[~asked.picks, columns], ~asked.picks
    influence = np.column_stack(
        [auc_influence(activations[scoring, d], labels[:, v]) for v, d in enumerate(chosen)]
    )
    return Best(chosen, values, values + asked.drawn_scoring @ influence)


def best_precisions(found: Scores, target: str, asked: Question) -> Best:
    """The direction with the best precision on the half that picks, for each value.

    With drawn users, what counts as strongest stays as it was.
    """
    columns = asked.columns(target)
    chosen, values = picked_and_scored(found.picked_precision, found.precision, columns)
    influence = found.among[:, chosen] * (asked.labels[~asked.picks, columns] - values)
    return Best(chosen, values, values + asked.drawn_scoring @ influence)


def purity(columns: Int64, found: Scores, target: str, asked: Question, *, is_own: bool) -> Figure:
    """Mean over directions of what their strongest moments have in common beyond what is expected.

    (precision - expected) / (1 - expected) on the half that scores, for the value of which this is
    highest on the half that picks. Expected is the share of all moments that carry the value; for
    what is the direction's own, the mean precision of the set's directions for it: nothing is left
    of what all of them have in common.

    Args:
        columns: directions that count: those that vary.
        found: of the set.
        target: whose labels.
        asked: labels and halves.
        is_own: what is expected.
    """
    if not len(columns):
        return Figure(0.0, np.zeros(asked.settings.draws))
    at = asked.columns(target)
    picked, precision = found.picked_precision[columns, at], found.precision[columns, at]
    labels = asked.labels[~asked.picks, at]
    chance = asked.labels[asked.picks, at].mean(0), labels.mean(0)
    before, expected = (picked.mean(0), precision.mean(0)) if is_own else chance
    value = _beyond(picked, before).argmax(1)[:, None]
    common = np.take_along_axis(_beyond(precision, expected), value, axis=1)[:, 0]
    weights = np.zeros((len(columns), labels.shape[1]))
    room = np.maximum(1 - expected, 1e-9)
    np.put_along_axis(weights, value, 1 / (room[value] * len(columns)), axis=1)
    if is_own:
        weights -= (weights * (1 - precision) / room).sum(0) / len(columns)
    among = found.among[:, columns]
    carried = (among @ weights.astype(np.float32) * labels).sum(1, dtype=np.float64)
    usual = among @ (weights * precision).sum(1).astype(np.float32)
    return _figure(common, asked.drawn_scoring @ (carried - usual))


def predicted(activations: Float32, asked: Question) -> tuple[Floats, Figure]:
    """R2 of each direction's activation from the one last-item label that fits it best, [n].

    On the picking half the label with the largest |r| is chosen and the mean activation with and
    without it is taken; on the other half those two means predict. NaN where it never varies. The
    figure is the mean over the others.
    """
    labels, picks = asked.labels[:, asked.columns(LAST)], asked.picks
    expected = one_label_means(activations[picks], labels[picks])
    seen = activations[~picks]
    carried = labels[~picks][:, expected.label]
    error = np.square(seen - np.where(carried, expected.with_label, expected.without))
    deviation = np.square(seen - seen.mean(0, dtype=np.float64).astype(np.float32))
    variation = deviation.sum(0, dtype=np.float64)
    varies = np.ptp(seen, axis=0) > 0
    scale = np.where(varies, variation, np.inf)
    r2 = np.where(varies, 1 - error.sum(0, dtype=np.float64) / scale, np.nan)
    per_direction = 1 / (scale * max(int(varies.sum()), 1))
    influence = deviation @ (np.nan_to_num(1 - r2) * per_direction) - error @ per_direction
    return r2, _figure(r2, asked.drawn_scoring @ influence)


class OneLabel(NamedTuple):
    """How each direction is predicted from one label, [n] each."""

    label: Int64
    """Column of the label with the largest |r|."""
    with_label: Float32
    """Mean activation where it is carried; of all rows where none carries it."""
    without: Float32
    """Mean activation elsewhere; of all rows where all carry it."""


def one_label_means(activations: Float32, labels: Bools) -> OneLabel:
    """The label that fits each direction best, and the mean activation with and without it.

    Args:
        activations: [rows, n].
        labels: [rows, n_labels].
    """
    chosen = np.abs(correlations(activations, labels)).argmax(1)
    each = np.arange(len(chosen))
    sums = (activations.T @ labels.astype(np.float32))[each, chosen].astype(np.float64)
    total = activations.sum(0, dtype=np.float64)
    carried = labels.sum(0)[chosen]
    others = len(labels) - carried
    mean = total / max(len(labels), 1)
    with_label = np.where(carried > 0, sums / np.maximum(carried, 1), mean)
    without = np.where(others > 0, (total - sums) / np.maximum(others, 1), mean)
    return OneLabel(chosen, with_label.astype(np.float32), without.astype(np.float32))


def similarities(directions: DirectionSet, asked: Question) -> tuple[Figure, Figure]:
    """Monosemanticity by attributes and by co-occurrence, mean over directions that have any."""
    last_items, shown = asked.moments.last_items, asked.shown
    top = top_items(item_means(directions.activations, last_items, shown))
    values = [_mean(monosemanticity(top, alike)) for alike in asked.similarities]
    some = directions.activations[:, _evenly(live(directions), SIMILARITY_DIRECTIONS)]
    drawn = np.zeros((asked.settings.similarity_draws, 2))
    for row, weights in zip(drawn, asked.drawn_rows, strict=True):
        again = top_items(item_means(some, last_items, shown, weights))
        row[:] = [_mean(monosemanticity(again, alike)) for alike in asked.similarities]
    by_attributes, by_readers = (
        Figure(value, value + column - column.mean())
        for value, column in zip(values, drawn.T, strict=True)
    )
    return by_attributes, by_readers


def _evenly(columns: Int64, at_most: int) -> Int64:
    places = np.linspace(0, len(columns) - 1, min(at_most, len(columns)))
    return columns[places.astype(np.int64)]


def _beyond(precision: Floats, expected: Floats) -> Floats:
    return np.asarray((precision - expected) / np.maximum(1 - expected, 1e-9))


def _mean_of(best: Best) -> Figure:
    return Figure(float(best.values.mean()), best.drawn.mean(1))


def _count_of(best: Best) -> Figure:
    return Figure(
        float((best.values >= COVERED).sum()), (best.drawn >= COVERED).sum(1).astype(float)
    )


def _figure(values: Floats, change: Floats) -> Figure:
    """The mean of the values, and what drawn users change of it."""
    mean = _mean(values)
    return Figure(mean, mean + change)


def _mean(values: Floats) -> float:
    """Mean of what is defined; 0 where nothing is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else 0.0


def picked_and_scored(picked: Floats, scored: Floats, columns: slice) -> tuple[Int64, Floats]:
    """The direction with the highest picked score of each value, and its other score."""
    chosen = picked[:, columns].argmax(0)
    return chosen, np.take_along_axis(scored[:, columns], chosen[None], axis=0)[0]

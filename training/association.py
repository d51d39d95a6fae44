"""How well an activation tells positions with an attribute from those without: ROC AUC, DeLong.

Source: DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988) 837-845; computed from mid-ranks as
in Sun and Xu, IEEE Signal Processing Letters 21 (2014) 1389-1393.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Z_95 = 1.959963984540054
"""Standard normal quantile of a two-sided 95 % interval."""

Floats = npt.NDArray[np.float64]


class RocAuc(NamedTuple):
    """Areas under the ROC curve of one score against several labels."""

    area: Floats
    """[n_labels] probability that a labelled row scores higher; ties count one half."""
    low: Floats
    """[n_labels] lower end of the 95 % confidence interval, not below 0."""
    high: Floats
    """[n_labels] upper end, not above 1."""


def roc_auc(
    values: npt.NDArray[np.floating],
    labels: npt.NDArray[np.bool_],
    n_rows: int,
    n_labelled: npt.NDArray[np.int64],
) -> RocAuc:
    """Areas of one sparse score, whose rows that are not listed all score 0.

    The interval takes rows to be independent. A label that no row or every row carries has area
    one half with the interval 0 to 1.

    Args:
        values: scores above 0 [n_listed].
        labels: bool [n_listed, n_labels], of the listed rows.
        n_rows: listed rows and rows of score 0.
        n_labelled: [n_labels] rows that carry each label, listed or not.
    """
    with_label, without = _groups_by_value(values, labels, n_rows, n_labelled)
    n_1, n_0 = with_label.sum(0), without.sum(0)
    below = np.cumsum(without, axis=0) - without / 2
    above = with_label.sum(0) - np.cumsum(with_label, axis=0) + with_label / 2
    beaten, lost = below / np.maximum(n_0, 1), above / np.maximum(n_1, 1)
    area = (with_label * beaten).sum(0) / np.maximum(n_1, 1)
    spread = _variance_of_mean(beaten, with_label, area) + _variance_of_mean(lost, without, area)
    defined = (n_1 > 0) & (n_0 > 0)
    area = np.where(defined, area, 0.5)
    margin = np.where(defined, Z_95 * np.sqrt(spread), 1.0)
    return RocAuc(area, np.maximum(area - margin, 0.0), np.minimum(area + margin, 1.0))


def _groups_by_value(
    values: npt.NDArray[np.floating],
    labels: npt.NDArray[np.bool_],
    n_rows: int,
    n_labelled: npt.NDArray[np.int64],
) -> tuple[Floats, Floats]:
    """Rows with and without each label at each distinct score, ascending, [n_distinct, n_labels].

    The first row is the score 0.
    """
    order = np.argsort(values, kind="stable")
    _, starts = np.unique(values[order], return_index=True)
    empty = np.zeros((0, labels.shape[1]))
    listed = labels[order].astype(np.float64)
    with_label = np.add.reduceat(listed, starts, axis=0) if len(values) else empty
    sizes = np.diff(np.append(starts, len(values)))[:, None]
    zero_with = n_labelled - labels.sum(0)
    zero_without = n_rows - len(values) - zero_with
    without = sizes - with_label
    return np.vstack([zero_with, with_label]), np.vstack([zero_without, without])


def _variance_of_mean(component: Floats, weight: Floats, mean: Floats) -> Floats:
    """Sample variance of a weighted structural component over its count, [n_labels]."""
    n = weight.sum(0)
    squares = (weight * (component - mean) ** 2).sum(0)
    return np.asarray(squares / np.maximum(n - 1, 1) / np.maximum(n, 1))

"""Users dealt once into those who choose, those whom cards are measured on, and those promised to.

Choosers pick features, weights and strengths by training histories and validation items. Carded
users are what effect cards are measured on, by test items. Promised users are seen by neither and
answer by their test items (docs/adr/0007-study.md).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.batches import generator
from training.sasrec import Sasrec
from training.split import LeaveOneOut
from training.study.audience import Audience, audience

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Cohorts:
    """Rows of a split's validation and test parts, in random order, so that a beginning samples."""

    choosers: Rows
    """A third of the users; the first to get what does not divide."""
    carded: Rows
    """Another third."""
    promised: Rows
    """The last third."""


def cohorts(split: LeaveOneOut, *, seed: int) -> Cohorts:
    """Every evaluated user, in one of three cohorts of like size."""
    drawn = generator(seed, 11).permutation(len(split.test_users))
    return Cohorts(*np.array_split(drawn, 3))


def audience_at_validation(model: Sasrec, block: int, split: LeaveOneOut, rows: Rows) -> Audience:
    """Users after their training histories; what came next is their validation item."""
    histories = [split.validation_inputs[row] for row in rows]
    return audience(model, block, histories, split.validation_targets[rows])


def audience_at_test(model: Sasrec, block: int, split: LeaveOneOut, rows: Rows) -> Audience:
    """Users after all but their newest item, which came next."""
    histories = [split.test_inputs[row] for row in rows]
    return audience(model, block, histories, split.test_targets[rows])

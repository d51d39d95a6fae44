"""Leave-one-out: the newest item of each history is the test, the one before it validation."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from training.dataset import Dataset

MIN_EVALUATED_LENGTH: Final = 3
"""Shortest history that leaves one item to learn from, one to validate on and one to test on."""


@dataclass(frozen=True, eq=False)
class LeaveOneOut:
    """One data set in three parts.

    Users with fewer than three interactions are in `train` only, whole. The `*_users` arrays say
    which user each row of the other two parts belongs to: `test_inputs[r]` and `test_targets[r]`
    are of user `test_users[r]`.
    """

    train: tuple[npt.NDArray[np.int32], ...]
    """One history per user of the data set, without the last two items where there are three."""
    validation_users: npt.NDArray[np.int64]
    """User indices [n]."""
    validation_inputs: tuple[npt.NDArray[np.int32], ...]
    """Histories without the last two items, n of them."""
    validation_targets: npt.NDArray[np.int32]
    """The last item but one [n]."""
    test_users: npt.NDArray[np.int64]
    """User indices [n]."""
    test_inputs: tuple[npt.NDArray[np.int32], ...]
    """Histories without the last item, n of them."""
    test_targets: npt.NDArray[np.int32]
    """The last item [n]."""


def leave_one_out(dataset: Dataset) -> LeaveOneOut:
    """The data set split by each user's own order.

    Source: the protocol of SASRec (Kang and McAuley, 2018, section IV-A).
    """
    histories = dataset.histories
    users = [user for user, items in enumerate(histories) if len(items) >= MIN_EVALUATED_LENGTH]
    evaluated = np.array(users, dtype=np.int64)
    return LeaveOneOut(
        train=tuple(
            items[:-2] if len(items) >= MIN_EVALUATED_LENGTH else items for items in histories
        ),
        validation_users=evaluated,
        validation_inputs=tuple(histories[user][:-2] for user in users),
        validation_targets=_nth_newest(dataset, users, 2),
        test_users=evaluated,
        test_inputs=tuple(histories[user][:-1] for user in users),
        test_targets=_nth_newest(dataset, users, 1),
    )


def _nth_newest(dataset: Dataset, users: list[int], n: int) -> npt.NDArray[np.int32]:
    """The n-th item from the end (1 is the newest) of each of the users [len(users)]."""
    return np.array([dataset.histories[user][-n] for user in users], dtype=np.int32)

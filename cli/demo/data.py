"""Real users of ml-100k, with the newest item of each hidden."""

import numpy as np

from cli.demo.control import TestUser
from training.dataset import Dataset
from training.split import leave_one_out

SEED = 0
"""Of the draw of test users."""


def test_users(dataset: Dataset, count: int) -> list[TestUser]:
    """Users drawn without replacement, the same for the same data set."""
    split = leave_one_out(dataset)
    rows = np.random.default_rng(SEED).permutation(len(split.test_inputs))[:count]
    return [
        TestUser(
            user_id=dataset.user_ids[split.test_users[row]],
            history=tuple(dataset.items[i - 1].item_id for i in split.test_inputs[row].tolist()),
            target=dataset.items[split.test_targets[row] - 1].item_id,
        )
        for row in rows
    ]

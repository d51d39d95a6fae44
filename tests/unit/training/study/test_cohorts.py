"""Users dealt into cohorts."""

import numpy as np
import pytest

from training.dataset import Dataset, Item
from training.split import LeaveOneOut, leave_one_out
from training.study.cohorts import cohorts


@pytest.fixture(scope="module")
def split() -> LeaveOneOut:
    items = tuple(Item(f"i{n}", f"Title {n}", {}) for n in range(1, 5))
    histories = tuple(np.roll(np.arange(1, 5, dtype=np.int32), user) for user in range(32))
    return leave_one_out(Dataset("small", items, tuple(map(str, range(32))), histories, "0" * 64))


def test_every_user_is_in_one_cohort(split: LeaveOneOut) -> None:
    dealt = cohorts(split, seed=0)
    together = np.concatenate([dealt.choosers, dealt.carded, dealt.promised])
    assert sorted(together.tolist()) == list(range(32))


def test_the_same_seed_deals_the_same(split: LeaveOneOut) -> None:
    assert cohorts(split, seed=1).carded.tolist() == cohorts(split, seed=1).carded.tolist()
    assert cohorts(split, seed=1).carded.tolist() != cohorts(split, seed=2).carded.tolist()

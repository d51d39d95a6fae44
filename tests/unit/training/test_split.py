"""Leave-one-out on three users: long, short enough to need care, and too short."""

import numpy as np
import pytest

from training.dataset import Dataset, Item
from training.split import LeaveOneOut, leave_one_out


@pytest.fixture
def split() -> LeaveOneOut:
    histories = ([1, 2, 3, 4], [2, 1], [3, 2, 1])
    return leave_one_out(
        Dataset(
            name="three",
            items=tuple(Item(str(index), str(index), {}) for index in range(1, 5)),
            user_ids=("long", "short", "three"),
            histories=tuple(np.array(items, dtype=np.int32) for items in histories),
            sha256="",
        )
    )


def test_training_leaves_out_the_last_two(split: LeaveOneOut) -> None:
    assert split.train[0].tolist() == [1, 2]


def test_users_with_fewer_than_three_are_in_training_whole(split: LeaveOneOut) -> None:
    assert split.train[1].tolist() == [2, 1]


def test_users_with_fewer_than_three_are_not_evaluated(split: LeaveOneOut) -> None:
    assert split.test_users.tolist() == split.validation_users.tolist() == [0, 2]


def test_validation_foretells_the_last_but_one(split: LeaveOneOut) -> None:
    assert split.validation_targets.tolist() == [3, 2]


def test_validation_sees_what_training_sees(split: LeaveOneOut) -> None:
    assert [items.tolist() for items in split.validation_inputs] == [[1, 2], [3]]


def test_test_foretells_the_last(split: LeaveOneOut) -> None:
    assert split.test_targets.tolist() == [4, 1]


def test_test_sees_all_but_the_last(split: LeaveOneOut) -> None:
    assert [items.tolist() for items in split.test_inputs] == [[1, 2, 3], [3, 2]]

"""Histories as padded arrays."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.batches import (
    Items,
    generator,
    left_aligned,
    left_padded,
    length_batches,
    windows,
)


def _history(length: int) -> Items:
    return np.arange(1, length + 1, dtype=np.int32)


def test_histories_are_aligned_to_the_right() -> None:
    assert left_padded([_history(1), _history(3)], 5).tolist() == [[0, 0, 1], [1, 2, 3]]


def test_only_the_newest_items_of_a_long_history_are_kept() -> None:
    assert left_padded([_history(6)], 4).tolist() == [[3, 4, 5, 6]]


def test_no_item_gives_padding() -> None:
    assert left_padded([_history(0)], 4).tolist() == [[0]]


@given(length=st.integers(0, 40), size=st.integers(2, 12), seed=st.integers(0, 99))
def test_windows_hold_every_step_of_a_history_once(length: int, size: int, seed: int) -> None:
    cut = windows([_history(length)], size, generator(seed))
    steps = sorted(int(item) for window in cut for item in window[1:])
    assert all(len(window) <= size for window in cut)
    assert steps == list(range(2, length + 1))


def test_histories_may_be_aligned_to_the_left() -> None:
    assert left_aligned([_history(1), _history(3)]).tolist() == [[1, 0, 0], [1, 2, 3]]


@given(
    lengths=st.lists(st.integers(1, 30), max_size=40),
    positions=st.none() | st.integers(1, 200),
    seed=st.integers(0, 99),
)
def test_batches_hold_every_row_once(lengths: list[int], positions: int | None, seed: int) -> None:
    histories = [_history(length) for length in lengths]
    batches = list(length_batches(histories, 7, generator(seed), positions=positions))
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))


def test_short_rows_make_batches_of_as_many_positions_as_are_given() -> None:
    histories = [_history(length) for length in (1, 1, 1, 1, 2, 2, 5, 5)]
    batches = length_batches(histories, 1, positions=4)
    assert [rows.tolist() for rows in batches] == [[0, 1, 2, 3], [4, 5], [6], [7]]

"""Rows of like length go together, and are padded at the left."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.padding import START, joined, like_lengths, right_aligned

rows = st.lists(st.integers(1, 50), min_size=1, max_size=12)


def cost(groups: list[list[int]], lengths: list[int]) -> int:
    return sum(START + len(group) * max(lengths[row] for row in group) for group in groups)


@given(rows)
def test_every_row_is_in_one_group(lengths: list[int]) -> None:
    groups = like_lengths(lengths)
    assert sorted(row for group in groups for row in group) == list(range(len(lengths)))


@given(rows, st.sets(st.integers(1, 11), max_size=4))
def test_no_other_cut_costs_less(lengths: list[int], cuts: set[int]) -> None:
    in_order = sorted(range(len(lengths)), key=lengths.__getitem__)
    ends = [0, *sorted(cut for cut in cuts if cut < len(lengths)), len(lengths)]
    other = [in_order[start:end] for start, end in pairwise(ends)]
    assert cost(like_lengths(lengths), lengths) <= cost(other, lengths)


def test_one_long_history_runs_apart_from_many_short_ones() -> None:
    assert like_lengths([3, 50, 3, 3]) == [[0, 2, 3], [1]]


def test_rows_are_padded_at_the_left() -> None:
    padded = right_aligned([np.array([1, 2, 3]), np.array([], dtype=np.int64), np.array([4])])
    assert padded.tolist() == [[1, 2, 3], [0, 0, 0], [0, 0, 4]]


def test_padded_rows_cannot_be_written_to() -> None:
    assert not right_aligned([np.array([1, 2, 3])]).flags.writeable


def test_rows_are_joined_at_the_right_end() -> None:
    rows = [np.full((count, 2), count, dtype=np.float32).tobytes() for count in (1, 3)]
    assert joined(rows, 2)[:, :, 0].tolist() == [[0, 0, 1], [3, 3, 3]]


def test_joined_rows_cannot_be_written_to() -> None:
    assert not joined([np.ones((1, 2), dtype=np.float32).tobytes()], 2).flags.writeable

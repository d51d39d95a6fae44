"""Beginnings of histories and what the model holds in mind there."""

import numpy as np
import torch

from model_store.manifest import BaseModelShape
from training.sasrec import Cut, Sasrec
from training.study.moments import newest_hidden, sampled_moments

HISTORIES = tuple(np.arange(1, n + 1, dtype=np.int32) for n in (1, 2, 9))


def test_each_moment_is_a_beginning_and_what_came_next() -> None:
    moments = sampled_moments(HISTORIES, per_user=3, seed=0)
    assert moments.users.tolist() == [1, 2, 2, 2]
    assert (moments.next_items == moments.last_items + 1).all()
    assert [len(items) for items in moments.begun] == moments.last_items.tolist()


def test_the_same_seed_draws_the_same_moments() -> None:
    first, second = (sampled_moments(HISTORIES, per_user=3, seed=1) for _ in range(2))
    assert first.next_items.tolist() == second.next_items.tolist()


def test_of_many_moments_each_history_gives_as_many() -> None:
    long = [np.arange(1, 31, dtype=np.int32)] * 10
    moments = sampled_moments(long, per_user=20, seed=0, at_most=30)
    assert np.bincount(moments.users).tolist() == [3] * 10


def test_there_are_no_more_moments_than_asked_for() -> None:
    long = [np.arange(1, 31, dtype=np.int32)] * 10
    assert len(sampled_moments(long, per_user=20, seed=0, at_most=7).users) == 7


def test_the_share_is_of_the_history_so_far() -> None:
    moments = sampled_moments(HISTORIES, per_user=100, seed=0)
    carries = np.zeros((10, 1), dtype=np.bool_)
    carries[2] = True
    assert moments.share(carries)[:3, 0].tolist() == [0, 0, 0.5]


def test_the_newest_hidden_state_is_what_serving_reads() -> None:
    torch.manual_seed(0)
    shape = BaseModelShape(n_items=9, max_seq=4, d_model=8, n_blocks=2, n_heads=1)
    model = Sasrec(shape).eval()
    begun = sampled_moments(HISTORIES, per_user=100, seed=0).begun
    found = newest_hidden(model, begun, 2)
    expected = model.lower(torch.from_numpy(begun[-1][-4:].astype(np.int64))[None], Cut(2))
    torch.testing.assert_close(found[-1], expected[0, -1])

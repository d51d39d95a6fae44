"""What an autoencoder is worth, on cases whose answer is known."""

import numpy as np
import pytest
import torch

from model_store.manifest import BaseModelShape, SaeKind, SaeShape
from training.dataset import Dataset
from training.evaluate import reconstructed_scores, sampled_rows, slate_ranks
from training.sae import Sae
from training.sasrec import Sasrec
from training.split import LeaveOneOut, leave_one_out
from training.study.fidelity import (
    best_separation,
    gains,
    kept_share,
    read_users,
    reconstruction,
)

D_MODEL = 8


@pytest.fixture
def split(ml100k: Dataset) -> LeaveOneOut:
    """Of the first users of ml-100k."""
    part = leave_one_out(ml100k)
    return LeaveOneOut(
        train=part.train[:40],
        validation_users=part.validation_users[:40],
        validation_inputs=part.validation_inputs[:40],
        validation_targets=part.validation_targets[:40],
        test_users=part.test_users[:40],
        test_inputs=part.test_inputs[:40],
        test_targets=part.test_targets[:40],
    )


@pytest.fixture
def model() -> Sasrec:
    torch.manual_seed(0)
    shape = BaseModelShape(n_items=1_682, max_seq=6, d_model=D_MODEL, n_blocks=2, n_heads=1)
    return Sasrec(shape).eval().requires_grad_(False)


def _sae() -> Sae:
    torch.manual_seed(1)
    return Sae(SaeShape(kind=SaeKind.TOPK, d_sae=32, k=4), D_MODEL).eval().requires_grad_(False)


def _mirror() -> Sae:
    """Reconstructs what it reads: a feature for each side of each dimension, one more for none."""
    sae = Sae(SaeShape(kind=SaeKind.RELU, d_sae=2 * D_MODEL + 1), D_MODEL).requires_grad_(False)
    both = torch.cat([torch.eye(D_MODEL), -torch.eye(D_MODEL), torch.zeros(1, D_MODEL)])
    sae.W_dec.copy_(both)
    sae.W_enc.copy_(both.T)
    return sae


def test_a_perfect_reconstruction() -> None:
    hidden = torch.randn(50, D_MODEL)
    found = reconstruction(_mirror(), hidden)
    assert found.fvu == pytest.approx(0)
    assert found.cosine == pytest.approx(1)
    assert found.l0 == D_MODEL
    assert found.dead_share == pytest.approx(1 / (2 * D_MODEL + 1))


def test_rows_are_sampled_once_each() -> None:
    hidden = torch.arange(100.0)[:, None]
    found = sampled_rows(hidden, 30, seed=0)[:, 0].tolist()
    assert len(set(found)) == 30
    assert torch.equal(sampled_rows(hidden, 200, seed=0), hidden)


@pytest.mark.parametrize("block", [1, 2, 3])
def test_users_read_once_rank_as_users_read_anew(
    model: Sasrec, split: LeaveOneOut, block: int
) -> None:
    users, sae = read_users(model, split, block), _sae()
    expected = slate_ranks(
        reconstructed_scores(model, sae, block),
        split.validation_inputs,
        split.validation_targets,
        max_seq=6,
        device=torch.device("cpu"),
    )
    assert (users.ranks(sae) == expected).all()


def test_a_perfect_reconstruction_keeps_everything(model: Sasrec, split: LeaveOneOut) -> None:
    users = read_users(model, split, 2)
    assert (gains(users.ranks(_mirror())) == gains(users.ranks())).all()


def test_a_gain_is_that_of_ndcg() -> None:
    assert gains(np.array([1, 3, 10, 11])).tolist() == [1, 0.5, 1 / np.log2(11), 0]


def test_the_kept_share_is_of_sums_not_of_users() -> None:
    kept, base = np.array([0.5, 0.5]), np.array([1.0, 0.0])
    found = kept_share(kept, base, np.array([[2.0, 2.0]]))
    assert found == (1, 1, 1)


def test_nothing_to_keep_is_nothing_kept() -> None:
    assert kept_share(np.zeros(2), np.zeros(2), np.ones((1, 2))).share == 0


def test_separation_is_scored_on_rows_that_did_not_pick() -> None:
    picks = np.repeat([True, False], 4)
    labels = np.tile([True, False], 4)[:, None]
    lucky = np.where(picks, labels[:, 0], ~labels[:, 0])
    true = np.where(labels[:, 0], 1.0, np.arange(8) % 3)
    assert best_separation(np.stack([lucky, true], 1), labels, picks) == 0


def test_a_label_that_never_varies_on_one_half_is_left_out() -> None:
    picks = np.repeat([True, False], 4)
    labels = np.stack([np.tile([True, False], 4), picks], axis=1)
    assert best_separation(labels[:, :1].astype(float), labels, picks) == 1
    assert best_separation(labels[:, :1].astype(float), labels[:, 1:], picks) == 0.5

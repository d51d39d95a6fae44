"""What is measured of a model and its SAE."""

import numpy as np
import pytest
import torch

from model_store.manifest import BaseModelShape, SaeKind, SaeShape
from training.batches import left_padded
from training.dataset import Dataset, Item
from training.evaluate import (
    base_metrics,
    hidden_states,
    newest_hidden_states,
    reconstructed_scores,
    sae_metrics,
)
from training.sae import Sae
from training.sasrec import Cut, Sasrec
from training.split import LeaveOneOut, leave_one_out

CPU = torch.device("cpu")
D_MODEL = 8


@pytest.fixture(scope="module")
def split() -> LeaveOneOut:
    rng = np.random.default_rng(0)
    histories = tuple(rng.integers(1, 31, n).astype(np.int32) for n in (3, 9, 25, 14))
    items = tuple(Item(str(i), str(i), {}) for i in range(30))
    return leave_one_out(Dataset("few", items, tuple("abcd"), histories, "0" * 64))


@pytest.fixture(scope="module")
def model() -> Sasrec:
    torch.manual_seed(0)
    shape = BaseModelShape(n_items=30, max_seq=6, d_model=D_MODEL, n_blocks=2, n_heads=1)
    return Sasrec(shape).eval().requires_grad_(False)


def _lossless() -> Sae:
    """Each direction and its opposite: every hidden state is a sum of as many as it has."""
    sae = Sae(SaeShape(kind=SaeKind.TOPK, d_sae=2 * D_MODEL, k=D_MODEL), D_MODEL)
    sae.requires_grad_(False)
    sae.W_dec.copy_(torch.cat([torch.eye(D_MODEL), -torch.eye(D_MODEL)]))
    sae.W_enc.copy_(sae.W_dec.T)
    return sae


def test_hidden_states_are_read_at_every_item_once(model: Sasrec, split: LeaveOneOut) -> None:
    _, read = hidden_states(model, split.train, 1, device=CPU)
    assert sorted(read.tolist()) == sorted(np.concatenate(split.train).tolist())


def test_newest_hidden_states_are_what_serving_reads(model: Sasrec, split: LeaveOneOut) -> None:
    found = newest_hidden_states(model, split.train, 2, at_most=1_000, seed=0, device=CPU)
    begun = [items[:end] for items in split.train for end in range(1, len(items) + 1)]
    expected = model.lower(left_padded(begun, 6), Cut(2))[:, 0]
    assert found.shape == expected.shape
    torch.testing.assert_close(found.sort(dim=0).values, expected.sort(dim=0).values)


def test_no_newest_position_may_be_asked_for(model: Sasrec, split: LeaveOneOut) -> None:
    found = newest_hidden_states(model, split.train, 2, at_most=0, seed=0, device=CPU)
    assert found.shape == (0, D_MODEL)


@pytest.mark.parametrize("block", [1, 2])
def test_a_lossless_sae_keeps_every_score(model: Sasrec, split: LeaveOneOut, block: int) -> None:
    items = left_padded(split.test_inputs, 6)
    kept = reconstructed_scores(model, _lossless(), block)(items)
    torch.testing.assert_close(kept, model.slate_scores(items), atol=1e-5, rtol=0)


def test_a_lossless_sae_keeps_every_metric(model: Sasrec, split: LeaveOneOut) -> None:
    found = sae_metrics(model, _lossless(), 2, split, CPU)
    assert found["sae_ndcg_at_10"] == base_metrics(model, split, CPU)["ndcg_at_10"]
    assert found["sae_fvu"] == pytest.approx(0, abs=1e-6)
    assert found["sae_l0"] == D_MODEL
    assert found["sae_dead_share"] == 0

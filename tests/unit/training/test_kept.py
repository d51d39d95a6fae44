"""Sums over kept activations give what dense products give, forward and backward."""

import pytest
import torch
from torch import Tensor

from training.kept import Kept, decode_kept, encode_kept, kth_largest

ROWS, D_MODEL, D_SAE, N_KEPT = 12, 5, 9, 3


@pytest.fixture
def weights() -> list[Tensor]:
    """x [ROWS, D_MODEL], W_enc, b_enc and W_dec, the weights with gradients."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((ROWS, D_MODEL), (D_MODEL, D_SAE), (D_SAE,), (D_SAE, D_MODEL))
    drawn = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    return [drawn[0], *(weight.requires_grad_() for weight in drawn[1:])]


def _mask(x: Tensor, W_enc: Tensor, b_enc: Tensor) -> Tensor:
    projected = (x @ W_enc + b_enc).detach()
    mask = projected >= kth_largest(projected, N_KEPT)
    mask[:, 4] = False
    mask[2] = False
    return mask


def _dense(weights: list[Tensor]) -> Tensor:
    x, W_enc, b_enc, W_dec = weights
    return torch.where(_mask(x, W_enc, b_enc), x @ W_enc + b_enc, 0.0) @ W_dec


def _sparse(weights: list[Tensor]) -> Tensor:
    x, W_enc, b_enc, W_dec = weights
    kept = Kept.of(_mask(x, W_enc, b_enc))
    projected = (x @ W_enc + b_enc).detach()
    return decode_kept(encode_kept(x, W_enc, b_enc, projected, kept), W_dec, kept)


def test_a_row_that_keeps_nothing_and_a_feature_that_is_never_kept_are_zero(
    weights: list[Tensor],
) -> None:
    torch.testing.assert_close(_sparse(weights), _dense(weights))
    assert (_sparse(weights)[2] == 0).all()


def test_gradients_are_those_of_dense_products(weights: list[Tensor]) -> None:
    expected = torch.autograd.grad(_dense(weights).pow(3).sum(), weights[1:])
    found = torch.autograd.grad(_sparse(weights).pow(3).sum(), weights[1:])
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_kept_features_are_counted() -> None:
    kept = Kept.of(torch.tensor([[True, False, True], [False, False, True]]))
    assert kept.counts.tolist() == [1, 0, 2]


def test_the_kth_largest_of_each_row() -> None:
    found = kth_largest(torch.tensor([[3.0, 1.0, 2.0], [0.0, -1.0, -2.0]]), 2)
    assert found.tolist() == [[2], [-1]]

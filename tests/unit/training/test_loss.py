"""Loss and gradients made chunk by chunk are those of PyTorch's own cross-entropy."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from training.loss import next_item_loss

N_ITEMS, D_MODEL, ROWS = 90, 16, 600
TOLERANCE = 1e-5

Inputs = tuple[Tensor, Tensor, Tensor]


def _inputs() -> Inputs:
    """More rows than one chunk holds."""
    torch.manual_seed(4)
    final = torch.randn(ROWS, D_MODEL, requires_grad=True)
    embedding = torch.randn(N_ITEMS + 1, D_MODEL, requires_grad=True)
    return final, torch.randint(1, N_ITEMS + 1, (ROWS,)), embedding


def _gradients(loss: Tensor, final: Tensor, embedding: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(3 * loss, (final, embedding))


def _plain(final: Tensor, targets: Tensor, embedding: Tensor) -> Tensor:
    return functional.cross_entropy(final @ embedding[1:].T, targets - 1)


def _plain_sampled(final: Tensor, targets: Tensor, embedding: Tensor, negatives: int) -> Tensor:
    drawn = torch.randint(1, len(embedding), (negatives,))
    against = (final @ embedding[drawn].T).masked_fill(drawn == targets[:, None], -math.inf)
    target = (final * embedding[targets]).sum(-1, keepdim=True)
    return functional.cross_entropy(torch.cat([target, against], 1), torch.zeros_like(targets))


def test_loss_and_gradients_over_the_catalogue_are_those_of_pytorch() -> None:
    final, targets, embedding = _inputs()
    ours = next_item_loss(final, targets, embedding, negatives=None)
    theirs = _plain(final, targets, embedding)
    torch.testing.assert_close(ours, theirs, atol=TOLERANCE, rtol=TOLERANCE)
    found, expected = (_gradients(loss, final, embedding) for loss in (ours, theirs))
    torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=TOLERANCE)


def test_loss_and_gradients_over_negatives_are_those_of_pytorch() -> None:
    final, targets, embedding = _inputs()
    torch.manual_seed(5)
    ours = next_item_loss(final, targets, embedding, negatives=40)
    torch.manual_seed(5)
    theirs = _plain_sampled(final, targets, embedding, 40)
    torch.testing.assert_close(ours, theirs, atol=TOLERANCE, rtol=TOLERANCE)
    found, expected = (_gradients(loss, final, embedding) for loss in (ours, theirs))
    torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=TOLERANCE)


def test_narrow_products_change_the_loss_little() -> None:
    final, targets, embedding = _inputs()
    with torch.autocast("cpu", torch.bfloat16):
        narrow = next_item_loss(final, targets, embedding, negatives=None)
    assert narrow.dtype == torch.float32
    torch.testing.assert_close(narrow, _plain(final, targets, embedding), atol=0.05, rtol=0.01)


def test_full_loss_leaves_padding_out() -> None:
    final, targets = torch.zeros(2, 4), torch.tensor([1, 3])
    loss = next_item_loss(final, targets, torch.randn(6, 4), negatives=None)
    assert loss.item() == pytest.approx(np.log(5))


def test_a_negative_that_is_the_target_does_not_count_against_it() -> None:
    embedding = torch.eye(2, 4)
    loss = next_item_loss(torch.ones(1, 4), torch.tensor([1]), embedding, negatives=3)
    assert loss.item() == pytest.approx(0)

"""Dropout from random bytes."""

import pytest
import torch

from training.dropout import Dropout

SHARE = 0.25


@pytest.fixture
def dropped() -> torch.Tensor:
    torch.manual_seed(0)
    return Dropout(SHARE).forward(torch.ones(101, 1003))


def test_the_share_of_units_is_dropped(dropped: torch.Tensor) -> None:
    assert (dropped == 0).float().mean().item() == pytest.approx(SHARE, abs=0.01)


def test_what_is_kept_is_scaled_up(dropped: torch.Tensor) -> None:
    assert dropped.max().item() == pytest.approx(1 / (1 - SHARE))


def test_the_gradient_passes_where_the_unit_was_kept() -> None:
    x = torch.ones(4, 100, requires_grad=True)
    dropped = Dropout(SHARE)(x)
    dropped.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, dropped.detach())


def test_the_same_seed_drops_the_same_units(dropped: torch.Tensor) -> None:
    torch.manual_seed(0)
    assert torch.equal(Dropout(SHARE)(torch.ones(101, 1003)), dropped)


def test_nothing_is_dropped_out_of_training() -> None:
    x = torch.ones(5, 7)
    assert Dropout(0.9).eval()(x) is x

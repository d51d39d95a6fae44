"""JumpReLU and the step: their values, and the estimated gradients of their thresholds."""

import pytest
import torch
from torch import Tensor

from training.jumprelu import exceeds, jump_relu

BANDWIDTH = 0.2
X = torch.tensor([[0.45, 0.0], [0.55, 2.0], [0.8, 0.95]])
THRESHOLD = torch.tensor([0.5, 1.0])


def _leaves() -> tuple[Tensor, Tensor]:
    return X.clone().requires_grad_(), THRESHOLD.clone().requires_grad_()


def test_what_does_not_exceed_its_threshold_is_zero() -> None:
    kept = jump_relu(X, THRESHOLD, BANDWIDTH)
    torch.testing.assert_close(kept, torch.tensor([[0.0, 0.0], [0.55, 2.0], [0.8, 0.0]]))


def test_a_value_at_its_threshold_is_zero() -> None:
    assert jump_relu(THRESHOLD[None], THRESHOLD, BANDWIDTH).tolist() == [[0, 0]]


def test_the_step_counts_what_exceeds() -> None:
    assert exceeds(X, THRESHOLD, BANDWIDTH).tolist() == [[0, 0], [1, 1], [1, 0]]


def test_activations_pass_their_gradient_where_they_are_kept() -> None:
    x, threshold = _leaves()
    jump_relu(x, threshold, BANDWIDTH).sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert x.grad.tolist() == [[0, 0], [1, 1], [1, 0]]


def test_the_threshold_of_a_jump_relu_learns_from_what_lies_near_it() -> None:
    """-threshold / bandwidth for each value within half a bandwidth: two of the first feature."""
    x, threshold = _leaves()
    jump_relu(x, threshold, BANDWIDTH).sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(
        threshold.grad, torch.tensor([-0.5, -1.0]) / 0.2 * torch.tensor([2, 1])
    )


def test_the_threshold_of_a_step_learns_from_what_lies_near_it() -> None:
    x, threshold = _leaves()
    exceeds(x, threshold, BANDWIDTH).sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(threshold.grad, torch.tensor([-2.0, -1.0]) / 0.2)
    assert x.grad is None


def test_a_silenced_value_teaches_nothing_however_wide_the_band() -> None:
    threshold = torch.tensor([0.5], requires_grad=True)
    exceeds(torch.zeros(4, 1), threshold, 2.0).sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(threshold.grad, torch.zeros(1))


@pytest.mark.parametrize("at", [0.6, 1.0, 1.7])
def test_the_estimate_is_the_slope_of_the_expected_count(at: float) -> None:
    """Of values spread evenly over 0..2, a share of 1 - at / 2 exceeds: a slope of -1/2."""
    x = torch.linspace(0, 2, 20_001)[:, None]
    threshold = torch.tensor([at], requires_grad=True)
    exceeds(x, threshold, BANDWIDTH).mean().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(threshold.grad, torch.tensor([-0.5]), atol=1e-3, rtol=0)

"""JumpReLU and the step function, with gradients for the thresholds.

Both are flat in the threshold almost everywhere, so their true gradient is 0. In the expectation
over inputs it is not: it is the density of pre-activations at the threshold times the jump there.
A rectangle of width `bandwidth` around the threshold estimates that density.

Source: Rajamanoharan et al., arXiv 2407.14435, section 4.
"""

import torch
from torch import Tensor


def jump_relu(rectified: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
    """`rectified` [rows, d_sae] where it exceeds `threshold` [d_sae], else 0."""
    kept = torch.where(rectified > threshold, rectified, 0.0)
    jump = threshold.detach() * _density(rectified, threshold, bandwidth)
    return kept - jump * _zero(threshold)


def exceeds(rectified: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
    """1 where `rectified` [rows, d_sae] exceeds `threshold` [d_sae], else 0: summed, the L0.

    Only the threshold learns from it, not the encoder.
    """
    step = (rectified > threshold).to(rectified.dtype)
    return step - _density(rectified, threshold, bandwidth) * _zero(threshold)


@torch.no_grad()
def _density(rectified: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
    """The rectangle's height where a value lies under it, else 0, [rows, d_sae].

    What the rectifier silenced lies nowhere: a wide rectangle would take the heap of zeros for
    values near the threshold, and push every threshold up to half its width.
    """
    near = (rectified - threshold).abs() < bandwidth / 2
    return (near & (rectified > 0)) / bandwidth


def _zero(threshold: Tensor) -> Tensor:
    """Exact zeros whose gradient is the threshold's."""
    return threshold - threshold.detach()

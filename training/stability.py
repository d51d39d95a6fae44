"""Do two SAEs find the same features? Partners between them, by direction and by behaviour.

Two features are partners if both the cosine of their decoder rows and the correlation of their
activations on the same hidden states exceed a bound: a like direction that fires elsewhere is
another feature, and so is one that fires alike and moves the model elsewhere. Several features may
have the same partner.

Source: Paulo and Belrose, arXiv 2501.16615 (shared features across seeds, by decoder and encoder).
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from training.errors import UndefinedMetric
from training.sae import Sae

PARTNER_ABOVE = 0.8
"""Bound on cosine and correlation."""
ROWS = 4_096
"""Hidden states encoded at once."""


@torch.no_grad()
def stable_share(one: Sae, other: Sae, hidden: Tensor, above: float = PARTNER_ABOVE) -> float:
    """Share of the features of `one` with a partner in `other`, 0..1; not symmetric.

    A feature that is dead on these hidden states has no partner, and counts.

    Args:
        one: reads the same hook point as `other`; their widths may differ.
        other: e.g. the same training with another seed.
        hidden: hidden states [rows, d_model] on which activations are compared.
        above: what cosine and correlation must exceed.
    """
    cosine = decoder_cosine(one.W_dec, other.W_dec)
    activations = ((one.encode(rows), other.encode(rows)) for rows in torch.split(hidden, ROWS))
    correlation = activation_correlation(activations)
    return float(has_partner(cosine, correlation, above).float().mean())


def has_partner(cosine: Tensor, correlation: Tensor, above: float = PARTNER_ABOVE) -> Tensor:
    """Which features have a partner that exceeds the bound in both, bool [d_sae].

    Args:
        cosine: [d_sae, d_sae of the other].
        correlation: the same shape.
        above: what both must exceed, for one and the same partner.
    """
    return torch.minimum(cosine, correlation.to(cosine.dtype)).amax(1) > above


def decoder_cosine(one: Tensor, other: Tensor) -> Tensor:
    """Cosine of each row of `one` [n, d_model] with each of `other` [m, d_model], [n, m].

    A row of zeros has cosine 0 with everything.
    """
    return _unit_rows(one) @ _unit_rows(other).T


def activation_correlation(batches: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """Pearson's r of each pair of features over all rows, float64 [n, m].

    A feature that never varies has correlation 0 with everything.

    Args:
        batches: activations [rows, n] and [rows, m] of two SAEs on the same hidden states.

    Raises:
        UndefinedMetric: there is no row.
    """
    rows, sums, products = 0, None, None
    for one, other in batches:
        both = torch.cat([one, other], dim=1).double()
        n = one.shape[1]
        part = torch.stack([both.sum(0), both.square().sum(0)])
        product = both[:, :n].T @ both[:, n:]
        rows += len(both)
        sums = part if sums is None else sums + part
        products = product if products is None else products + product
    if sums is None or products is None or not rows:
        raise UndefinedMetric("no hidden state to compare activations on")
    return _pearson(rows, sums, products)


def _pearson(rows: int, sums: Tensor, products: Tensor) -> Tensor:
    """r [n, m] from sums and sums of squares [2, n + m] and sums of products [n, m]."""
    n = len(products)
    mean, mean_square = sums / rows
    variance = (mean_square - mean.square()).clamp_min(0)
    # What rounding leaves of a constant's variance is no variation.
    varies = variance > 1e-12 * mean_square
    deviation = torch.where(varies, variance, torch.inf).sqrt()
    covariance = products / rows - torch.outer(mean[:n], mean[n:])
    return covariance / torch.outer(deviation[:n], deviation[n:])


def _unit_rows(rows: Tensor) -> Tensor:
    return torch.nn.functional.normalize(rows, dim=1)

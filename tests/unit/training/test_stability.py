"""Partners of features between two SAEs."""

import numpy as np
import pytest
import torch
from torch import Tensor

from model_store.manifest import SaeKind, SaeShape
from training.errors import UndefinedMetric
from training.sae import Sae
from training.stability import (
    activation_correlation,
    decoder_cosine,
    has_partner,
    stable_share,
)


@pytest.fixture
def hidden() -> Tensor:
    """[5000, 8]: more rows than are encoded at once."""
    return torch.randn(5_000, 8, generator=torch.Generator().manual_seed(3))


def _sae(seed: int, d_sae: int = 32) -> Sae:
    torch.manual_seed(seed)
    return Sae(SaeShape(kind=SaeKind.TOPK, d_sae=d_sae, k=4), 8)


def _reordered(sae: Sae, order: Tensor) -> Sae:
    other = Sae(sae.shape, 8).requires_grad_(False)
    other.W_enc.copy_(sae.W_enc[:, order])
    other.b_enc.copy_(sae.b_enc[order])
    other.W_dec.copy_(sae.W_dec[order])
    return other


def test_an_sae_shares_all_features_with_itself_in_another_order(hidden: Tensor) -> None:
    sae = _sae(0)
    order = torch.randperm(32, generator=torch.Generator().manual_seed(1))
    assert stable_share(sae, _reordered(sae, order), hidden) == 1


def test_random_saes_share_few_features(hidden: Tensor) -> None:
    assert stable_share(_sae(0), _sae(1), hidden) < 0.2


def test_widths_may_differ_and_the_share_is_of_the_first(hidden: Tensor) -> None:
    small = _sae(0, d_sae=16)
    large = Sae(SaeShape(kind=SaeKind.RELU, d_sae=32), 8).requires_grad_(False)
    small.shape = SaeShape(kind=SaeKind.RELU, d_sae=16)
    large.W_enc[:, :16], large.W_dec[:16] = small.W_enc, small.W_dec
    large.W_dec[16:] = -small.W_dec
    large.W_enc[:, 16:] = -small.W_enc
    assert stable_share(small, large, hidden) == 1
    assert stable_share(large, small, hidden) == 0.5


def test_a_dead_feature_has_no_partner(hidden: Tensor) -> None:
    sae = _sae(0).requires_grad_(False)
    sae.b_enc[:8] = -1e6
    assert stable_share(sae, sae, hidden) == 0.75


def test_a_partner_must_pass_in_direction_and_in_activation() -> None:
    cosine = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]])
    correlation = torch.tensor([[0.9, 0.1], [0.1, 0.9], [0.1, 0.8]])
    assert has_partner(cosine, correlation).tolist() == [True, False, False]


def test_decoder_cosine_ignores_length() -> None:
    cosine = decoder_cosine(torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([[3.0, 4.0]]))
    torch.testing.assert_close(cosine, torch.tensor([[0.6], [0.0]]))


def test_correlation_over_batches_is_that_of_numpy_over_all_rows() -> None:
    generator = torch.Generator().manual_seed(0)
    one = torch.rand(300, 5, generator=generator)
    other = 100 + one[:, :4] + torch.rand(300, 4, generator=generator)
    found = activation_correlation(zip(torch.split(one, 70), torch.split(other, 70), strict=True))
    expected = np.corrcoef(one.numpy(), other.numpy(), rowvar=False)[:5, 5:]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def test_what_never_varies_correlates_with_nothing() -> None:
    constant = torch.full((50, 1), 0.1)
    assert activation_correlation([(constant, torch.rand(50, 2))]).tolist() == [[0, 0]]


def test_the_correlation_of_nothing_is_undefined() -> None:
    with pytest.raises(UndefinedMetric, match="no hidden state"):
        activation_correlation([])

"""The sparse autoencoder: sparsity, folding, training against dead features, resuming."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from model_store.manifest import SaeKind, SaeShape
from training.config import SaeConfig
from training.sae import InputScale, Sae, top_k_per_batch, top_k_per_row, unexplained_share
from training.train_sae import ROUND_STEPS, SaeTrainer, train_sae

KINDS = [SaeKind.TOPK, SaeKind.BATCHTOPK]


def _config(kind: SaeKind = SaeKind.TOPK, steps: int = 400) -> SaeConfig:
    return SaeConfig(
        kind=kind, d_sae=64, k=4, steps=steps, batch_size=256, learning_rate=3e-3, auxiliary_k=16
    )


@pytest.fixture(scope="module")
def hidden() -> Tensor:
    """Sparse sums of 32 directions, far from the origin, [4000, 16]."""
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(32, 16, generator=generator)
    active = torch.rand(4_000, 32, generator=generator) < 0.08
    strength = 1 + torch.rand(4_000, 32, generator=generator)
    return 5 * (active * strength) @ directions + 40


def test_top_k_per_row_keeps_the_k_largest() -> None:
    kept = top_k_per_row(torch.tensor([[1.0, 4.0, 3.0], [5.0, 0.0, 6.0]]), 2)
    assert kept.tolist() == [[0, 4, 3], [5, 0, 6]]


def test_top_k_per_batch_shares_its_budget_between_rows() -> None:
    kept = top_k_per_batch(torch.tensor([[1.0, 4.0, 3.0], [5.0, 0.5, 6.0]]), 1)
    assert kept.tolist() == [[0, 0, 0], [5, 0, 6]]


def test_a_perfect_reconstruction_leaves_nothing_unexplained(hidden: Tensor) -> None:
    assert unexplained_share(hidden, hidden) == 0


def test_the_mean_leaves_everything_unexplained(hidden: Tensor) -> None:
    assert unexplained_share(hidden, hidden.mean(0).expand_as(hidden)) == pytest.approx(1)


@pytest.mark.parametrize("kind", KINDS)
def test_folding_changes_units_only(hidden: Tensor, kind: SaeKind) -> None:
    torch.manual_seed(0)
    sae = Sae(SaeShape(kind=kind, d_sae=64, k=4), 16).requires_grad_(False)
    sae.b_enc.add_(torch.randn(64))
    sae.b_dec.add_(torch.randn(16))
    sae.threshold.fill_(0.5)
    scale = InputScale.of(hidden)
    folded = sae.folded(scale)
    torch.testing.assert_close(folded.encode(hidden), sae.encode(scale(hidden)), atol=1e-3, rtol=0)
    expected = sae(scale(hidden)) * scale.scale + scale.mean
    torch.testing.assert_close(folded(hidden), expected, atol=1e-2, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_training_explains_the_hidden_states_without_dead_features(
    hidden: Tensor, kind: SaeKind
) -> None:
    sae = train_sae(SaeTrainer(_config(kind), hidden, seed=0))
    with torch.no_grad():
        activations = sae.encode(hidden)
        assert unexplained_share(hidden, sae.decode(activations)) < 0.15
    assert (activations > 0).any(0).float().mean() > 0.9
    assert (activations > 0).sum(1).float().mean() == pytest.approx(4, rel=0.25)


def test_batchtopk_is_served_with_a_threshold(hidden: Tensor) -> None:
    sae = train_sae(SaeTrainer(_config(SaeKind.BATCHTOPK), hidden, seed=0))
    assert sae.shape.threshold is not None
    assert sae.shape.threshold > 0


def test_topk_has_no_threshold(hidden: Tensor) -> None:
    assert train_sae(SaeTrainer(_config(steps=10), hidden, seed=0)).shape.threshold is None


def test_decoder_rows_have_norm_one_in_training(hidden: Tensor) -> None:
    trainer = SaeTrainer(_config(), hidden, seed=0)
    trainer.round()
    torch.testing.assert_close(trainer.sae.W_dec.norm(dim=1), torch.ones(64))


def test_an_interrupted_run_ends_where_an_unbroken_one_does(hidden: Tensor, tmp_path: Path) -> None:
    config = _config(SaeKind.BATCHTOPK, steps=3 * ROUND_STEPS)
    unbroken = train_sae(SaeTrainer(config, hidden, seed=0))

    class Interrupted(Exception):
        pass

    def interrupt(step: str, done: int, total: int, note: str = "") -> None:
        if done >= 2 * ROUND_STEPS:
            raise Interrupted

    checkpoint = tmp_path / "checkpoint.pt"
    with pytest.raises(Interrupted):
        train_sae(SaeTrainer(config, hidden, seed=0), checkpoint, interrupt)
    resumed = train_sae(SaeTrainer(config, hidden, seed=0), checkpoint)
    assert resumed.shape == unbroken.shape
    torch.testing.assert_close(resumed.state_dict(), unbroken.state_dict(), atol=0, rtol=0)

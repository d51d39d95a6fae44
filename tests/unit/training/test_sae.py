"""The sparse autoencoder: sparsity, folding, training against dead features, resuming."""

from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from model_store.manifest import SaeKind, SaeShape
from training.bundle_files import load_sae, save_sae
from training.config import JumpReluConfig, ReluConfig, SaeConfig
from training.sae import InputScale, Sae, top_k_per_row, unexplained_share
from training.stability import decoder_cosine
from training.train_sae import ROUND_STEPS, SaeTrainer, train_sae

COUNTED = [SaeKind.TOPK, SaeKind.BATCHTOPK]
KINDS = list(SaeKind)
PENALTIES: dict[SaeKind, dict[str, object]] = {
    SaeKind.RELU: {"relu": ReluConfig(l1_weight=0.05)},
    SaeKind.JUMPRELU: {"jumprelu": JumpReluConfig(l0_weight=0.01, bandwidth=2.0)},
}
"""Right for inputs of a few dozen dimensions."""


def _config(kind: SaeKind = SaeKind.TOPK, steps: int = 400, d_sae: int = 64) -> SaeConfig:
    settings: dict[str, object] = {
        "kind": kind,
        "d_sae": d_sae,
        "k": 4,
        "steps": steps,
        "batch_size": 256,
        "auxiliary_k": 16,
    }
    return SaeConfig.model_validate(settings | PENALTIES.get(kind, {}))


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


PROJECTED = torch.tensor([[1.0, 4.0, -3.0], [5.0, -0.5, 6.0]])


def _kept(kind: SaeKind, k: int | None = None) -> list[list[bool]]:
    return Sae(SaeShape(kind=kind, d_sae=3, k=k), 2).kept_in_training(PROJECTED).tolist()


def test_topk_keeps_the_largest_of_each_row() -> None:
    assert _kept(SaeKind.TOPK, 1) == [[False, True, False], [False, False, True]]


def test_batchtopk_shares_its_budget_between_rows() -> None:
    assert _kept(SaeKind.BATCHTOPK, 1) == [[False, False, False], [True, False, True]]


@pytest.mark.parametrize("kind", COUNTED)
def test_nothing_below_zero_is_kept_however_large_k(kind: SaeKind) -> None:
    assert _kept(kind, 3) == (PROJECTED > 0).tolist()


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


class Sparse(NamedTuple):
    """Sums of few directions out of more than there are dimensions."""

    directions: Tensor
    """Unit rows, [32, 24]."""
    hidden: Tensor
    """[6000, 24], far from the origin."""


@pytest.fixture(scope="module")
def sparse() -> Sparse:
    """Drawn by a seed that no SAE is initialised with: else it would begin at the answer."""
    generator = torch.Generator().manual_seed(1234)
    directions = torch.nn.functional.normalize(torch.randn(32, 24, generator=generator), dim=1)
    active = torch.rand(6_000, 32, generator=generator) < 0.08
    strength = active * (1 + torch.rand(6_000, 32, generator=generator))
    return Sparse(directions, 5 * strength @ directions + 40)


@pytest.mark.parametrize("kind", KINDS)
def test_training_finds_the_true_directions(sparse: Sparse, kind: SaeKind) -> None:
    trainer = SaeTrainer(_config(kind, steps=1_000, d_sae=40), sparse.hidden, seed=0)
    sae = train_sae(trainer).requires_grad_(False)
    found = decoder_cosine(sparse.directions, sae.W_dec).amax(1) > 0.9
    assert found.float().mean() > 0.8
    activations = sae.encode(sparse.hidden)
    assert unexplained_share(sparse.hidden, sae.decode(activations)) < 0.12
    assert (activations > 0).sum(1).float().mean() < 8
    assert (activations > 0).any(0).float().mean() > 0.9


@pytest.mark.parametrize("kind", PENALTIES)
def test_features_that_never_fired_are_revived(sparse: Sparse, kind: SaeKind) -> None:
    trainer = SaeTrainer(_config(kind, steps=600, d_sae=40), sparse.hidden, seed=0)
    with torch.no_grad():
        trainer.sae.b_enc[:20] = -3
    sae = train_sae(trainer).requires_grad_(False)
    assert (sae.encode(sparse.hidden)[:, :20] > 0).any(0).float().mean() > 0.9


@pytest.mark.parametrize("kind", PENALTIES)
def test_a_larger_penalty_leaves_fewer_features_active(sparse: Sparse, kind: SaeKind) -> None:
    counts = []
    for weight in (0.001, 0.3):
        penalty = {
            "relu": ReluConfig(l1_weight=weight),
            "jumprelu": JumpReluConfig(l0_weight=weight, bandwidth=2.0),
        }
        config = _config(kind, steps=300).model_copy(update=penalty)
        sae = train_sae(SaeTrainer(config, sparse.hidden, seed=0)).requires_grad_(False)
        counts.append(float((sae.encode(sparse.hidden) > 0).sum(1).float().mean()))
    assert counts[1] < 0.7 * counts[0]


def test_jumprelu_has_a_threshold_for_each_feature(sparse: Sparse) -> None:
    config = _config(SaeKind.JUMPRELU, steps=300)
    sae = train_sae(SaeTrainer(config, sparse.hidden, seed=0))
    assert sae.threshold.shape == (64,)
    assert (sae.threshold >= 0).all()
    assert sae.threshold.std() > 0
    assert sae.shape.threshold is None


@pytest.mark.parametrize("kind", KINDS)
def test_written_weights_are_read_back(sparse: Sparse, kind: SaeKind, tmp_path: Path) -> None:
    sae = train_sae(SaeTrainer(_config(kind, steps=20), sparse.hidden, seed=0))
    save_sae(tmp_path / "sae.safetensors", sae)
    read = load_sae(tmp_path / "sae.safetensors", sae.shape)
    torch.testing.assert_close(read.state_dict(), sae.state_dict(), atol=0, rtol=0)


@pytest.mark.parametrize("kind", COUNTED)
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


@pytest.mark.parametrize("kind", [SaeKind.BATCHTOPK, SaeKind.JUMPRELU])
def test_an_interrupted_run_ends_where_an_unbroken_one_does(
    hidden: Tensor, tmp_path: Path, kind: SaeKind
) -> None:
    config = _config(kind, steps=3 * ROUND_STEPS)
    unbroken = train_sae(SaeTrainer(config, hidden, seed=0))

    class Interrupted(Exception):
        pass

    def interrupt(step: str, done: float, total: int, note: str = "") -> None:
        if done >= 2 * ROUND_STEPS:
            raise Interrupted

    checkpoint = tmp_path / "checkpoint.pt"
    with pytest.raises(Interrupted):
        train_sae(SaeTrainer(config, hidden, seed=0), checkpoint, interrupt)
    resumed = train_sae(SaeTrainer(config, hidden, seed=0), checkpoint)
    assert resumed.shape == unbroken.shape
    torch.testing.assert_close(resumed.state_dict(), unbroken.state_dict(), atol=0, rtol=0)

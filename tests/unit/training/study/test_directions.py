"""Sets of directions that SAE features are compared with."""

import numpy as np
import pytest
import torch
from torch import Tensor

from model_store.manifest import BaseModelShape, SaeKind, SaeShape
from training.config import SaeConfig
from training.sae import Sae
from training.study.directions import (
    DirectionSet,
    feature_projections,
    hidden_dimensions,
    independent_components,
    principal_components,
    random_directions,
    sae_features,
    some_of,
    sparse_random_directions,
    untrained_features,
    whitened_random_directions,
)


@pytest.fixture(scope="module")
def hidden() -> Tensor:
    """[500, 4]: two independent uniform sources, mixed, and noise."""
    rng = np.random.default_rng(0)
    sources = rng.uniform(-1, 1, (500, 4)) * [1.0, 1.0, 0.01, 0.01]
    mixing = np.array([[1, 1, 0, 0], [-1, 2, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    return torch.from_numpy((sources @ mixing + 5).astype(np.float32))


def test_features_are_what_the_sae_encodes(hidden: Tensor) -> None:
    sae = Sae(SaeShape(kind=SaeKind.TOPK, d_sae=8, k=2), 4).requires_grad_(False)
    expected = sae.encode(hidden).numpy()
    assert (sae_features("SAE", sae, hidden).activations == expected).all()


def test_features_before_sparsity_are_what_the_encoder_projects(hidden: Tensor) -> None:
    sae = Sae(SaeShape(kind=SaeKind.RELU, d_sae=8), 4).requires_grad_(False)
    rectified = np.maximum(feature_projections(sae, hidden).activations, 0)
    assert (rectified == sae_features("SAE", sae, hidden).activations).all()


def test_whitened_random_directions_are_not_filled_by_the_largest_components(
    hidden: Tensor,
) -> None:
    small = (hidden[:, 3] - hidden[:, 3].mean()).numpy()
    whitened = whitened_random_directions(hidden, 50, seed=0).activations
    plain = random_directions(hidden, 50, seed=0, both_signs=False).activations
    r_whitened, r_plain = (
        np.mean([abs(np.corrcoef(column, small)[0, 1]) for column in read.T])
        for read in (whitened, plain)
    )
    assert r_whitened > 0.3
    assert r_plain < 0.05


def test_hidden_dimensions_are_read_in_both_signs_from_their_mean(hidden: Tensor) -> None:
    read = hidden_dimensions(hidden).activations
    assert (read[:, :4] == -read[:, 4:]).all()
    np.testing.assert_allclose(read[:, 0], hidden[:, 0] - hidden[:, 0].mean(), atol=1e-5)


def test_random_directions_depend_on_the_seed_alone(hidden: Tensor) -> None:
    one, same, other = (
        random_directions(hidden, 6, seed=seed, both_signs=False).activations for seed in (1, 1, 2)
    )
    assert (one == same).all()
    assert not np.allclose(one, other)


def test_random_directions_may_be_read_in_both_signs(hidden: Tensor) -> None:
    directions = random_directions(hidden, 3, seed=0, both_signs=True)
    assert (directions.n, directions.name) == (6, "random 6")


def test_another_draw_gives_other_directions(hidden: Tensor) -> None:
    one, other = (random_directions(hidden, 6, seed=0, both_signs=False, draw=i) for i in (0, 1))
    assert not np.allclose(one.activations, other.activations)


def test_sparse_random_directions_keep_the_largest_of_each_row(hidden: Tensor) -> None:
    dense = random_directions(hidden, 12, seed=0, both_signs=False).activations
    sparse = sparse_random_directions(hidden, 12, 3, seed=0).activations
    assert ((sparse > 0).sum(1) <= 3).all()
    assert (sparse.max(1) == np.maximum(dense.max(1), 0)).all()


def test_some_of_a_set_are_drawn_from_what_lives() -> None:
    values = np.arange(20, dtype=np.float32).reshape(4, 5)
    values[:, 2] = 7
    drawn = some_of(DirectionSet("SAE", values), 3, draw=0, seed=0)
    assert (drawn.n, drawn.name) == (3, "SAE, 3 of them")
    assert 7 not in drawn.activations[0]


def test_principal_components_are_uncorrelated(hidden: Tensor) -> None:
    read = principal_components(hidden).activations[:, :4]
    off_diagonal = np.corrcoef(read.T) - np.eye(4)
    assert np.abs(off_diagonal).max() < 1e-3


def test_independent_components_unmix_the_sources(hidden: Tensor) -> None:
    read = independent_components(hidden, seed=0).activations[:, :4]
    source = (2 * hidden[:, 0] + hidden[:, 1]).numpy()
    r = [abs(np.corrcoef(column, source)[0, 1]) for column in read.T]
    assert max(r) > 0.98


def test_an_untrained_model_has_features_too() -> None:
    shape = BaseModelShape(n_items=9, max_seq=4, d_model=8, n_blocks=2, n_heads=1)
    begun = [np.arange(1, n, dtype=np.int32) for n in range(2, 9)]
    config = SaeConfig(d_sae=16, k=4, steps=3, batch_size=7)
    read = untrained_features(shape, config, 2, begun, seed=0, steps=2)
    assert read.activations.shape == (7, 16)
    assert ((read.activations > 0).sum(1) <= 4).all()

"""A sweep's grid: each autoencoder once, and what its training is given."""

from itertools import pairwise

import pytest

from model_store.manifest import SaeKind
from training.config import SaeConfig
from training.study.grid import QUICK_SWEEP, Cell, SweepSettings, Training, cells, centre_of

CENTRE = Cell(SaeKind.TOPK, 2, 16, 32, penalty=None)


def test_the_centre_comes_first() -> None:
    assert cells(SweepSettings(), 2)[0] == CENTRE == centre_of(SweepSettings(), 2)


def test_no_autoencoder_is_trained_twice() -> None:
    found = cells(SweepSettings(), 2)
    assert len(set(found)) == len(found)


def test_hooks_are_after_each_block_and_after_the_final_norm() -> None:
    assert {cell.block for cell in cells(SweepSettings(), 2)} == {1, 2, 3}


def test_autoencoders_of_one_hook_follow_each_other() -> None:
    blocks = [cell.block for cell in cells(SweepSettings(), 3)]
    changes = sum(one != other for one, other in pairwise(blocks))
    assert changes == len(set(blocks)) - 1


@pytest.mark.parametrize("kind", [SaeKind.TOPK, SaeKind.BATCHTOPK])
def test_width_and_k_are_crossed(kind: SaeKind) -> None:
    settings = SweepSettings()
    crossed = {(c.width_factor, c.k) for c in cells(settings, 2) if c.kind is kind}
    assert len(crossed) == len(settings.width_factors) * len(settings.ks)


@pytest.mark.parametrize("kind", [SaeKind.RELU, SaeKind.JUMPRELU])
def test_a_penalty_takes_the_place_of_k(kind: SaeKind) -> None:
    found = [cell for cell in cells(SweepSettings(), 2) if cell.kind is kind]
    assert len(found) == 2
    assert all(cell.k is None and cell.penalty for cell in found)


def test_the_quick_form_is_small() -> None:
    assert len(cells(QUICK_SWEEP, 2)) <= 9


def test_a_config_says_what_the_cell_says_and_keeps_the_rest() -> None:
    base = SaeConfig(kind=SaeKind.JUMPRELU, learning_rate=0.5, d_sae=99)
    config = CENTRE.config(base, 64, steps=7)
    assert (config.kind, config.d_sae, config.k, config.steps) == (SaeKind.TOPK, 1_024, 32, 7)
    assert config.learning_rate == base.learning_rate


def test_another_training_of_the_centre_is_a_cell_of_each_counted_kind() -> None:
    training = Training(learning_rate=0.5, max_positions=9, steps=7)
    settings = SweepSettings(trainings=(training,))
    found = [cell for cell in cells(settings, 2) if cell.training]
    assert [cell.kind for cell in found] == [SaeKind.TOPK, SaeKind.BATCHTOPK]
    config = found[0].config(SaeConfig(), 64, None)
    assert (config.learning_rate, config.max_positions, config.steps) == (0.5, 9, 7)


def test_one_cell_is_one_config_whatever_the_run_trains() -> None:
    cell = Cell(SaeKind.RELU, 2, 16, None, penalty=0.01)
    run_of_topk, run_of_batchtopk = SaeConfig(), SaeConfig(kind=SaeKind.BATCHTOPK, d_sae=64, k=8)
    assert cell.config(run_of_topk, 64, None) == cell.config(run_of_batchtopk, 64, None)

"""Training the base model: the losses, stopping, resuming."""

from pathlib import Path

import numpy as np
import pytest
import torch

from training.config import BaseModelConfig
from training.dataset import Dataset, Item
from training.split import LeaveOneOut, leave_one_out
from training.train_base import WARM_UP_STEPS, BaseTrainer, Course, train_base

N_ITEMS = 20
CONFIG = BaseModelConfig(
    d_model=16, n_blocks=1, n_heads=2, max_seq=6, dropout=0.2, batch_size=8, max_epochs=6
)


@pytest.fixture(scope="module")
def split() -> LeaveOneOut:
    """Users who walk the catalogue in order, from different places."""
    walks = tuple(
        ((np.arange(4 + user % 9) + user) % N_ITEMS + 1).astype(np.int32) for user in range(60)
    )
    items = tuple(Item(str(i), str(i), {}) for i in range(N_ITEMS))
    return leave_one_out(Dataset("walks", items, tuple(map(str, range(60))), walks, "0" * 64))


def _trainer(split: LeaveOneOut, config: BaseModelConfig = CONFIG) -> BaseTrainer:
    return BaseTrainer(config, split, N_ITEMS, seed=3, device=torch.device("cpu"))


def test_it_learns_what_comes_next(split: LeaveOneOut) -> None:
    config = CONFIG.model_copy(update={"max_epochs": 30, "learning_rate": 1e-2})
    trainer = _trainer(split, config)
    train_base(trainer)
    assert trainer.course.best_ndcg > 0.9


def test_it_learns_from_sampled_negatives(split: LeaveOneOut) -> None:
    config = CONFIG.model_copy(update={"max_epochs": 30, "learning_rate": 1e-2, "negatives": 8})
    trainer = _trainer(split, config)
    train_base(trainer)
    assert trainer.course.best_ndcg > 0.9


def test_an_interrupted_run_ends_where_an_unbroken_one_does(
    split: LeaveOneOut, tmp_path: Path
) -> None:
    unbroken = train_base(_trainer(split))
    checkpoint = tmp_path / "checkpoint.pt"
    short = CONFIG.model_copy(update={"max_epochs": 3})
    train_base(_trainer(split, short), checkpoint)
    resumed = train_base(_trainer(split), checkpoint)
    torch.testing.assert_close(resumed.state_dict(), unbroken.state_dict(), atol=0, rtol=0)


def test_training_stops_when_patience_is_used_up() -> None:
    config = BaseModelConfig(patience=4)
    assert Course(epoch=10, best_epoch=6).is_over(config)
    assert not Course(epoch=10, best_epoch=7).is_over(config)


def test_short_windows_share_a_step_up_to_its_positions(split: LeaveOneOut) -> None:
    wide = CONFIG.model_copy(update={"batch_positions": 10_000})
    trainer = _trainer(split, wide)
    trainer.epoch()
    assert trainer.course.step == 1


def test_the_learning_rate_falls_to_nothing_at_the_end(split: LeaveOneOut) -> None:
    falling = CONFIG.model_copy(update={"decay_share": 0.5, "max_epochs": 4})
    trainer = _trainer(split, falling)
    trainer.course.step = WARM_UP_STEPS
    rates = []
    for epochs in (0.0, 2.0, 3.0, 4.0):
        trainer._set_rate(epochs)
        rates.append(trainer.optimiser.param_groups[0]["lr"])
    assert rates == pytest.approx([3e-3, 3e-3, 1.5e-3, 0])


def test_bfloat16_trains(split: LeaveOneOut) -> None:
    config = CONFIG.model_copy(update={"precision": "bfloat16"})
    assert np.isfinite(_trainer(split, config).epoch())

"""Base models of several seeds, really trained on users who walk a small catalogue."""

import numpy as np
import pytest

from training.config import BaseModelConfig, TrainConfig
from training.dataset import Dataset, Item
from training.pipeline import Run
from training.study.base import PUBLISHED, BaseSettings, BaseStudy, study_of

N_ITEMS, N_USERS = 20, 60
CONFIG = BaseModelConfig(d_model=16, n_blocks=1, n_heads=2, max_seq=6, batch_size=8, max_epochs=4)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    walks = tuple(
        ((np.arange(4 + user % 9) + user) % N_ITEMS + 1).astype(np.int32) for user in range(N_USERS)
    )
    items = tuple(Item(str(i), str(i), {}) for i in range(N_ITEMS))
    users = tuple(map(str, range(N_USERS)))
    dataset = Dataset("walks", items, users, walks, "0" * 64)
    return Run(TrainConfig(base=CONFIG), dataset, tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="module")
def study(run: Run) -> BaseStudy:
    return study_of(run, BaseSettings(seeds=(0, 5)))


def test_each_seed_has_its_own_model(study: BaseStudy) -> None:
    assert [model.seed for model in study.models] == [0, 5]
    assert study.models[0].test != study.models[1].test


def test_the_mean_is_over_seeds(study: BaseStudy) -> None:
    expected = np.mean([model.test.ndcg_at_10 for model in study.models])
    assert study.test_ndcg.mean == pytest.approx(expected)
    assert study.test_ndcg.deviation is not None


def test_one_seed_has_no_deviation(run: Run) -> None:
    assert study_of(run, BaseSettings(seeds=(0,))).test_ndcg.deviation is None


def test_validation_is_what_training_saw(run: Run, study: BaseStudy) -> None:
    assert study.models[0].validation.ndcg_at_10 == pytest.approx(run.base_course.best_ndcg)


def test_the_seconds_of_an_epoch_are_told(study: BaseStudy) -> None:
    assert study.models[1].epochs == 4
    assert study.models[1].epoch_cpu_s > 0


def test_popularity_tells_less_of_walks_than_a_model(study: BaseStudy) -> None:
    assert study.popularity.ndcg_at_10 < study.test_ndcg.mean - 0.2


def test_nothing_is_published_of_walks(study: BaseStudy) -> None:
    assert (study.published, study.is_at_level) == ((), None)


def test_the_levels_to_reach_are_known() -> None:
    best = max(PUBLISHED["ml-1m"], key=lambda published: published.quality.ndcg_at_10)
    assert (best.quality.hit_rate_at_10, best.quality.ndcg_at_10) == (0.3159, 0.1857)

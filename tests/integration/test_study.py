"""The studies on a base model and an SAE that are really trained, on ml-100k."""

from pathlib import Path

import numpy as np
import pytest

from training.config import TINY
from training.dataset import Dataset
from training.pipeline import Run
from training.study import frontier, interpretation, promise
from training.study.question import LAST, InterpretationSettings
from training.study.reranks import RERANK
from training.study.rivals import TODAY


@pytest.fixture(scope="module")
def run(ml100k: Dataset, bundle_dir: Path) -> Run:
    """The run that made the tests' bundle: nothing of it is trained again."""
    return Run(TINY, ml100k, bundle_dir.parent / "work")


def test_a_trained_sae_tells_more_than_an_untrained_models(run: Run) -> None:
    settings = InterpretationSettings(
        per_user=3,
        n_clusters=4,
        draws=50,
        similarity_draws=2,
        random_draws=1,
        untrained_steps=100,
    )
    sets = {judged.name: judged for judged in interpretation.study_of(run, settings).sets}
    areas = {name: judged.targets[0] for name, judged in sets.items()}
    assert areas["SAE"].target == LAST
    assert areas["SAE"].mean_best_auc > areas["SAE, untrained model"].mean_best_auc + 0.05


def test_a_group_doubles_a_share_that_one_random_direction_does_not(run: Run) -> None:
    settings = frontier.FrontierSettings(attributes=("genre=Horror",), draws=20)
    (study,) = frontier.study_of(run, settings).attributes
    reached = {f.rival: f.at[0].kept for f in study.frontiers}
    rerank = reached[RERANK]
    assert rerank is not None
    assert rerank.value == pytest.approx(1, abs=0.2)
    assert reached[TODAY] is not None
    highest = {f.rival: np.max(f.shares) for f in study.frontiers}
    assert highest["one random direction"] < highest[TODAY]


def test_cards_keep_most_of_their_promises(run: Run) -> None:
    settings = promise.PromiseSettings(rises=(0.05, 0.1), tolerance=0.05, draws=20)
    study = promise.study_of(run, settings)
    assert study.n_groups >= 5
    assert study.kept_promise_share > 0.7
    assert study.mean_share_error < 0.03

"""A sweep trains what is missing, measures it once, and picks by its rule."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from model_store.manifest import SaeKind
from training.config import BaseModelConfig, SaeConfig, TrainConfig
from training.dataset import Dataset
from training.pipeline import Run
from training.study.grid import SweepSettings, Training, cells
from training.study.measure import Measure, hook_name
from training.study.sweep import SweepStudy, cell_of, study_of

CONFIG = TrainConfig(
    base=BaseModelConfig(d_model=8, max_epochs=1, max_seq=10),
    sae=SaeConfig(d_sae=16, k=4, newest_positions=500),
)
SETTINGS = SweepSettings(
    kinds=(SaeKind.TOPK, SaeKind.RELU),
    centre_width_factor=2,
    centre_k=4,
    width_factors=(2,),
    ks=(2, 4),
    crossed_kinds=(SaeKind.TOPK,),
    l1_weights=(0.01,),
    stability_seeds=(1,),
    trainings=(Training(learning_rate=0.01, max_positions=300),),
    steps=20,
    max_positions=1_000,
    max_moments=500,
    draws=20,
)


@pytest.fixture(scope="module")
def few_users(ml100k: Dataset) -> Dataset:
    """The first users of ml-100k."""
    return Dataset("few", ml100k.items, ml100k.user_ids[:80], ml100k.histories[:80], ml100k.sha256)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def study(few_users: Dataset, work: Path) -> SweepStudy:
    return study_of(Run(CONFIG, few_users, work), SETTINGS)


def test_every_cell_has_a_row(study: SweepStudy) -> None:
    assert len(study.rows) == len(cells(SETTINGS, 2))
    assert {row.hook for row in study.rows} == {"block 1", "block 2", "final norm"}


def test_seeds_are_compared_for_counted_kinds(study: SweepStudy) -> None:
    assert [(pair.kind, pair.seed, pair.other_seed) for pair in study.stability] == [("topk", 0, 1)]


def test_the_rule_picks_no_hook_below_a_block_and_no_other_seed(study: SweepStudy) -> None:
    assert study.selected.row.block >= study.n_blocks
    assert study.selected.row.seed == 0


def test_it_is_json(study: SweepStudy) -> None:
    assert json.loads(json.dumps(asdict(study)))["rows"][0]["kind"] == "topk"


def test_a_second_sweep_trains_and_measures_nothing(
    study: SweepStudy, few_users: Dataset, work: Path
) -> None:
    steps: set[str] = set()

    def note(step: str, done: float, total: int, note: str = "") -> None:
        steps.add(step)

    assert study_of(Run(CONFIG, few_users, work, note), SETTINGS) == study
    assert "sae" not in steps


def test_what_the_runs_own_sae_is_does_not_matter(
    study: SweepStudy, few_users: Dataset, work: Path
) -> None:
    other = CONFIG.model_copy(update={"sae": SaeConfig(d_sae=64, k=8, newest_positions=500)})
    row = Measure(Run(other, few_users, work), SETTINGS).row(cells(SETTINGS, 2)[0])
    assert row == study.rows[0]


@pytest.fixture
def run(few_users: Dataset, work: Path, study: SweepStudy) -> Run:
    return Run(CONFIG, few_users, work)


def test_runs_of_one_hook_read_positions_once(run: Run) -> None:
    other = run.with_sae(SaeConfig(d_sae=32, k=4))
    assert other.read_positions is run.read_positions
    below = run.with_sae(SaeConfig(d_sae=32, k=4, block=1))
    assert below.read_positions is not run.read_positions


def test_a_cell_comes_back_from_its_row(study: SweepStudy) -> None:
    own = [(cell, row) for cell, row in zip(cells(SETTINGS, 2), study.rows, strict=True)]
    assert all(cell_of(row) == cell for cell, row in own if cell.seed is None)


def test_the_final_norm_has_a_name() -> None:
    assert [hook_name(block, 2) for block in (1, 2, 3)] == ["block 1", "block 2", "final norm"]

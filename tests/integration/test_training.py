"""Data to published bundle, really trained: quality floor, control, every hook, repetition."""

from pathlib import Path

import pytest
import torch

from model_store.cards import FeatureCards
from model_store.manifest import EditPositions, Precision, SaeKind
from model_store.store import Store
from steering.rules import Attribute, Operation, Rule
from training.config import TINY, TrainConfig
from training.control import control_study
from training.dataset import Dataset
from training.pipeline import Run, train
from training.saelens import read_saelens
from training.split import leave_one_out
from training.variant import variants_of

QUICK = TrainConfig(
    base=TINY.base.model_copy(update={"d_model": 16, "max_seq": 20, "max_epochs": 1}),
    sae=TINY.sae.model_copy(update={"d_sae": 48, "k": 8, "steps": 100}),
    cards=TINY.cards.model_copy(update={"effect_users": 10}),
    threads=1,
)


@pytest.fixture(scope="module")
def few_users(ml100k: Dataset) -> Dataset:
    """The first 120 users of ml-100k."""
    return Dataset(
        "few", ml100k.items, ml100k.user_ids[:120], ml100k.histories[:120], ml100k.sha256
    )


def test_the_small_model_beats_popularity(bundle_dir: Path) -> None:
    metrics = Store(str(bundle_dir)).load("production").manifest.metrics
    assert metrics["ndcg_at_10"] > 1.6 * metrics["popularity_ndcg_at_10"]


def test_the_small_sae_keeps_the_models_relevance(bundle_dir: Path) -> None:
    metrics = Store(str(bundle_dir)).load("production").manifest.metrics
    assert metrics["sae_ndcg_kept_share"] > 0.85
    assert metrics["sae_dead_share"] < 0.02


def test_every_genre_with_enough_items_has_a_group(bundle_dir: Path) -> None:
    groups = Store(str(bundle_dir)).load("production").groups
    assert {("genre", "Horror"), ("genre", "Children's"), ("decade", "1980s")} <= groups.keys()


def test_adding_a_genre_raises_its_share(bundle_dir: Path, ml100k: Dataset) -> None:
    horror = Attribute("genre", "Horror")
    study = control_study(
        Store(str(bundle_dir)).load("production"),
        leave_one_out(ml100k),
        [Rule(Operation.ADD, horror, 8.0)],
        horror,
    )
    assert study.n_users == 200
    assert study.share_factor > 1.5


def test_no_rule_changes_nothing(bundle_dir: Path, ml100k: Dataset) -> None:
    bundle = Store(str(bundle_dir)).load("production")
    study = control_study(bundle, leave_one_out(ml100k), [], Attribute("genre", "Horror"))
    assert study.share_after == study.share_before
    assert study.ndcg_kept_share == 1


def test_a_second_run_publishes_nothing_new(few_users: Dataset, tmp_path: Path) -> None:
    places = {"work_dir": tmp_path / "work", "store_url": str(tmp_path / "store")}
    first = train(QUICK, few_users, **places)  # type: ignore[arg-type]
    assert train(QUICK, few_users, **places) == first  # type: ignore[arg-type]
    assert Store(str(tmp_path / "store")).versions() == (first,)


def test_variants_of_the_config_are_published_once(few_users: Dataset, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    config = QUICK.model_copy(update={"variants": ("bfloat16",)})
    run = Run(config, few_users, tmp_path / "work")
    first = run.publish(store.root)
    assert run.publish(store.root) == first
    assert len(store.versions()) == 2
    assert set(variants_of(store, first)) == {Precision.BFLOAT16}


def test_another_sae_reuses_the_base_model(few_users: Dataset, tmp_path: Path) -> None:
    steps: list[str] = []

    def note(step: str, done: float, total: int, note: str = "") -> None:
        steps.append(step)

    _ = Run(QUICK, few_users, tmp_path, note).sae
    steps.clear()
    other = QUICK.model_copy(update={"sae": QUICK.sae.model_copy(update={"k": 4})})
    _ = Run(other, few_users, tmp_path, note).sae
    assert set(steps) == {"hidden states", "sae"}


@pytest.mark.parametrize(
    "sae",
    [
        {"block": 1, "positions": EditPositions.LAST},
        {"block": 1, "positions": EditPositions.ALL},
        {"block": 3},
        {"kind": SaeKind.BATCHTOPK},
        {"kind": SaeKind.RELU},
        {"kind": SaeKind.JUMPRELU},
    ],
    ids=["below, last", "below, all", "final norm", "batchtopk", "relu", "jumprelu"],
)
def test_every_kind_and_hook_makes_a_bundle_that_verifies(
    few_users: Dataset, tmp_path: Path, sae: dict[str, object]
) -> None:
    config = QUICK.model_copy(update={"sae": QUICK.sae.model_copy(update=sae)})
    store = str(tmp_path / "store")
    train(config, few_users, work_dir=tmp_path / "work", store_url=store)
    bundle = Store(store).load("production")
    genre = Attribute("genre", "Comedy")
    rules = [Rule(Operation.ADD, genre, 8.0)]
    study = control_study(bundle, leave_one_out(few_users), rules, genre, users=40)
    assert study.share_after > study.share_before


def test_the_sae_is_written_for_saelens(few_users: Dataset, tmp_path: Path) -> None:
    run = Run(QUICK, few_users, tmp_path)
    read = read_saelens(run.saelens)
    torch.testing.assert_close(read.state_dict(), run.sae.state_dict(), atol=0, rtol=0)


def test_cards_are_those_of_the_bundle(few_users: Dataset, tmp_path: Path) -> None:
    run = Run(QUICK, few_users, tmp_path)
    assert isinstance(run.cards, FeatureCards)
    assert len(run.cards.features) == QUICK.sae.d_sae

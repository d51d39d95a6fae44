"""`steerrec train` in a pipe: the estimate comes before the first step, progress in plain lines."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from model_store.cards import CARDS_FILE
from model_store.files import BASE_MODEL_FILE, SAE_FILE
from tests.e2e.cli_runs import Finished, steerrec
from training.builtin import load_dataset
from training.config import read_config
from training.data import data_config
from training.pipeline import Run

pytestmark = pytest.mark.e2e

N_USERS, N_ITEMS, LENGTH = 60, 40, 12
CONFIG = """
base: {d_model: 16, max_seq: 8, max_epochs: 2, dropout: 0.2, negatives: 8}
sae: {d_sae: 32, k: 4, newest_positions: 100, steps: 200, batch_size: 64}
cards:
  min_items: 5
  label_clusters: 3
  effect_users: 10
  effects:
    users: 5
    group_users: 5
    feature_scale: [4.0]
    feature_add: [2.0]
    group_scale: [4.0]
    group_add: [4.0]
    random_directions: 1
    draws: 5
"""


@dataclass(frozen=True)
class Shop:
    """A small data set of files, and how to train on it."""

    folder: Path

    @property
    def words(self) -> list[str]:
        """Of the command line."""
        return [
            "--interactions",
            str(self.folder / "seen.csv"),
            "--items",
            str(self.folder / "items.csv"),
            "--attribute",
            "kind=kind",
            "--config",
            str(self.folder / "train.yaml"),
        ]

    def train(self, work: str, *more: str, step: str = "publish") -> Finished:
        """Runs the command in a work folder of that name."""
        where = ["--work-dir", str(self.folder / work), "--store", str(self.folder / "store")]
        return steerrec("train", step, *self.words, *where, *more, timeout_s=600)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("shop")
    seen = [
        f"u{user},i{(user + 3 * place) % N_ITEMS},{place}"
        for user in range(N_USERS)
        for place in range(LENGTH)
    ]
    (folder / "seen.csv").write_text("\n".join(["user_id,item_id,timestamp", *seen]) + "\n")
    items = [f"i{item},Item {item},{'ab'[item % 2]}" for item in range(N_ITEMS)]
    (folder / "items.csv").write_text("\n".join(["item_id,title,kind", *items]) + "\n")
    (folder / "train.yaml").write_text(CONFIG)
    return Shop(folder)


@pytest.fixture(scope="module")
def trained(shop: Shop) -> Finished:
    done = shop.train("work", "--json")
    assert done.code == 0, done.err
    return done


def test_the_estimate_comes_before_the_first_step(trained: Finished) -> None:
    estimated, begun = trained.err.index("Estimate"), trained.err.index("base model: started")
    table = trained.err[estimated:begun]
    steps = ("base model", "hidden states", "sae", "effects", "evaluation", "all")
    assert all(step in table for step in steps)
    assert "2 epochs" in table


def test_every_step_has_plain_lines(trained: Finished) -> None:
    for step in ("base model", "hidden states", "sae", "feature cards", "effects", "evaluation"):
        assert re.search(rf"^{step}: started", trained.err, re.MULTILINE)
        assert re.search(rf"^{step}: .*done in \d+ s$", trained.err, re.MULTILINE)
    assert re.search(r"^base model: 1 of 2 epochs, loss [\d.]+ ", trained.err, re.MULTILINE)
    assert trained.err.replace("\n", "").isprintable()


def test_the_result_alone_is_on_stdout(trained: Finished) -> None:
    assert trained.json["label"] == "production"


def test_the_estimate_changes_no_model(shop: Shop, trained: Finished) -> None:
    assert trained.code == 0
    settings = {
        "interactions": {"path": shop.folder / "seen.csv"},
        "items": {
            "path": shop.folder / "items.csv",
            "attributes": {"kind": {"column": "kind"}},
        },
    }
    config = read_config(shop.folder / "train.yaml")
    threads = torch.get_num_threads()
    without = Run(config, load_dataset(data_config(settings)), shop.folder / "without")
    assert without.cards
    torch.set_num_threads(threads)
    for name in (BASE_MODEL_FILE, SAE_FILE, CARDS_FILE):
        (one,) = (shop.folder / "without").glob(f"*/{name}")
        assert one.read_bytes() == (shop.folder / "work" / one.parent.name / name).read_bytes()


def test_steps_that_are_done_cost_nothing(shop: Shop, trained: Finished) -> None:
    assert trained.code == 0
    again = shop.train("work", "--estimate")
    assert again.out.startswith("Nothing is left to do")


def test_an_estimate_alone_trains_nothing(shop: Shop) -> None:
    done = shop.train("untouched", "--estimate", "--json", step="sae")
    assert [cost["step"] for cost in done.json["steps"]] == ["base model", "hidden states", "sae"]
    assert done.json["seconds"] == sum(cost["seconds"] for cost in done.json["steps"])
    assert not (shop.folder / "untouched").exists()


def test_an_estimate_reads_no_model_so_that_a_damaged_one_is_not_made_anew(
    shop: Shop, trained: Finished
) -> None:
    assert trained.code == 0
    shutil.copytree(shop.folder / "work", shop.folder / "damaged")
    (damaged,) = (shop.folder / "damaged").glob(f"base-*/{BASE_MODEL_FILE}")
    damaged.write_bytes(b"damaged")
    for sae in (shop.folder / "damaged").glob(f"sae-*/{SAE_FILE}"):
        sae.unlink()
    done = shop.train("damaged", "--estimate", "--json", step="sae")
    assert [cost["step"] for cost in done.json["steps"]] == ["hidden states", "sae"]
    assert damaged.read_bytes() == b"damaged"


def test_a_setting_that_the_size_chose_is_told_with_its_reason(shop: Shop, tmp_path: Path) -> None:
    config = tmp_path / "train.yaml"
    config.write_text(CONFIG.replace(", negatives: 8", ""))
    where = ["--work-dir", str(tmp_path / "work"), "--estimate"]
    done = steerrec("train", "base", *shop.words[:-1], str(config), *where, timeout_s=600)
    assert "base.negatives: all, since the catalogue has 40 items" in done.out

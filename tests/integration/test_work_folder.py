"""Training over what happened to its work folder: damage, other results, odd and small data."""

import logging
import shutil
from pathlib import Path

import pytest

from model_store.errors import StoreUnreadable
from model_store.manifest import SaeKind
from model_store.store import Store
from tests.tiny_training import TINIEST, walks
from training.config import JumpReluConfig, TrainConfig
from training.dataset import Dataset
from training.errors import Diverged, SaeUnusable, TooLittleData, UnusableOutput
from training.pipeline import Run, train
from training.storage import alone

DATA = walks(*range(4, 16), *range(4, 16))
FILES = (
    "base_model.safetensors",
    "shape.json",
    "sae.safetensors",
    "feature_cards.json",
    "metrics.json",
    "published.json",
    "golden.json",
    "base.record.json",
    "sae.record.json",
    "bundle.record.json",
)
"""Each file that a step reads again; records without their fingerprint."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder and a store in which the run is done."""
    folder = tmp_path_factory.mktemp("trained")
    _train(folder)
    return folder


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "copy")
    return tmp_path / "copy"


def _train(folder: Path, config: TrainConfig = TINIEST, data: Dataset = DATA) -> str:
    return train(config, data, work_dir=folder / "work", store_url=str(folder / "store"))


def _paths(folder: Path, name: str) -> list[Path]:
    step, is_record, _ = name.partition(".record.json")
    pattern = f"{step}-*.record.json" if is_record else name
    return list((folder / "work").rglob(pattern))


def _forget_publishing(folder: Path) -> None:
    for path in (folder / "work").glob("published-*/*"):
        path.unlink()


@pytest.mark.parametrize("left", [0, 20], ids=["emptied", "cut short"])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_made_anew_and_the_bundle_is_the_same(
    copied: Path, name: str, left: int
) -> None:
    _forget_publishing(copied) if name != "published.json" else None
    for path in _paths(copied, name):
        path.write_bytes(path.read_bytes()[:left])
    versions = Store(str(copied / "store")).versions()
    assert _train(copied) == versions[0]
    assert Store(str(copied / "store")).versions() == versions


def test_a_changed_byte_is_found_and_named(copied: Path, caplog: pytest.LogCaptureFixture) -> None:
    _forget_publishing(copied)
    (path,) = (copied / "work").glob("base-*/base_model.safetensors")
    contents = bytearray(path.read_bytes())
    contents[-1] ^= 1
    path.write_bytes(contents)
    with caplog.at_level(logging.WARNING):
        _train(copied)
    assert f"{path} is damaged: the step 'base' is made anew" in caplog.text


def test_a_damaged_checkpoint_begins_its_step_anew(copied: Path) -> None:
    before = Store(str(copied / "store")).versions()
    for path in (copied / "work").rglob("checkpoint.pt"):
        path.write_bytes(path.read_bytes()[:-200])
    for path in (copied / "work").rglob("*.safetensors"):
        path.unlink()
    _forget_publishing(copied)
    assert _train(copied) == before[0]


def test_files_from_before_records_are_taken_as_they_are(
    copied: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for path in (copied / "work").glob("*.record.json"):
        path.unlink()
    with caplog.at_level(logging.WARNING):
        assert Run(TINIEST, DATA, copied / "work").metrics
    assert not caplog.records


def test_an_sae_of_another_base_model_is_trained_anew(
    copied: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = TINIEST.model_copy(update={"seed": 5})
    _ = Run(other, DATA, tmp_path / "other").base_model
    (theirs,), (ours,) = (tmp_path / "other").glob("base-*/"), (copied / "work").glob("base-*/")
    shutil.copytree(theirs, ours, dirs_exist_ok=True)
    shutil.copy(f"{theirs}.record.json", f"{ours}.record.json")
    _forget_publishing(copied)
    with caplog.at_level(logging.WARNING):
        _train(copied)
    for step in ("sae", "cards", "bundle", "metrics"):
        assert f"the step {step!r} is made anew" in caplog.text


def test_a_second_training_in_the_folder_is_refused(tmp_path: Path) -> None:
    with (
        alone(tmp_path / "work", "training", ""),
        pytest.raises(UnusableOutput, match=r"another training .* is at work there; wait"),
    ):
        _train(tmp_path)


def test_a_work_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "work").write_text("")
    with pytest.raises(UnusableOutput, match="work: a file, where a folder is needed; remove it"):
        _train(tmp_path)


@pytest.mark.parametrize("name", ["base_model.safetensors", "published.json"])
def test_a_folder_in_the_place_of_a_file_is_named_with_the_way_out(copied: Path, name: str) -> None:
    (path,) = (copied / "work").rglob(name if name == "published.json" else f"base-*/{name}")
    path.unlink()
    path.mkdir()
    (path / "in it").touch()
    with pytest.raises(UnusableOutput, match=rf"{name}: Is a directory; .* with --work-dir$"):
        _train(copied)


def test_a_store_that_is_a_file_is_told(copied: Path) -> None:
    (copied / "file").write_text("")
    run = Run(TINIEST, DATA, copied / "work")
    with pytest.raises(StoreUnreadable, match="cannot be read: a part of the path is a file"):
        run.publish(str(copied / "file"))


@pytest.mark.parametrize(
    "lengths", [(4,), (6,), (2, 3), (4, 4), (5, 3, 2)], ids=lambda lengths: f"{lengths}"
)
def test_the_least_data_makes_a_bundle_that_verifies(
    tmp_path: Path, lengths: tuple[int, ...]
) -> None:
    version = _train(tmp_path, data=walks(*lengths, n_items=6))
    assert Store(str(tmp_path / "store")).load("production").version == version


def test_too_little_data_is_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(TooLittleData):
        _train(tmp_path, data=walks(3, 3))
    assert not list((tmp_path / "work").rglob("checkpoint.pt"))


def test_data_without_attributes_makes_a_bundle_without_groups(tmp_path: Path) -> None:
    _train(tmp_path, data=walks(*range(4, 12), attributes=False))
    assert Store(str(tmp_path / "store")).load("production").groups == {}


def test_attribute_values_on_too_few_items_make_no_groups(tmp_path: Path) -> None:
    cards = TINIEST.cards.model_copy(update={"min_items": 10})
    _train(tmp_path, TINIEST.model_copy(update={"cards": cards}))
    assert Store(str(tmp_path / "store")).load("production").groups == {}


def test_large_scores_are_held_to_what_their_rounding_allows(tmp_path: Path) -> None:
    base = TINIEST.base.model_copy(update={"learning_rate": 1e3, "max_epochs": 30})
    assert _train(tmp_path, TINIEST.model_copy(update={"base": base}))


def test_a_base_model_that_diverged_is_told_with_its_setting(tmp_path: Path) -> None:
    base = TINIEST.base.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(Diverged, match=r"base model diverged .* lower base\.learning_rate"):
        _train(tmp_path, TINIEST.model_copy(update={"base": base}))


def test_an_sae_that_diverged_is_told_with_its_setting(tmp_path: Path) -> None:
    sae = TINIEST.sae.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(Diverged, match=r"SAE diverged .* lower sae\.learning_rate"):
        _train(tmp_path, TINIEST.model_copy(update={"sae": sae}))


def test_an_sae_whose_features_are_all_dead_is_told(tmp_path: Path) -> None:
    dead = {
        "kind": SaeKind.JUMPRELU,
        "auxiliary_weight": 0,
        "jumprelu": JumpReluConfig(l0_weight=1000, initial_threshold=1000),
    }
    sae = TINIEST.sae.model_copy(update=dead)
    with pytest.raises(SaeUnusable, match=r"all 16 features .* lower sae\.jumprelu\.l0_weight"):
        _train(tmp_path, TINIEST.model_copy(update={"sae": sae}))


def test_a_batch_of_one_hidden_state_again_and_again_trains(tmp_path: Path) -> None:
    sae = TINIEST.sae.model_copy(update={"batch_size": 2, "newest_positions": 0})
    config = TINIEST.model_copy(update={"sae": sae})
    assert _train(tmp_path, config, walks(4, n_items=4))

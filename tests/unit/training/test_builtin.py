"""The built-in data set: what it holds, and what happens when it cannot be had."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import CACHE
from training.builtin import DESCRIBED, ML_100K, RECIPES, cached_files, load_dataset
from training.data import load_data_config
from training.dataset import Dataset
from training.errors import CorruptDownload, FilesNotGiven, UnavailableDownload, UnusableOutput


def test_ml_100k_has_its_published_size(ml100k: Dataset) -> None:
    assert (len(ml100k.user_ids), ml100k.n_items, ml100k.n_interactions) == (943, 1682, 100_000)


def test_ml_100k_is_the_recorded_one(ml100k: Dataset) -> None:
    assert ml100k.sha256 == "77e7b99b96fdf1c3cd5bb46656ce3b5f9283825402977fe6e5e167ad3668c830"


def test_ml_100k_carries_genres_and_decades(ml100k: Dataset) -> None:
    assert ml100k.items[0].attributes == {
        "genre": ("Animation", "Children's", "Comedy"),
        "decade": ("1990s",),
    }


def test_recbole_is_not_imported(ml100k: Dataset) -> None:
    assert "recbole" not in sys.modules


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """pip with no package index and no cache."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")


@pytest.mark.usefixtures("offline")
def test_a_cached_copy_needs_no_network(ml100k: Dataset) -> None:
    assert load_dataset("ml-100k", cache=CACHE).sha256 == ml100k.sha256


@pytest.mark.usefixtures("offline")
def test_a_damaged_copy_is_not_used(ml100k: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "datasets" / "ml-100k"
    shutil.copytree(CACHE / "datasets" / "ml-100k", folder)
    (folder / "ml-100k.item").write_text("damaged")
    with pytest.raises(UnavailableDownload):
        load_dataset("ml-100k", cache=tmp_path)


@pytest.mark.usefixtures("offline", "ml100k")
def test_a_damaged_copy_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "datasets" / "ml-100k"
    shutil.copytree(CACHE / "datasets" / "ml-100k", folder)
    (folder / "ml-100k.item").write_text("")
    with pytest.raises(UnavailableDownload):
        load_dataset("ml-100k", cache=tmp_path)
    assert f"{folder / 'ml-100k.item'} is damaged: it is fetched anew" in caplog.text


def test_a_cache_that_cannot_be_written_is_told_with_the_variable(tmp_path: Path) -> None:
    (tmp_path / "datasets").write_text("")
    with pytest.raises(UnusableOutput, match=r"datasets: a file, .* set XDG_CACHE_HOME"):
        load_dataset("ml-100k", cache=tmp_path)


@pytest.mark.usefixtures("offline")
def test_without_network_the_message_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UnavailableDownload) as refused:
        load_dataset("ml-100k", cache=tmp_path)
    assert str(refused.value) == (
        "could not fetch ml-100k: pip says: No matching distribution found for recbole==1.2.1; "
        "connect to a package index that has recbole==1.2.1 and run again (it is fetched once), "
        "or train on files of your own"
    )


def test_a_wheel_with_other_files_is_refused(tmp_path: Path) -> None:
    other = replace(ML_100K, file_sha256={"ml-100k.item": "0" * 64})
    with pytest.raises(CorruptDownload, match=r"^ml-100k\.item: sha256 is 51d7.*expected 0000"):
        cached_files("ml-100k", other, tmp_path)


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_described_data_set_is_called_by_its_folder(name: str) -> None:
    assert load_data_config(RECIPES / name / "data.yaml").name == name


def test_a_described_data_set_asks_for_its_files() -> None:
    with pytest.raises(FilesNotGiven) as refused:
        load_dataset("ml-1m")
    assert str(refused.value) == (
        "ml-1m is not ours to hand out: say which folder holds ratings.parquet and movies.dat "
        "(`files`)"
    )

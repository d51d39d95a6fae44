"""`steerrec train` on odd data, machines and disks: a sentence, exit code 1, nothing else."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML

from cli.demo.replica_process import running
from tests.e2e.cli_runs import At, Finished, steerrec
from tests.tiny_training import TINIEST

pytestmark = pytest.mark.e2e

CLICKS = "user_id,item_id,timestamp\n" + "".join(
    f"u{user},i{(user + step * (1 + user % 3)) % 12},{step}\n"
    for user in range(20)
    for step in range(4 + user % 9)
)


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Data without an items file, and a config."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "clicks.csv").write_text(CLICKS)
    with (folder / "train.yaml").open("w") as file:
        YAML(typ="safe").dump(TINIEST.model_dump(mode="json"), file)
    interactions, config = str(folder / "clicks.csv"), str(folder / "train.yaml")
    return ["--interactions", interactions, "--config", config]


@pytest.fixture(scope="module")
def at(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[At]:
    """A replica that serves what data without attributes make."""
    folder = tmp_path_factory.mktemp("plain")
    store = str(folder / "store")
    done = steerrec("train", *words, "--work-dir", str(folder / "work"), "--store", store)
    assert done.code == 0, done.err
    with running(folder / "replica", store) as replica:
        yield At(replica.grpc)


def test_without_attributes_there_are_no_groups(at: At) -> None:
    listed = at("features", "groups", "--json")
    assert (listed.code, listed.json) == (0, [])


def test_without_groups_the_table_of_groups_is_printed(at: At) -> None:
    assert at("features", "groups").code == 0


def test_without_attributes_items_are_recommended(at: At) -> None:
    assert len(at("recommend", "i1", "i2", "-k", "5", "--json").json["items"]) == 5


def test_without_groups_a_feature_can_be_steered(at: At) -> None:
    (card, *_) = at("features", "list", "--json").json
    rule = f"{card['feature_index']}:SCALE:2"
    assert at("recommend", "i1", "--rule", rule, "--json").code == 0


def _refused(done: Finished) -> str:
    assert done.code in (1, 2), done.out
    assert "Traceback" not in done.err
    return done.err


def test_a_work_folder_that_is_a_file_is_refused(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = steerrec("train", "base", *words, "--work-dir", str(tmp_path / "file"))
    assert "a file, where a folder is needed; remove it, or name another" in _refused(done)


@pytest.mark.parametrize("blocks", [1, 8])
def test_a_file_that_may_not_grow_is_told(words: list[str], tmp_path: Path, blocks: int) -> None:
    limited = f'ulimit -f {blocks}; exec "$0" "$@"'
    command = [sys.executable, "-m", "cli", "train", "base", *words, "--work-dir", str(tmp_path)]
    done = subprocess.run(
        ["bash", "-c", limited, *command], check=False, capture_output=True, text=True, timeout=60
    )
    told = _refused(Finished(done.returncode, done.stdout, done.stderr))
    assert "checkpoint.pt: File too large; name another folder with --work-dir" in told


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_an_absent_device_is_refused(words: list[str], tmp_path: Path) -> None:
    done = steerrec("train", "base", *words, "--device", "cuda", "--work-dir", str(tmp_path))
    assert "no CUDA device here: train with --device cpu" in _refused(done)


def test_an_unknown_device_is_refused_without_a_link(words: list[str]) -> None:
    told = _refused(steerrec("train", "base", *words, "--device", "mps"))
    assert "command line: device: Input should be 'cpu' or 'cuda', not 'mps'" in told
    assert "https://" not in told


@pytest.mark.parametrize("seed", [str(2**32), str(10**30), "1" * 5_000])
def test_a_huge_seed_is_refused(words: list[str], seed: str) -> None:
    assert "seed" in _refused(steerrec("train", "base", *words, "--seed", seed))


def test_the_largest_seed_trains(words: list[str], tmp_path: Path) -> None:
    seed = ["--seed", str(2**32 - 1), "--work-dir", str(tmp_path)]
    assert steerrec("train", "cards", *words, *seed).code == 0


def test_checking_data_says_that_there_is_too_little(tmp_path: Path) -> None:
    (tmp_path / "clicks.csv").write_text("user_id,item_id,timestamp\nu,a,1\n")
    done = steerrec("train", "data", "--interactions", str(tmp_path / "clicks.csv"))
    assert (done.code, "too little to train on: there must be at least 2" in done.err) == (0, True)

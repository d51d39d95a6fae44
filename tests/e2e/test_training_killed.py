"""A training that is killed again and again ends where one that nobody disturbs does."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from model_store.manifest import Manifest
from model_store.store import Store
from tests.tiny_training import TINIEST, walks
from training.pipeline import train

pytestmark = pytest.mark.e2e

DATA = walks(*range(4, 16))
KILLED_AT_A_RENAME = """
import os, signal, sys
from pathlib import Path
from tests.e2e.test_training_killed import DATA
from tests.tiny_training import TINIEST
from training.pipeline import train

left = int(sys.argv[1])

def kill(event, _arguments):
    global left
    if event == "os.rename":
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
train(TINIEST, DATA, work_dir=Path(sys.argv[2]), store_url=sys.argv[3])
"""
"""Kills itself right before the rename of this number: every output appears by one."""


def _train_until(renames: int, folder: Path) -> int:
    """Exit code of a training that is killed before one rename more."""
    words = [str(renames), str(folder / "work"), str(folder / "store")]
    command = [sys.executable, "-c", KILLED_AT_A_RENAME, *words]
    return subprocess.run(command, check=False, timeout=60).returncode


def _manifest(folder: Path) -> Manifest:
    store = Store(str(folder / "store"))
    assert len(store.versions()) == 1
    return store.manifest(store.resolve("production"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """What the data and the config make."""
    folder = tmp_path_factory.mktemp("undisturbed")
    train(TINIEST, DATA, work_dir=folder / "work", store_url=str(folder / "store"))
    return _manifest(folder)


def _is_same(one: Manifest, other: Manifest) -> bool:
    return (one.files, one.metrics) == (other.files, other.metrics)


@pytest.mark.parametrize("renames", [1, 9, 19])
def test_a_training_that_was_killed_goes_on(
    renames: int, tmp_path: Path, undisturbed: Manifest
) -> None:
    assert _train_until(renames, tmp_path) == -signal.SIGKILL
    train(TINIEST, DATA, work_dir=tmp_path / "work", store_url=str(tmp_path / "store"))
    assert _is_same(_manifest(tmp_path), undisturbed)


def test_a_training_that_is_killed_again_and_again_ends(
    tmp_path: Path, undisturbed: Manifest
) -> None:
    codes = [_train_until(7, tmp_path)]
    while codes[-1] == -signal.SIGKILL and len(codes) < 12:
        codes.append(_train_until(7, tmp_path))
    assert codes[-1] == 0
    assert len(codes) > 2
    assert _is_same(_manifest(tmp_path), undisturbed)

"""Checkpoints: what was saved comes back, and nothing else does."""

from pathlib import Path

import pytest
import torch

from training.checkpoint import Checkpoint, load_checkpoint, resume, save_checkpoint
from training.errors import DamagedFile

STATE: Checkpoint = {"weights": torch.arange(300.0), "course": {"epoch": 3}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "checkpoint.pt", STATE)
    return tmp_path / "checkpoint.pt"


def _is_state(loaded: Checkpoint | None) -> bool:
    return loaded is not None and torch.equal(loaded["weights"], STATE["weights"])


def test_what_was_saved_comes_back(path: Path) -> None:
    assert _is_state(load_checkpoint(path))


def test_where_none_is_there_is_none(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "checkpoint.pt") is None


def test_a_changed_byte_is_found_wherever_it_stands(path: Path) -> None:
    whole = path.read_bytes()
    for place in range(0, len(whole) - 80, 7):
        changed = bytearray(whole)
        changed[place] ^= 0x10
        path.write_bytes(changed)
        with pytest.raises(DamagedFile, match=r"checkpoint\.pt is damaged .*; remove it, and run"):
            load_checkpoint(path)


@pytest.mark.parametrize("length", [0, 1, 20, 800, -300, -80])
def test_a_file_that_is_cut_short_is_found(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DamagedFile):
        load_checkpoint(path)


def test_checkpoints_from_before_digests_are_read(path: Path) -> None:
    torch.save(STATE, path)
    assert _is_state(load_checkpoint(path))


def test_the_state_of_another_training_is_damage(path: Path) -> None:
    model = torch.nn.Linear(2, 2)
    with pytest.raises(DamagedFile, match="state of another training"):
        resume(path, lambda state: model.load_state_dict(state["weights"]) and None)

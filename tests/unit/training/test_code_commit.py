"""The commit in a manifest is read from the checkout, which is left as it is."""

import os
import subprocess
from pathlib import Path

import pytest

from training.code_commit import code_commit


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository of one commit with one file."""
    (tmp_path / "file").write_text("content")
    person = ("-c", "user.name=n", "-c", "user.email=e@example.com")
    for words in (("init", "-q"), ("add", "file"), (*person, "commit", "-qm", "first")):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    return tmp_path


def test_a_clean_checkout_is_its_commit(checkout: Path) -> None:
    assert len(code_commit(checkout)) == 40


def test_a_changed_checkout_is_dirty(checkout: Path) -> None:
    (checkout / "file").write_text("changed")
    assert code_commit(checkout).endswith("-dirty")


def test_a_folder_without_a_commit_is_unknown(tmp_path: Path) -> None:
    assert code_commit(tmp_path) == "unknown"


def test_the_index_of_the_checkout_is_not_written(checkout: Path) -> None:
    os.utime(checkout / "file", (1, 1))
    index = checkout / ".git" / "index"
    before = index.read_bytes()
    code_commit(checkout)
    assert index.read_bytes() == before

"""A user without a home folder and without an entry of the password file, as some clusters give."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOBODY = ("--reuid=54321", "--regid=54321", "--clear-groups")


def homeless(*command: str) -> "subprocess.CompletedProcess[str]":
    """Runs a command as that user, with PATH alone in the environment."""
    return subprocess.run(
        ["env", "-i", f"PATH={os.environ['PATH']}", "setpriv", *NOBODY, *command],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
    )


def is_possible() -> bool:
    """Whether this process may become that user, who may read the code."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        return False
    return homeless(sys.executable, "-c", "import cli.main").returncode == 0


pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not is_possible(), reason="needs root, setpriv, and code that all may read"),
]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("models", "list"), ("STEERREC_DATA_DIR", "--store")),
        (("models", "show"), ("STEERREC_DATA_DIR", "--store")),
        (("load", "data", "none"), ("STEERREC_DATA_DIR", "--store")),
        (("serve",), ("STEERREC_DATA_DIR",)),
        (("train", "data"), ("XDG_CACHE_HOME", "--interactions")),
        (("demo",), ("XDG_CACHE_HOME",)),
    ],
    ids=" ".join,
)
def test_a_command_says_which_folder_it_wants(words: Sequence[str], named: Sequence[str]) -> None:
    done = homeless(sys.executable, "-m", "cli", *words)
    assert done.returncode == 1
    assert "no home folder" in done.stderr
    assert [name for name in named if name not in done.stderr] == []


def test_training_says_which_folder_it_wants() -> None:
    rows = [f"u{user},i{item},{item}" for user in range(6) for item in range(6)]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "events.csv")
        data.write_text("\n".join(["user_id,item_id,timestamp", *rows]))
        data.parent.chmod(0o755)
        words = ("train", "data", "--interactions", str(data))
        done = homeless(sys.executable, "-m", "cli", *words)
    assert done.returncode == 1
    assert "STEERREC_DATA_DIR" in done.stderr


def test_a_change_of_a_preset_asks_for_its_author() -> None:
    path = str(ROOT / "cli" / "demo_presets" / "family-evening.yaml")
    done = homeless(sys.executable, "-m", "cli", "preset", "apply", path)
    assert done.returncode == 2
    assert "--author NAME" in done.stderr


def test_a_preset_file_is_checked_without_any_of_it() -> None:
    path = str(ROOT / "cli" / "demo_presets" / "family-evening.yaml")
    assert homeless(sys.executable, "-m", "cli", "preset", "check", path).returncode == 0

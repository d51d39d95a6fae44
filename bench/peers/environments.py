"""Environments of their own, made on demand: a peer's packages never meet the project's."""

import subprocess
import sys
from pathlib import Path

from bench.peers.peer import ENVIRONMENTS, ROOT

INSTALL_TIMEOUT_S = 1_200


class Missing(Exception):
    """A server that cannot be measured, and why, in one line."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def python_of(folder: str) -> Path:
    """The interpreter of bench/peers/<folder>'s environment, with what its requirements name.

    Raises:
        Missing: it cannot be installed.
    """
    requirements = ROOT / "bench" / "peers" / folder / "requirements.txt"
    environment = ENVIRONMENTS / folder
    python, stamp = environment / "bin" / "python", environment / ".installed"
    wanted = requirements.read_text()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    if not python.exists():
        _run([sys.executable, "-m", "venv", str(environment)])
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "--requirement", str(requirements)])
    stamp.write_text(wanted)
    return python


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=INSTALL_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"cannot be installed: {error}") from None
    if done.returncode != 0:
        raise Missing(f"cannot be installed: {last_line(done.stderr)}")


def last_line(text: str) -> str:
    """The last line that says something; where none does, that."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"

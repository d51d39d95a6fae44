"""Which code made a bundle."""

import subprocess
from pathlib import Path

ROOM = Path(__file__).parent


def code_commit(room: Path = ROOM) -> str:
    """Hash of the checked-out git commit, "-dirty" after it if changed; "unknown" without one."""
    head = _git(room, "rev-parse", "HEAD")
    if not head:
        return "unknown"
    changed = _git(room, "status", "--porcelain", "--untracked-files=no")
    return f"{head}-dirty" if changed else head


def _git(room: Path, *arguments: str) -> str:
    """What git prints. It writes nothing: a training that is killed leaves no lock behind."""
    try:
        done = subprocess.run(  # noqa: S603 - constant arguments
            ["git", "--no-optional-locks", "-C", str(room), *arguments],  # noqa: S607 - the user's own git
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""

"""Which code made a bundle."""

import subprocess
from pathlib import Path


def code_commit() -> str:
    """Hash of the checked-out git commit, "-dirty" after it if changed; "unknown" without one."""
    head = _git("rev-parse", "HEAD")
    if not head:
        return "unknown"
    changed = _git("status", "--porcelain", "--untracked-files=no")
    return f"{head}-dirty" if changed else head


def _git(*arguments: str) -> str:
    room = Path(__file__).parent
    try:
        done = subprocess.run(  # noqa: S603 - constant arguments
            ["git", "-C", str(room), *arguments],  # noqa: S607 - the user's own git
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""

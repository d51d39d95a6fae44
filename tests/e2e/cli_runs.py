"""The `steerrec` command as a process of its own, against a real replica."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

TIMEOUT_S = 60


@dataclass(frozen=True)
class Finished:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output, which must be one JSON document."""
        return json.loads(self.out)


def steerrec(*words: str, timeout_s: float = TIMEOUT_S, **environ: str) -> Finished:
    """Runs the command with these words; variables named STEERREC_ are only those given."""
    inherited = {n: value for n, value in os.environ.items() if not n.startswith("STEERREC_")}
    done = subprocess.run(
        [sys.executable, "-m", "cli", *words],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env={**inherited, **environ},
    )
    return Finished(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class At:
    """The command, pointed at one replica by its environment."""

    address: str

    def __call__(self, *words: str) -> Finished:
        """Runs the command with these words."""
        return steerrec(*words, STEERREC_CLIENT_ADDRESS=self.address)

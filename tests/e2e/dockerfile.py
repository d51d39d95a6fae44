"""A Dockerfile's build stage, carried out in an empty folder."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
BUILD_STAGE = "build"


class Step(NamedTuple):
    """One instruction."""

    stage: str
    """Name of its stage; empty for one without a name."""
    word: str
    """RUN, COPY, ..."""
    rest: str
    """What follows the word, continued lines joined."""


def steps(text: str) -> list[Step]:
    """Instructions of a Dockerfile, in order."""
    lines = (line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
    found, stage = [], ""
    for word, rest in (line.split(maxsplit=1) for line in joined):
        if word == "FROM":
            stage = rest.partition(" AS ")[2]
        found.append(Step(stage, word, rest))
    return found


def build(dockerfile: list[Step], folder: Path) -> None:
    """Carries out WORKDIR, COPY and RUN of the build stage, with `folder` in the place of /.

    ENV is left out: it only keeps caches out of the image.

    Raises:
        subprocess.CalledProcessError: a RUN failed.
    """
    work_dir = folder
    for step in (step for step in dockerfile if step.stage == BUILD_STAGE):
        if step.word == "WORKDIR":
            work_dir = Path(_moved(step.rest, folder))
            work_dir.mkdir(parents=True)
        elif step.word == "COPY":
            _copy(*shlex.split(step.rest), into=work_dir)
        elif step.word == "RUN":
            _run(_moved(step.rest, folder), work_dir)


def _moved(text: str, folder: Path) -> str:
    """The text with its absolute paths below the folder."""
    return re.sub(r"(^|\s)/", rf"\1{folder}/", text)


def _copy(*sources_and_target: str, into: Path) -> None:
    *sources, target = sources_and_target
    for source in sources:
        if (ROOT / source).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / source, into / target, ignore=ignored)
        else:
            shutil.copy(ROOT / source, into / target)


def _run(command: str, work_dir: Path) -> None:
    """In a shell whose `python` is the base image's: the one that this environment is made of."""
    base = Path(sys.base_prefix) / "bin"
    kept = {n: v for n, v in os.environ.items() if n not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    script = f'python() {{ "{base}/python3" "$@"; }}; {command}'
    subprocess.run(["sh", "-ec", script], cwd=work_dir, check=True, env=kept)

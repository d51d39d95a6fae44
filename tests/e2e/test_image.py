"""The serving image: its build steps work in an empty folder, and what they make has no torch."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from service.settings import Settings
from tests.e2e.dockerfile import ROOT, build, steps

DOCKERFILE = steps((ROOT / "Dockerfile").read_text())
LAST_STAGE = [step for step in DOCKERFILE if step.stage == ""]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of what the build stage installs."""
    folder = tmp_path_factory.mktemp("image")
    build(DOCKERFILE, folder)
    return folder / "opt/steerrec/bin"


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_the_image_has_the_command(installed: Path, tmp_path: Path) -> None:
    shown = subprocess.check_output([installed / "steerrec", "--help"], text=True, cwd=tmp_path)
    assert "serve" in shown


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_the_image_has_no_torch(installed: Path) -> None:
    script = "import importlib.util as u; print(u.find_spec('torch'))"
    assert subprocess.check_output([installed / "python", "-c", script], text=True) == "None\n"


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_the_image_can_serve(installed: Path, tmp_path: Path) -> None:
    script = "import service.server, steerrec.v1.recommender_pb2 as p; print(p.__file__)"
    where = subprocess.check_output([installed / "python", "-c", script], text=True, cwd=tmp_path)
    assert where.startswith(str(installed.parent))


def test_the_last_stage_only_copies() -> None:
    assert {step.word for step in LAST_STAGE}.isdisjoint({"RUN", "ADD"})


def test_the_image_does_not_run_as_root() -> None:
    users = [step.rest for step in LAST_STAGE if step.word == "USER"]
    assert users == ["10001:10001"]


def environment() -> dict[str, str]:
    """Variables that the image sets."""
    words = (shlex.split(step.rest) for step in LAST_STAGE if step.word == "ENV")
    return dict(word.split("=", 1) for line in words for word in line)


def test_the_image_sets_settings_that_exist() -> None:
    known = {f"STEERREC_{name.upper()}" for name in Settings.model_fields}
    assert {name for name in environment() if name.startswith("STEERREC_")} <= known


def test_the_image_reports_to_nobody() -> None:
    assert environment()["ORT_DISABLE_TELEMETRY"] == "1"


def test_everything_that_is_copied_is_let_in() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"}
    copied = {
        word
        for step in DOCKERFILE
        if step.word == "COPY" and not step.rest.startswith("--from")
        for word in shlex.split(step.rest)[:-1]
    }
    assert copied == let_in


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, ROOT / "Dockerfile"], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")

"""The plain install serves, without torch; training pins it exactly."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.contract.walls import ROOMS, imported_names

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
OURS = ROOMS | {"steerrec", "tests"}
PART_OF = {"markupsafe": "jinja2", "pydantic-core": "pydantic"}
"""Distributions that another one always brings along."""


def names(requirements: Iterable[str]) -> set[str]:
    """Distribution names of requirements, normalised."""
    found = (re.match(r"[A-Za-z0-9._-]+", requirement) for requirement in requirements)
    return {normal(match.group()) for match in found if match}


def normal(name: str) -> str:
    """A distribution's name as an index spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(room: str, *, beside: str = "") -> set[str]:
    """Distributions that the room's modules import; those in the folder `beside` do not count."""
    paths = (path for path in (ROOT / room).rglob("*.py") if not beside or beside not in path.parts)
    trees = (ast.parse(path.read_text()) for path in paths)
    tops = {name.partition(".")[0] for tree in trees for name in imported_names(tree)}
    homes = packages_distributions()
    found = (homes[top][0] for top in tops - OURS - sys.stdlib_module_names if top != "google")
    return {PART_OF.get(normal(home), normal(home)) for home in found}


def test_the_plain_install_has_no_torch() -> None:
    assert "torch" not in names(PROJECT["dependencies"])


def test_the_plain_install_brings_a_time_zone_database() -> None:
    assert "tzdata" in names(PROJECT["dependencies"])
    script = "import zoneinfo; print(zoneinfo.ZoneInfo('Europe/Berlin'))"
    without = {"PYTHONTZPATH": ""}  # as on a machine that has none
    printed = subprocess.check_output([sys.executable, "-c", script], text=True, env=without)
    assert printed.strip() == "Europe/Berlin"


def test_torch_is_pinned_exactly() -> None:
    pins = [requirement for requirement in EXTRAS["train"] if requirement.startswith("torch")]
    assert [bool(re.fullmatch(r"torch==\d+\.\d+\.\d+", pin)) for pin in pins] == [True]


@pytest.mark.parametrize("room", ["service", "steering", "model_store", "loadtest", "cli"])
def test_the_plain_install_has_all_that_serving_imports(room: str) -> None:
    assert needed(room) <= names(PROJECT["dependencies"])


def test_training_imports_what_its_extra_has() -> None:
    extra = names(PROJECT["dependencies"] + EXTRAS["train"])
    assert needed("training", beside="study") - names(["openai"]) <= extra


def test_only_the_labeller_needs_its_extra() -> None:
    assert names(["openai"]) <= names(EXTRAS["label"])
    users = [p for p in (ROOT / "training").rglob("*.py") if "import openai" in p.read_text()]
    assert [path.name for path in users] == ["labeller_endpoint.py"]


def test_studies_import_what_their_extra_has() -> None:
    extra = names(PROJECT["dependencies"] + EXTRAS["train"] + EXTRAS["study"])
    assert needed("training/study") <= extra


@pytest.mark.parametrize("module", ["service.server", "cli.main"])
def test_serving_loads_nothing_of_training(module: str) -> None:
    script = f"import sys, {module}; print({{'torch', 'training'}} & sys.modules.keys())"
    printed = subprocess.check_output([sys.executable, "-c", script], text=True, cwd=ROOT)
    assert printed.strip() == "set()"


def test_a_missing_dependency_is_found() -> None:
    assert "torch" in needed("training") - names(PROJECT["dependencies"])

"""The plain install serves without torch; training pins it exactly."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TRAINING_ONLY = ("torch", "onnx", "onnxscript", "polars", "scipy")


def test_the_plain_install_has_nothing_of_training() -> None:
    names = {line.split(">")[0].split("=")[0].strip() for line in PROJECT["dependencies"]}
    assert names.isdisjoint(TRAINING_ONLY)


def test_torch_is_pinned_exactly() -> None:
    pins = [line for line in PROJECT["optional-dependencies"]["train"] if line.startswith("torch")]
    assert pins == ["torch==2.13.0"]


@pytest.mark.parametrize("module", ["service.server", "cli.main"])
def test_serving_loads_nothing_of_training(module: str) -> None:
    script = (
        f"import sys, {module}; "
        f"print([m for m in {TRAINING_ONLY!r} if m in sys.modules], 'training' in sys.modules)"
    )
    out = subprocess.check_output([sys.executable, "-c", script], text=True, cwd=ROOT)
    assert out.strip() == "[] False"

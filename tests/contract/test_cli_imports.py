"""The command starts quickly and on a plain install: rooms are imported when they are needed."""

import json
import subprocess
import sys

import pytest

from cli.errors import MissingExtra, extra

HEAVY = (
    "torch",
    "polars",
    "grpc",
    "google.protobuf",
    "numpy",
    "onnxruntime",
    "redis",
    "rich.table",
)


def imported_after(statement: str) -> set[str]:
    """Which of HEAVY a fresh interpreter has imported after a statement."""
    report = f"import json, sys; print(json.dumps([n for n in {HEAVY} if n in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}\n{report}"], capture_output=True, check=True
    )
    return set(json.loads(done.stdout))


def test_the_command_line_alone_imports_no_room() -> None:
    assert imported_after("import cli.main") == set()


@pytest.mark.parametrize(
    "module",
    [
        "recommending",
        "feature_cards",
        "preset_apply",
        "preset_check",
        "bundles",
        "replica",
        "load_run",
    ],
)
def test_serving_subcommands_need_no_training_packages(module: str) -> None:
    assert not imported_after(f"import cli.{module}") & {"torch", "polars"}


def test_a_missing_extra_is_one_sentence() -> None:
    with pytest.raises(MissingExtra) as missing, extra("train"):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")
    assert str(missing.value) == (
        "this needs the [train] extra (torch is not installed): pip install 'steerrec[train]'"
    )


def test_a_missing_extra_ends_the_train_command_with_its_sentence() -> None:
    # None in sys.modules is Python's own way to make an import fail
    program = "import sys; sys.modules['torch'] = None; from cli.main import app; app()"
    done = subprocess.run(
        [sys.executable, "-c", program, "train", "data"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "this needs the [train] extra" in done.stderr


def test_the_parent_of_workers_loads_neither_a_server_nor_a_model() -> None:
    assert not imported_after("import service.workers") & {"grpc", "onnxruntime"}

"""ONNX Runtime is told to send nothing home, before it is first imported."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("before", [None, "0"])
def test_telemetry_is_off_unless_its_user_chose(before: str | None) -> None:
    script = (
        "import os, sys\n"
        "import model_store.graphs\n"
        "print(os.environ['ORT_DISABLE_TELEMETRY'], 'onnxruntime' in sys.modules)"
    )
    environ = {} if before is None else {"ORT_DISABLE_TELEMETRY": before}
    out = subprocess.check_output([sys.executable, "-c", script], text=True, env=environ)
    assert out.split() == [before or "1", "True"]

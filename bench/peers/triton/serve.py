"""Triton Inference Server, the plain binary of the pytriton wheel, with the graph in its Python
backend.

By its documentation (user guide, "Model Configuration" and "Optimization"): dynamic batching with
`max_queue_delay_microseconds`, several `instance_group`s on the CPU, `allow_ragged_batch` so that
histories of unlike lengths share a batch, HTTP and metrics off.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
SITE = Path(sysconfig.get_path("purelib"))
SERVER = SITE / "pytriton" / "tritonserver"
SHARED = {"items": "INT64", "excluded": "INT64", "k": "INT64"}
INPUTS = {
    "steered": SHARED
    | {"rule_features": "INT64", "rule_operations": "INT64", "rule_values": "FP32"},
    "naive": SHARED | {"factor": "FP32", "addend": "FP32"},
}
OUTPUTS = {"top_items": "INT64", "top_scores": "FP32"}


def config(chosen: argparse.Namespace) -> str:
    """The model's config.pbtxt."""
    return f"""\
name: "{chosen.model}"
backend: "python"
max_batch_size: {chosen.batch}
dynamic_batching {{ max_queue_delay_microseconds: {chosen.delay_us} }}
instance_group [ {{ kind: KIND_CPU count: {chosen.instances} }} ]
input [ {", ".join(_tensors(INPUTS[chosen.model], "allow_ragged_batch: true"))} ]
output [ {", ".join(_tensors(OUTPUTS, ""))} ]
parameters: {{ key: "graph" value: {{ string_value: "{chosen.graph}" }} }}
parameters: {{ key: "threads" value: {{ string_value: "{chosen.threads}" }} }}
"""


def _tensors(tensors: dict[str, str], more: str) -> Iterator[str]:
    for name, datatype in tensors.items():
        yield f'{{ name: "{name}" data_type: TYPE_{datatype} dims: [ -1 ] {more} }}'


def write_models(folder: Path, chosen: argparse.Namespace) -> None:
    """The model repository, and the backend with this Python's stub."""
    version = folder / "models" / chosen.model / "1"
    version.mkdir(parents=True)
    (version.parent / "config.pbtxt").write_text(config(chosen))
    shutil.copy(Path(__file__).with_name("model.py"), version / "model.py")
    backend = folder / "backends" / "python"
    shutil.copytree(SERVER / "backends" / "python", backend)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    shutil.copy(SERVER / "python_backend_stubs" / python / "triton_python_backend_stub", backend)


def command(folder: Path, port: int) -> list[str]:
    """The server's command line."""
    return [
        str(SERVER / "bin" / "tritonserver"),
        f"--model-repository={folder / 'models'}",
        f"--backend-directory={folder / 'backends'}",
        *("--grpc-address=127.0.0.1", f"--grpc-port={port}"),
        *("--allow-http=false", "--allow-metrics=false", "--log-info=false"),
        "--exit-timeout-secs=5",
        # several at once, on machines that run several servers, must not share memory by name
        f"--backend-config=python,shm-region-prefix-name=steerrec_bench_{os.getpid()}_",
    ]


def environment() -> dict[str, str]:
    """What the server and its Python processes need."""
    return {
        **os.environ,
        # the backend's processes load this interpreter's library, and the wheel's own
        "LD_LIBRARY_PATH": f"{sysconfig.get_config_var('LIBDIR')}:{SITE / 'nvidia_pytriton.libs'}",
        "PYTHONPATH": f"{ROOT}:{SITE}",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--graph", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", choices=sorted(INPUTS), default="steered")
    parser.add_argument("--instances", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--delay-us", type=int, default=0)
    parser.add_argument("--batch", type=int, default=32)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_models(folder, chosen)
        server = subprocess.Popen(command(folder, chosen.port), env=environment())
        signal.signal(signal.SIGTERM, lambda *_: server.terminate())
        sys.exit(server.wait())


if __name__ == "__main__":
    main()

"""Generates the stubs of proto/steerrec/v1; `python -m tests.contract.stubs proto` rewrites them."""

import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "proto"


def generate(out: Path) -> None:
    """Writes `*_pb2.py`, `*_pb2_grpc.py` and their type stubs below `out`.

    Raises:
        subprocess.CalledProcessError: protoc refused a .proto file; its message is on stderr.
    """
    import google.rpc.status_pb2

    googleapis = Path(google.rpc.status_pb2.__file__).parents[2]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    kinds = ("python", "mypy", "grpc_python", "mypy_grpc")
    subprocess.run(
        [
            sys.executable,
            *("-m", "grpc_tools.protoc", "-I", str(SOURCE), "-I", str(googleapis)),
            *(f"--{kind}_out={out}" for kind in kinds),
            *sorted(str(p.relative_to(SOURCE)) for p in SOURCE.glob("steerrec/v1/*.proto")),
        ],
        check=True,
        cwd=SOURCE,
        env={**os.environ, "PATH": path},
    )


if __name__ == "__main__":
    generate(Path(sys.argv[1]).resolve())

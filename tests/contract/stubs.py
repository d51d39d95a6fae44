"""Generates the stubs of proto/steerrec/v1; `make proto` rewrites the committed ones."""

import os
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "proto"
KINDS = ("python", "mypy", "grpc_python", "mypy_grpc")


def imported_protos() -> Path:
    """Folder of the .proto files that ours import from elsewhere."""
    return Path(str(distribution("googleapis-common-protos").locate_file("")))


def generate(out: Path) -> None:
    """Writes `*_pb2.py`, `*_pb2_grpc.py` and their type stubs below `out`.

    Raises:
        subprocess.CalledProcessError: protoc refused a .proto file; its message is on stderr.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc"),
            *("-I", str(SOURCE), "-I", str(imported_protos())),
            *(f"--{kind}_out={out}" for kind in KINDS),
            *sorted(str(p.relative_to(SOURCE)) for p in SOURCE.glob("steerrec/v1/*.proto")),
        ],
        check=True,
        cwd=SOURCE,
        env={**os.environ, "PATH": path},
    )


if __name__ == "__main__":
    generate(Path(sys.argv[1]).resolve())

"""Generates the stubs of proto/steerrec/v1; `make proto` rewrites the committed ones."""

import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "proto"
KINDS = ("python", "mypy", "grpc_python", "mypy_grpc")


def include_paths() -> list[str]:
    """protoc's options that name where .proto files are."""
    import google.rpc.status_pb2  # type: ignore[import-untyped]

    googleapis = Path(google.rpc.status_pb2.__file__).parents[2]
    return ["-I", str(SOURCE), "-I", str(googleapis)]


def generate(out: Path) -> None:
    """Writes `*_pb2.py`, `*_pb2_grpc.py` and their type stubs below `out`.

    Raises:
        subprocess.CalledProcessError: protoc refused a .proto file; its message is on stderr.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc", *include_paths()),
            *(f"--{kind}_out={out}" for kind in KINDS),
            *sorted(str(p.relative_to(SOURCE)) for p in SOURCE.glob("steerrec/v1/*.proto")),
        ],
        check=True,
        cwd=SOURCE,
        env={**os.environ, "PATH": path},
    )


if __name__ == "__main__":
    generate(Path(sys.argv[1]).resolve())

"""An environment with SAELens, which reads the one that makes it: `python -m ... FOLDER`.

SAELens brings sixty packages that nothing else here needs. Beside ours they change no version that
the product is tested with, and torch is not installed twice.
"""

import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import requires
from pathlib import Path

PTH_FILE = "steerrec.pth"


def make(folder: Path) -> None:
    """Writes the environment; there is nothing left of an older one.

    Raises:
        subprocess.CalledProcessError: pip refused; its message is on stderr.
    """
    venv.create(folder, clear=True, with_pip=False)
    python = interpreter(folder)
    _packages(folder).joinpath(PTH_FILE).write_text(sysconfig.get_path("purelib"))
    pip = (sys.executable, "-m", "pip", "--python", str(python))
    subprocess.run([*pip, "install", "--quiet", "--no-compile", *wanted()], check=True)


def interpreter(folder: Path) -> Path:
    """Its python."""
    return folder / "bin" / "python"


def wanted() -> list[str]:
    """What our extra asks for: the library, and the versions of ours that are there."""
    extra = [line for line in requires("steerrec") or [] if "extra == 'saelens'" in line]
    return sorted({line.split(";")[0].strip() for line in extra})


def _packages(folder: Path) -> Path:
    (found,) = folder.glob("lib/python*/site-packages")
    return found


if __name__ == "__main__":
    make(Path(sys.argv[1]))

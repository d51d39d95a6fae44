"""Data sets by name: `load_dataset("ml-100k")`, or the owner's config in its place.

Of the data sets of the studies only the description is ours; their files are brought:
`load_dataset("ml-1m", files=Path("data/ml-1m"))`.

MovieLens-100K is read out of a wheel of the package index, so that whoever can install this
package can have it. The wheel and each file taken from it are pinned by sha256; nothing of the
wheel is installed, imported or run.
"""

import hashlib
import logging
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Final

from platformdirs import user_cache_path

from training.data import DataConfig, data_config, load_data_config, read_dataset
from training.dataset import Dataset
from training.errors import (
    CorruptDownload,
    FilesNotGiven,
    UnavailableDownload,
    UnknownDataset,
)
from training.spelling import nearest
from training.storage import replace_file, storage_errors

OTHER_CACHE: Final = "set XDG_CACHE_HOME to a folder that can be written"
log = logging.getLogger(__name__)

PIP_TIMEOUT_S: Final = 300
"""For a wheel of about two megabytes: beyond this, the network is not one."""


@dataclass(frozen=True)
class WheelData:
    """Files inside one wheel."""

    requirement: str
    """Name and version, as pip reads it."""
    wheel_sha256: str
    """Digest of the one wheel that is accepted."""
    folder: str
    """Where the files lie in the wheel."""
    file_sha256: Mapping[str, str]
    """File name to digest."""


ML_100K: Final = WheelData(
    requirement="recbole==1.2.1",
    wheel_sha256="9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
    folder="recbole/dataset_example/ml-100k",
    file_sha256={
        "ml-100k.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
        "ml-100k.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
    },
)

BUILTIN: Final[Mapping[str, WheelData]] = {"ml-100k": ML_100K}

RECIPES: Final = Path(__file__).parent / "study" / "recipes"
"""A folder for each data set of the studies, with the `data.yaml` that describes it."""

DESCRIBED: Final = ("ml-1m", "amazon-beauty", "movietweetings")
"""Data sets whose files the owner brings."""


def load_dataset(
    spec: str | Path | DataConfig, *, files: Path | None = None, cache: Path | None = None
) -> Dataset:
    """The data set that `spec` means: a known name, the path of a YAML file, or a config.

    Args:
        spec: e.g. `"ml-100k"`, `"shop.yaml"` or a `DataConfig`.
        files: folder with the files of a described data set, or that relative paths of the YAML
            file start from.
        cache: folder for what is fetched; None: the user's cache folder.

    Raises:
        UnknownDataset: neither a known name nor a file.
        FilesNotGiven: a described data set without `files`.
        InvalidDataConfig: the YAML file is at fault.
        InvalidData: the files that it names are at fault.
        UnavailableDownload: a built-in data set is not cached and cannot be fetched.
        CorruptDownload: what was fetched is not what was pinned.
    """
    if isinstance(spec, DataConfig):
        return read_dataset(spec)
    if spec in BUILTIN:
        return read_dataset(ml_100k_config(cache or user_cache_path("steerrec")))
    path = RECIPES / spec / "data.yaml" if spec in DESCRIBED else Path(spec)
    _refuse_no_file(path, str(spec))
    if spec in DESCRIBED and files is None:
        raise FilesNotGiven(str(spec), _file_names(load_data_config(path)))
    return read_dataset(load_data_config(path, files=files))


def _refuse_no_file(path: Path, spec: str) -> None:
    """Raise UnknownDataset unless the path is a file; a file without permission is one."""
    try:
        if path.is_file():
            return
        is_folder = path.is_dir()
    except (OSError, ValueError):  # a name too long, a folder without permission
        is_folder = False
    if is_folder:
        raise UnknownDataset(spec, "it is a folder; name the data config, a YAML file, in it")
    raise UnknownDataset(spec if len(spec) <= 100 else f"{spec[:100]}...", _remedy(spec[:100]))


def _file_names(config: DataConfig) -> list[str]:
    """What the files of a data set are called."""
    parts = [config.interactions, *([config.items] if config.items else [])]
    return [part.path.name for part in parts]


def ml_100k_config(cache: Path) -> DataConfig:
    """The config of MovieLens-100K, its files fetched into the cache unless they are there.

    Raises:
        UnavailableDownload: it is not cached and cannot be fetched.
        CorruptDownload: what was fetched is not what was pinned.
    """
    folder = cached_files("ml-100k", ML_100K, cache)
    attributes = {
        "genre": {"column": "class", "separator": " "},
        "decade": {"column": "release_year", "take": "decade"},
    }
    return data_config(
        {
            "name": "ml-100k",
            "interactions": {"path": folder / "ml-100k.inter"},
            "items": {
                "path": folder / "ml-100k.item",
                "title": "movie_title",
                "attributes": attributes,
            },
        }
    )


def cached_files(name: str, source: WheelData, cache: Path) -> Path:
    """The folder with the verified files; the network is used only where one is not there.

    Raises:
        UnavailableDownload: pip could not fetch the wheel.
        CorruptDownload: the wheel holds other files than the pinned ones.
        UnusableOutput: the cache cannot be read or written.
    """
    folder = cache / "datasets" / name
    with storage_errors(folder, OTHER_CACHE):
        pinned = source.file_sha256.items()
        bad = [folder / file for file, digest in pinned if not _is_valid(folder / file, digest)]
        for path in filter(Path.exists, bad):
            log.warning("%s is damaged: it is fetched anew", path)
        if bad:
            _fetch(name, source, folder)
    return folder


def _remedy(name: str) -> str:
    """What to write instead of an unknown name."""
    near = nearest(name, (*BUILTIN, *DESCRIBED))
    hint = f"did you mean {near!r}? " if near else ""
    return (
        f"{hint}it is no file; built in is {', '.join(BUILTIN)}, "
        f"and with files of yours {', '.join(DESCRIBED)}"
    )


def _is_valid(path: Path, sha256: str) -> bool:
    """Whether the file is there and is the pinned one."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def _fetch(name: str, source: WheelData, folder: Path) -> None:
    """Downloads the wheel beside the folder, and moves each verified file into it whole."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}-") as scratch:
        wheel = _downloaded_wheel(name, source, Path(scratch))
        with zipfile.ZipFile(wheel) as archive:
            for file, sha256 in source.file_sha256.items():
                content = archive.read(f"{source.folder}/{file}")
                _refuse_other(Path(file), content, sha256)
                replace_file(folder / file, partial(_write, content))


def _write(content: bytes, file: IO[bytes]) -> None:
    file.write(content)


def _refuse_other(path: Path, content: bytes, sha256: str) -> None:
    """Raises CorruptDownload unless the content is the pinned one."""
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise CorruptDownload(path, sha256, found, "update steerrec or use files of your own")


def _downloaded_wheel(name: str, source: WheelData, scratch: Path) -> Path:
    """The one wheel, checked by pip against its digest."""
    requirements = scratch / "requirements.txt"
    requirements.write_text(f"{source.requirement} --hash=sha256:{source.wheel_sha256}\n")
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--no-input", "--no-deps", "--only-binary", ":all:", "--require-hashes"),
        *("--dest", str(scratch), "-r", str(requirements)),
    ]
    try:
        done = subprocess.run(  # noqa: S603 - every argument is a constant or a path of ours
            command, capture_output=True, text=True, timeout=PIP_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise _unavailable(name, source, f"no answer in {PIP_TIMEOUT_S} s") from error
    wheels = list(scratch.glob("*.whl"))
    if done.returncode or not wheels:
        raise _unavailable(name, source, _last_error(done.stderr))
    return wheels[0]


def _unavailable(name: str, source: WheelData, reason: str) -> UnavailableDownload:
    remedy = (
        f"connect to a package index that has {source.requirement} and run again "
        "(it is fetched once), or train on files of your own"
    )
    return UnavailableDownload(name, reason, remedy)


def _last_error(stderr: str) -> str:
    """pip's own last word on what went wrong."""
    lines = [line.removeprefix("ERROR: ") for line in stderr.splitlines() if line.strip()]
    return f"pip says: {lines[-1]}" if lines else "pip said nothing"

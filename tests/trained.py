"""A small bundle that is really trained on ml-100k, kept between test runs."""

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.config import TINY, TrainConfig
from training.dataset import Dataset
from training.pipeline import train

ROOT = Path(__file__).parents[1]
MAKERS = ("training", "model_store")
"""Rooms whose code decides what a bundle holds."""


def trained_store(dataset: Dataset, cache: Path, config: TrainConfig = TINY) -> Path:
    """Root of a model store whose label `production` is trained by today's code."""
    folder = cache / "trained" / _key(config)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder / "lock"):
        train(config, dataset, work_dir=folder / "work", store_url=str(folder / "store"))
    return folder / "store"


def _key(config: TrainConfig) -> str:
    digest = hashlib.sha256(config.model_dump_json().encode())
    for room in MAKERS:
        for path in sorted((ROOT / room).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Waits for another test run that trains the same bundle."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

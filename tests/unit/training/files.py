"""Small data sets written to a folder, as their owner would have them."""

from pathlib import Path
from typing import Any

from training.data import data_config, read_dataset
from training.dataset import Dataset

HEADER = "user_id,item_id,timestamp\n"


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(
    interactions: Path,
    items: Path | None = None,
    *,
    interaction_settings: dict[str, Any] | None = None,
    item_settings: dict[str, Any] | None = None,
    **settings: Any,
) -> Dataset:
    settings["interactions"] = {"path": interactions, **(interaction_settings or {})}
    if items is not None:
        settings["items"] = {"path": items, **(item_settings or {})}
    return read_dataset(data_config(settings))


def history(dataset: Dataset, user_id: str) -> list[str]:
    indices = dataset.histories[dataset.user_ids.index(user_id)]
    return [dataset.items[index - 1].item_id for index in indices]

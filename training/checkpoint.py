"""Saving the state of a training loop, so that an interrupted one goes on where it stopped."""

import os
from pathlib import Path
from typing import Any

import torch

Checkpoint = dict[str, Any]
"""Tensors, numbers, texts and nested dicts and lists of them."""


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Replaces the checkpoint in one step: a crash leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_suffix(".writing")
    torch.save(checkpoint, written)
    os.replace(written, path)


def load_checkpoint(path: Path) -> Checkpoint | None:
    """The checkpoint, on the CPU; None where there is none yet.

    `weights_only` admits tensors and plain values and runs no code from the file.
    """
    if not path.exists():
        return None
    loaded: Checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    return loaded

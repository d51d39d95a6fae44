"""What stands against a training before it starts: its data, its device, this machine's memory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

from training.config import TrainConfig
from training.dataset import Dataset
from training.errors import DeviceAbsent, TooLarge, TooLittleData
from training.split import MIN_EVALUATED_LENGTH

MIN_ITEMS: Final = 2
"""One item alone is no choice."""
COPIES: Final = 5
"""Of the weights in training: weights, gradients, two moments, the running mean."""
FLOAT_BYTES: Final = 4
OUT_OF_MEMORY: Final = ("out of memory", "can't allocate memory", "not enough memory")
"""What torch says, on a GPU and on processors."""
GROWING: Final = "base.batch_size, base.d_model, sae.batch_size or sae.d_sae"
GIB: Final = 2**30


def refuse_absent(device: str) -> None:
    """Raises DeviceAbsent for a device that torch does not find."""
    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceAbsent(device)


def refuse_too_little(dataset: Dataset) -> None:
    """Raises TooLittleData for data that nothing can be learned from, or judged by."""
    if missing := missing_for_training(dataset):
        found = ", ".join(
            _counted(n, word)
            for n, word in (
                (len(dataset.user_ids), "user"),
                (dataset.n_items, "item"),
                (dataset.n_interactions, "interaction"),
            )
        )
        raise TooLittleData(dataset.name, found, missing)


def missing_for_training(dataset: Dataset) -> tuple[str, ...]:
    """What the data set lacks, one phrase each; none: it can be trained on."""
    lengths = [len(history) for history in dataset.histories]
    wanted = {
        f"at least {MIN_ITEMS} items": dataset.n_items >= MIN_ITEMS,
        f"a user with {MIN_EVALUATED_LENGTH} interactions or more, whose last two are the "
        "validation and the test": any(n >= MIN_EVALUATED_LENGTH for n in lengths),
        "a user with two interactions to learn from, which are those before the last two of "
        f"{MIN_EVALUATED_LENGTH + 1} or more": any(_n_learned(n) >= 2 for n in lengths),
    }
    return tuple(phrase for phrase, is_there in wanted.items() if not is_there)


def refuse_too_large(config: TrainConfig, dataset: Dataset) -> None:
    """Raises TooLarge for models that this machine's memory cannot hold, by their weights alone."""
    if config.device != "cpu" or (memory := _memory_bytes()) is None:
        return
    for name, n_bytes, settings in _needs(config, dataset):
        if n_bytes > memory:
            reason = f"{name} needs {n_bytes / GIB:,.0f} GiB of {memory / GIB:,.0f}"
            raise TooLarge(reason, settings)


@contextmanager
def memory_errors() -> Iterator[None]:
    """Turns memory that runs out in the middle of a training into a sentence.

    Raises:
        TooLarge: in place of what Python, numpy and torch raise.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error)
        if not isinstance(error, MemoryError) and not any(sign in text for sign in OUT_OF_MEMORY):
            raise
        reason = text.splitlines()[0] if text else "an allocation failed"
        raise TooLarge(reason, GROWING) from error


def _needs(config: TrainConfig, dataset: Dataset) -> tuple[tuple[str, int, str], ...]:
    """Bytes at least of each large part, with the settings that it grows with."""
    base, sae = config.base, config.sae
    positions = sum(map(len, dataset.histories))
    embedded = (dataset.n_items + base.max_seq) * base.d_model
    weights = embedded + 12 * base.n_blocks * base.d_model**2
    return (
        (
            "the base model",
            COPIES * FLOAT_BYTES * weights,
            "base.d_model, base.n_blocks or base.max_seq",
        ),
        ("the attention of a history", base.max_seq**2, "base.max_seq"),
        ("the SAE", COPIES * FLOAT_BYTES * 2 * base.d_model * sae.d_sae, "sae.d_sae"),
        (
            "a step of the SAE",
            FLOAT_BYTES * sae.batch_size * sae.d_sae,
            "sae.batch_size or sae.d_sae",
        ),
        ("the hidden states", FLOAT_BYTES * positions * base.d_model, "base.d_model"),
    )


def _n_learned(length: int) -> int:
    """Interactions of a history that training reads."""
    return length - 2 if length >= MIN_EVALUATED_LENGTH else length


def _memory_bytes() -> int | None:
    """Of this machine; None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def _counted(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"

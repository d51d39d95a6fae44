"""What the size of a catalogue costs in training, and what sampled negatives lose.

    python -m bench.training_size [--items 12600 20000 65000] [--users 50000] [--steps 30]
    python -m bench.training_size --data ml-1m --files DIR [--epochs 10] [--seeds 0 1]

The first times steps of the base model on synthesised histories (power-law popularity), by turns
against the whole catalogue and against 3,000 sampled negatives, in processor seconds of one
thread. The second trains both on a real data set, by turns, and shows the best validation NDCG@10.
"""

import argparse
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.table import Table

from bench.synthetic import Workload, histories
from bench.training import base_config
from training.batches import Items, generator
from training.builtin import load_dataset
from training.config import SAMPLED_NEGATIVES, BaseModelConfig
from training.dataset import Dataset, Item
from training.evaluate import ranks_on_validation
from training.split import LeaveOneOut, leave_one_out
from training.train_base import BaseTrainer, train_base

Negatives = int | Literal["all"]
WAYS: Final[tuple[Negatives, ...]] = ("all", SAMPLED_NEGATIVES)
VALIDATED: Final = 2_560
"""Users whose ranking is timed."""


def main() -> None:
    """Runs one of the two and prints its table."""
    given = _arguments()
    torch.set_num_threads(1)
    if given.data:
        _print(("seed", "all", "3,000", "CPU s"), _quality(given))
    else:
        columns = ("items", "steps", "all, CPU s", "3,000, CPU s", "ratio", "validation, CPU s")
        _print(columns, (_pace(n_items, given.users, given.steps) for n_items in given.items))


def _print(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(box=box.MARKDOWN)
    for column in columns:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*row)
    Console(width=120).print(table)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m bench.training_size")
    parser.add_argument("--items", type=int, nargs="+", default=[3_700, 12_600, 20_000, 65_000])
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--steps", type=int, default=30, help="timed of each way")
    parser.add_argument("--data", help="a data set whose quality is compared instead")
    parser.add_argument("--files", type=Path, help="folder of a described data set's files")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    return parser.parse_args()


def _pace(n_items: int, n_users: int, n_steps: int) -> Sequence[str]:
    """Processor seconds of an epoch each way, their ratio, and those of a validation."""
    split = _synthetic(n_items, n_users)
    trainers = [_trainer(BaseModelConfig(negatives=way), split, n_items) for way in WAYS]
    batches = trainers[0].batches(generator(0, 1))
    taken = [0.0, 0.0]
    for batch in batches[:n_steps]:
        for way, trainer in enumerate(trainers):
            taken[way] += _step_s(trainer, batch)
    whole, sampled = (seconds / n_steps * len(batches) for seconds in taken)
    validation = f"{_validation_s(trainers[0], split):.0f}"
    steps = f"{len(batches):,}"
    return (
        f"{n_items:,}",
        steps,
        f"{whole:.0f}",
        f"{sampled:.0f}",
        f"{whole / sampled:.1f}",
        validation,
    )


def _step_s(trainer: BaseTrainer, batch: Sequence[Items]) -> float:
    began = time.process_time()
    trainer.step(batch)
    return time.process_time() - began


def _validation_s(trainer: BaseTrainer, split: LeaveOneOut) -> float:
    """Processor seconds of one validation of every user, from some of them."""
    some = LeaveOneOut(
        split.train,
        split.validation_users[:VALIDATED],
        split.validation_inputs[:VALIDATED],
        split.validation_targets[:VALIDATED],
        split.test_users,
        split.test_inputs,
        split.test_targets,
    )
    model, began = trainer.averaged_model(), time.process_time()
    ranks_on_validation(model.slate_scores, model, some, trainer.device)
    each = (time.process_time() - began) / len(some.validation_users)
    return each * len(split.validation_users)


def _synthetic(n_items: int, n_users: int) -> LeaveOneOut:
    workload = Workload("size", n_items, d_model=64, d_sae=1)
    items = tuple(Item(str(index), str(index), {}) for index in range(n_items))
    users = tuple(map(str, range(n_users)))
    return leave_one_out(Dataset("size", items, users, histories(workload, 0, n_users), ""))


def _trainer(
    config: BaseModelConfig, split: LeaveOneOut, n_items: int, seed: int = 0
) -> BaseTrainer:
    return BaseTrainer(config, split, n_items, seed=seed, device=torch.device("cpu"))


def _quality(given: argparse.Namespace) -> Iterator[Sequence[str]]:
    """Best validation NDCG@10 of each seed each way, by our recipe of the data set."""
    dataset = load_dataset(given.data, files=given.files)
    split = leave_one_out(dataset)
    base = base_config(given.data).model_copy(update={"max_epochs": given.epochs})
    reached = []
    for seed in given.seeds:
        courses = []
        for way in WAYS:
            config = base.model_copy(update={"negatives": way})
            trainer = _trainer(config, split, dataset.n_items, seed)
            train_base(trainer)
            courses.append(trainer.course)
        reached.append([course.best_ndcg for course in courses])
        seconds = " and ".join(f"{course.cpu_s:.0f}" for course in courses)
        yield str(seed), *(f"{ndcg:.4f}" for ndcg in reached[-1]), seconds
    yield "mean", *(f"{ndcg:.4f}" for ndcg in np.mean(reached, axis=0)), ""


if __name__ == "__main__":
    main()

"""Trains our base model and prints its pace.

python -m bench.train_ours DATA CONFIG SEED MAX_S
"""

import sys
from pathlib import Path

import torch

from bench.histories import read_split
from bench.pace import Pace
from training.config import BaseModelConfig
from training.train_base import BaseTrainer


def main() -> None:
    """Reads the data's file and a config in JSON."""
    data, config, seed, max_s = sys.argv[1:]
    torch.set_num_threads(1)
    split, n_items = read_split(Path(data))
    trainer = BaseTrainer(
        BaseModelConfig.model_validate_json(config),
        split,
        n_items,
        seed=int(seed),
        device=torch.device("cpu"),
    )
    pace = Pace(trainer.validate, float(max_s))
    is_over = False
    while not is_over:
        trainer.epoch()
        is_over = pace.epoch_ended() or trainer.course.epoch >= trainer.config.max_epochs


if __name__ == "__main__":
    main()

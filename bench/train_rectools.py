"""Trains RecTools' SASRec in the library's own environment and prints its pace.

    python -m bench.train_rectools DATA CONFIG SEED MAX_S

The library's own data pipeline, loss, optimiser and loop; only validation is ours, the same code
and the same split as for our model.
"""

import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback, Trainer, seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel

from bench.histories import read_split
from bench.pace import Pace
from training.evaluate import K, slate_ranks
from training.metrics import ndcg
from training.split import LeaveOneOut

NEVER = 1_000_000


def main() -> None:
    """Reads the data's file and arguments of `SASRecModel` in JSON."""
    data, config, seed, max_s = sys.argv[1:]
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    seed_everything(int(seed), verbose=False)
    split, n_items = read_split(Path(data))
    settings = json.loads(config)
    validated = Validated(split, n_items, settings["session_max_len"], float(max_s))
    model = SASRecModel(**settings, get_trainer_func=lambda: _trainer(validated))
    validated.model = model
    model.fit(_interactions(split))


def _trainer(validated: "Validated") -> Trainer:
    return Trainer(
        max_epochs=NEVER,
        accelerator="cpu",
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        logger=False,
        callbacks=[validated],
    )


def _interactions(split: LeaveOneOut) -> Dataset:
    """The training histories; the time is the place in the history."""
    lengths = [len(items) for items in split.train]
    frame = pd.DataFrame(
        {
            Columns.User: np.repeat(np.arange(len(lengths)), lengths),
            Columns.Item: np.concatenate(split.train),
            Columns.Weight: 1,
            Columns.Datetime: pd.to_datetime(np.concatenate([*map(np.arange, lengths)]), unit="s"),
        }
    )
    return Dataset.construct(frame)


class Validated(Callback):  # type: ignore[misc]
    """Validates after each epoch, and ends the training when it is over."""

    def __init__(self, split: LeaveOneOut, n_items: int, max_seq: int, max_s: float) -> None:
        self.split, self.n_items, self.max_seq, self.max_s = split, n_items, max_seq, max_s
        self.model: Any = None
        self.pace: Pace | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> "Validated":
        """The model copies its trainer: this stays the one."""
        return self

    def on_train_start(self, *_: object) -> None:
        """Starts the clock."""
        self.pace = Pace(self.ndcg, self.max_s)

    def on_train_epoch_end(self, trainer: Trainer, *_: object) -> None:
        """One line of the pace."""
        assert self.pace is not None
        trainer.should_stop = self.pace.epoch_ended()

    def ndcg(self) -> float:
        """Validation NDCG@10 of the model as it is."""
        network = self.model.torch_model.eval()
        found = slate_ranks(
            self.scores,
            self.split.validation_inputs,
            self.split.validation_targets,
            max_seq=self.max_seq,
            device=torch.device("cpu"),
        )
        network.train()
        return ndcg(found, K)

    def scores(self, items: torch.Tensor) -> torch.Tensor:
        """Scores by our item index, [batch, n_items + 1]; items never trained on score -inf."""
        known = self.model.data_preparator.item_id_map
        ours = torch.tensor(known.external_ids[1:].astype(np.int64))
        theirs = torch.zeros(self.n_items + 1, dtype=torch.long)
        theirs[ours] = torch.arange(1, len(ours) + 1)
        read = torch.nn.functional.pad(theirs[items], (self.max_seq - items.shape[1], 0))
        network = self.model.torch_model
        embedded = network.item_model.get_all_embeddings()
        final = network.encode_sessions({"x": read}, embedded)[:, -1]
        scores = torch.full((len(items), self.n_items + 1), -torch.inf)
        scores[:, ours] = final @ embedded[1:].T
        return scores


if __name__ == "__main__":
    main()

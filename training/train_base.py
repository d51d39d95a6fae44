"""Training the base model: next-item cross-entropy, stopped by validation NDCG@10."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.batches import Items, generator, left_aligned, length_batches, windows
from training.checkpoint import resume, save_checkpoint
from training.config import BaseModelConfig
from training.errors import Diverged
from training.evaluate import K, ranks_on_validation
from training.loss import has_diverged, next_item_loss
from training.metrics import ndcg
from training.progress import Report, silent
from training.sasrec import Sasrec
from training.split import LeaveOneOut

Weights = dict[str, Tensor]
GRADIENT_NORM = 1.0
WARM_UP_STEPS = 50
AVERAGE_WARM_UP = 10
LEARNING_SHARE = 0.9
"""Of an epoch's progress, as reported; the rest is its validation."""
VALIDATED_SHARE = 0.99
"""After the validation: an epoch counts as done when its checkpoint is saved."""


@dataclass
class Course:
    """How a training run has gone so far."""

    epoch: int = 0
    """Epochs done."""
    step: int = 0
    """Optimiser steps done."""
    best_ndcg: float = -1.0
    """Best validation NDCG@10."""
    best_epoch: int = 0
    """The epoch that had it."""
    wall_s: float = 0.0
    """Seconds in epochs and their validation."""
    cpu_s: float = 0.0
    """Processor seconds of this process in them."""

    def is_over(self, config: BaseModelConfig) -> bool:
        """Whether the epochs or the patience are used up."""
        return self.epoch >= config.max_epochs or self.epoch - self.best_epoch >= config.patience


class BaseTrainer:
    """Trains one model; its whole state can be saved after any epoch."""

    def __init__(
        self,
        config: BaseModelConfig,
        split: LeaveOneOut,
        n_items: int,
        *,
        seed: int,
        device: torch.device,
    ) -> None:
        torch.manual_seed(seed)
        self.config = config
        self.split = split
        self.seed = seed
        self.device = device
        self.negatives = config.negatives_for(n_items)
        self.model = Sasrec(config.shape(n_items), dropout=config.dropout).to(device)
        self.optimiser = _optimiser(self.model, config)
        self.course = Course()
        self.average = _copy(self.model)
        self.best = _copy(self.model)

    def epoch(self, report: Report = silent) -> float:
        """Passes once over all training interactions; the mean loss, nats per interaction.

        The seed is set from the epoch, so that a resumed run draws what an unbroken one would.

        Args:
            report: told the batches done.
        """
        epoch = self.course.epoch + 1
        torch.manual_seed(self.seed * 1_000_003 + epoch)
        rng = generator(self.seed, epoch)
        batches = self.batches(rng)
        self.model.train()
        losses: list[float] = []
        for number, batch in enumerate(batches):
            self._set_rate(self.course.epoch + number / len(batches))
            losses.append(self.step(batch))
            report("epoch", number + 1, len(batches), f"loss {losses[-1]:.3f}")
        self.course.epoch = epoch
        return sum(losses) / len(losses)

    def batches(self, rng: np.random.Generator) -> list[list[Items]]:
        """The windows of histories of each step of an epoch."""
        cut = windows(self.split.train, self.config.max_seq + 1, rng)
        positions = self.config.batch_positions
        drawn = length_batches(cut, self.config.batch_size, rng, positions=positions)
        return [[cut[row] for row in rows] for rows in drawn]

    def _set_rate(self, epochs: float) -> None:
        """The learning rate after so many epochs: it warms up, stays, and falls at the end."""
        left = 1 - epochs / self.config.max_epochs
        falling = min(1, left / self.config.decay_share) if self.config.decay_share else 1
        warming = min(1, (self.course.step + 1) / WARM_UP_STEPS)
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * warming * falling

    def step(self, histories: Sequence[Items]) -> float:
        """One step of the optimiser on windows of histories; the mean loss, nats."""
        self.course.step += 1
        self.optimiser.zero_grad()
        loss = self._loss(left_aligned(histories).to(self.device))
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), GRADIENT_NORM)
        self.optimiser.step()
        self._follow()
        return float(loss.detach())

    @torch.no_grad()
    def _follow(self) -> None:
        """Moves the running mean of the weights, which is what is validated and kept.

        Early on it forgets faster, so that the random start does not weigh.
        """
        steps = self.course.step
        keep = min(self.config.average_decay, steps / (steps + AVERAGE_WARM_UP))
        weights = self.model.state_dict()
        average = [self.average[name] for name in weights]
        torch._foreach_lerp_(average, list(weights.values()), 1 - keep)

    def _loss(self, items: Tensor) -> Tensor:
        """Mean cross-entropy of each next item of [batch, seq + 1] given those before it.

        The newest item of a row is a target alone, so it is no input either.
        """
        targets = items[:, 1:]
        learned = targets != 0
        inputs = items[:, :-1] * learned
        narrow = self.config.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=narrow):
            return next_item_loss(
                self.model.left_aligned(inputs)[learned],
                targets[learned],
                self.model.item_embedding.weight,
                negatives=self.negatives,
            )

    def refuse_diverged(self, loss: float) -> None:
        """Raises Diverged where the epoch's loss or the weights after it say so."""
        if has_diverged(loss, self.average.values()):
            rate = f"lower base.learning_rate (now {self.config.learning_rate:g})"
            raise Diverged("base model", f"in epoch {self.course.epoch}", rate)

    def validate(self, report: Report = silent) -> float:
        """Validation NDCG@10 of the averaged weights; the best are kept."""
        averaged = self.averaged_model()
        found = ranks_on_validation(
            averaged.slate_scores, averaged, self.split, self.device, report
        )
        reached = ndcg(found, K)
        if reached > self.course.best_ndcg:
            self.course.best_ndcg, self.course.best_epoch = reached, self.course.epoch
            self.best = _copy(averaged)
        return reached

    def averaged_model(self) -> Sasrec:
        """The model whose weights are the running mean, ready to score."""
        model = Sasrec(self.model.shape).to(self.device)
        model.load_state_dict(self.average)
        return model.eval()

    def state(self) -> dict[str, Any]:
        """Everything that the next epoch depends on."""
        return {
            "model": self.model.state_dict(),
            "average": self.average,
            "best": self.best,
            "optimiser": self.optimiser.state_dict(),
            "course": asdict(self.course),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to a saved state."""
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average = self._placed(state["average"])
        self.best = self._placed(state["best"])
        self.course = Course(**state["course"])

    def _placed(self, weights: Weights) -> Weights:
        return {name: weight.to(self.device) for name, weight in weights.items()}

    def best_model(self) -> Sasrec:
        """The model as it was at its best validation, ready to score."""
        self.model.load_state_dict(self.best)
        return self.model.eval()


def train_base(
    trainer: BaseTrainer, checkpoint: Path | None = None, report: Report = silent
) -> Sasrec:
    """The best model of a run that goes on from `checkpoint` if it exists, and saves to it.

    Raises:
        Diverged: the loss or the weights grew out of all bounds; the last state before is kept.
        DamagedFile: the checkpoint is not as it was saved.
    """
    resume(checkpoint, trainer.restore)
    if not trainer.course.is_over(trainer.config):
        report("base model", trainer.course.epoch, trainer.config.max_epochs)
    while not trainer.course.is_over(trainer.config):
        learning, validating = _within_epoch(trainer, report)
        with _timed(trainer.course):
            loss = trainer.epoch(learning)
            trainer.refuse_diverged(loss)
            reached = trainer.validate(validating)
        if checkpoint:
            save_checkpoint(checkpoint, trainer.state())
        note = f"loss {loss:.3f}  ndcg@10 {reached:.4f}  best {trainer.course.best_ndcg:.4f}"
        is_over = trainer.course.is_over(trainer.config)
        epochs = trainer.course.epoch if is_over else trainer.config.max_epochs
        report("base model", trainer.course.epoch, epochs, note)
    return trainer.best_model()


def _within_epoch(trainer: BaseTrainer, report: Report) -> tuple[Report, Report]:
    """Reports of the batches of an epoch, and of its validation, as shares of the epoch."""
    epoch, most = trainer.course.epoch, trainer.config.max_epochs

    def learning(step: str, done: float, total: int, note: str = "") -> None:  # noqa: ARG001
        report("base model", epoch + LEARNING_SHARE * done / total, most, note)

    def validating(step: str, done: float, total: int, note: str = "") -> None:  # noqa: ARG001
        within = LEARNING_SHARE + (VALIDATED_SHARE - LEARNING_SHARE) * done / total
        report("base model", epoch + within, most, f"{done:,.0f} of {total:,} users validated on")

    return learning, validating


@contextmanager
def _timed(course: Course) -> Iterator[None]:
    """Adds what the body takes to the course."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    yield
    course.wall_s += time.perf_counter() - wall_s
    course.cpu_s += time.process_time() - cpu_s


def _optimiser(model: Sasrec, config: BaseModelConfig) -> torch.optim.Optimizer:
    matrices = [p for p in model.blocks.parameters() if p.ndim > 1]
    decayed = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in decayed]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98), fused=True)


def _copy(model: Sasrec) -> Weights:
    return {name: weight.detach().clone() for name, weight in model.state_dict().items()}

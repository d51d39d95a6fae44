"""What parts of a run take, timed on a few real calls."""

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Final, TypeVar

import numpy as np
import torch
from torch import Tensor

from training.attributes import AttributeTable, attribute_table
from training.batches import Items, generator
from training.co_occurrence import CLUSTER_DIMENSIONS, KMEANS_STARTS, k_means, readers
from training.dosing import Subjects, Target
from training.evaluate import (
    EVALUATION_BATCH,
    evaluated_at_once,
    hidden_states,
    ranks_on_validation,
)
from training.imitation import effects
from training.labels import clarity
from training.memory import rows_of_hidden
from training.pipeline import Run
from training.random_shifts import NORM_SHARES
from training.sae import Sae
from training.sasrec import Sasrec
from training.split import LeaveOneOut
from training.study.cohorts import Rows, audience_at_test, audience_at_validation
from training.study.outcomes import Yardstick
from training.train_base import BaseTrainer
from training.train_sae import SaeTrainer
from training.trial import TrialSettings, trial

TIMED_S: Final = 0.4
"""Seconds after which no further step of one kind is timed."""
MOST_CALLS: Final = 5
"""Of one thing that is timed, however short it is; the first also warms up."""
SAMPLED_USERS: Final = 200
"""Users on whom effects and doses are timed."""
SVD_PRODUCTS: Final = 1_000
"""Products with the readers' matrix that its singular vectors take, about."""
TIMED_ROUNDS: Final = 20
"""Of k-means that are timed."""
ROUNDS_OVER_TIMED: Final = 3
"""How many times as many one start takes until it settles, about."""

Thing = TypeVar("Thing")


class Measured:
    """Untrained models of a run's shapes, and what parts of the run take with them.

    The time of a step depends on shapes, hardly on weights. Nothing of the work folder is read: a
    damaged file there would be made anew.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.config = run.config
        self.split: LeaveOneOut = run.split
        self.n_items = run.dataset.n_items
        self.n_positions = sum(map(len, self.split.train))

    @cached_property
    def trainer(self) -> BaseTrainer:
        """Of the base model, at its start."""
        return self.run.base_trainer()

    @cached_property
    def model(self) -> Sasrec:
        """The base model."""
        return self.trainer.averaged_model()

    @cached_property
    def n_held(self) -> int:
        """Positions whose hidden states are held at once."""
        return min(self.n_positions, rows_of_hidden(self.config.base.d_model))

    @cached_property
    def some_histories(self) -> list[Items]:
        """Training histories, drawn at random."""
        order = generator(self.config.seed, 21).permutation(len(self.split.train))
        return [self.split.train[row] for row in order[:EVALUATION_BATCH]]

    @cached_property
    def hidden(self) -> tuple[Tensor, Tensor]:
        """Hidden states of some histories, and the items read there."""
        return hidden_states(
            self.model, self.some_histories, self.run.block, device=self.run.device
        )

    @cached_property
    def sae_trainer(self) -> SaeTrainer:
        """Of the SAE, at its start, on some of what it will learn from."""
        return SaeTrainer(self.config.sae, self.hidden[0], seed=self.config.sae_seed)

    @cached_property
    def sae(self) -> Sae:
        """The SAE."""
        return self.sae_trainer.sae.folded(self.sae_trainer.scale)

    @cached_property
    def table(self) -> AttributeTable:
        """The attribute values that cards measure."""
        return attribute_table(self.run.dataset, self.config.cards.min_items)

    @cached_property
    def ranking_s(self) -> float:
        """Seconds to rank the next item of one user."""
        part = first_users(self.split, evaluated_at_once(self.n_items))
        ranked = seconds(
            lambda: ranks_on_validation(self.model.slate_scores, self.model, part, self.run.device)
        )
        return ranked / len(part.validation_users)

    @cached_property
    def hidden_s(self) -> float:
        """Seconds to compute the hidden state of one position, with those beside it."""
        histories, device = self.some_histories, self.run.device
        taken = seconds(lambda: hidden_states(self.model, histories, self.run.block, device=device))
        return taken / max(1, sum(map(len, histories)))

    def subjects(self, n: int) -> Subjects:
        """Some carded users, every feature's reference activation 1."""
        run, positions = self.run, self.config.hook_point.positions
        rows = run.cohorts.carded[:n]
        people = audience_at_test(self.model, run.block, self.split, rows)
        return Subjects.at(people, self.sae, positions, torch.ones(self.config.sae.d_sae))


def clusters_s(measured: Measured) -> float:
    """Seconds for clusters of items: products with the readers' matrix, then k-means."""
    read = readers(measured.split.train, measured.n_items).astype(np.float64)
    users, rng = np.ones(read.shape[1]), generator(measured.config.seed, 22)
    product_s = seconds(lambda: read.T @ (read @ users))
    points = rng.standard_normal((measured.n_items, CLUSTER_DIMENSIONS))
    n, seed = min(measured.config.cards.label_clusters, measured.n_items), measured.config.seed
    start_s = seconds(lambda: k_means(points, n, seed, rounds=TIMED_ROUNDS, starts=1))
    return SVD_PRODUCTS * product_s + KMEANS_STARTS * ROUNDS_OVER_TIMED * start_s


def clarity_s(measured: Measured) -> float:
    """Seconds to find what one feature answers to."""
    cards, sae = measured.config.cards, measured.config.sae
    rng, n_rows = generator(measured.config.seed, 23), min(cards.max_positions, measured.n_held)
    read = np.resize(measured.hidden[1].cpu().numpy(), n_rows)
    carried = np.hstack(
        [measured.table.carries[read], rng.random((n_rows, cards.label_clusters)) < 0.03]
    )
    firing = (sae.k if sae.is_counted else sae.d_sae / 10) / sae.d_sae
    rows = rng.permutation(n_rows)[: int(firing * n_rows)]
    return seconds(lambda: clarity(rng.random(len(rows)), carried[rows], carried))


def effect_s(measured: Measured, choosers: Rows) -> float:
    """Seconds to find what one feature does to the scores of one user."""
    rows = choosers[:SAMPLED_USERS]
    people = audience_at_validation(measured.model, measured.run.block, measured.split, rows)
    vectors, carries = measured.sae.W_dec.detach()[:3], measured.table.carries
    taken = seconds(lambda: effects(people, vectors, carries))
    return taken / (len(vectors) * max(1, len(rows)))


def dose_and_random_s(measured: Measured) -> tuple[float, float]:
    """Seconds of one user under one dose: of a feature, and of a random direction."""
    subjects = measured.subjects(SAMPLED_USERS)
    table, seed = measured.table, measured.config.seed
    config = measured.config.cards.effects.model_copy(update={"random_directions": 1})
    settings = TrialSettings(table, Yardstick.of(table, measured.split.train), config, seed)
    began = time.perf_counter()
    tried = trial(subjects, settings)
    random_s = (time.perf_counter() - began) / len(NORM_SHARES)
    strengths = (0.0, 1.0, 2.0, 4.0)
    taken = seconds(lambda: tried.responses(Target.one(0), 0, {"ADD": strengths}))
    return taken / (len(strengths) - 1) / subjects.n_users, random_s / subjects.n_users


def first_users(split: LeaveOneOut, n: int) -> LeaveOneOut:
    """The split with at most so many evaluated users."""
    return LeaveOneOut(
        split.train,
        split.validation_users[:n],
        split.validation_inputs[:n],
        split.validation_targets[:n],
        split.test_users[:n],
        split.test_inputs[:n],
        split.test_targets[:n],
    )


def seconds(action: Callable[[], object]) -> float:
    """Median seconds of a call."""
    return float(np.median(_timed(lambda _: action(), range(MOST_CALLS))))


def seconds_each(action: Callable[[Thing], object], things: Sequence[Thing]) -> float:
    """Mean seconds of a call with each of some things, which differ."""
    return float(np.mean(_timed(action, things)))


def _timed(action: Callable[[Thing], object], things: Sequence[Thing]) -> list[float]:
    """Seconds of calls until TIMED_S are over; the first does not count unless it is the only one.

    0 where there is nothing to call with.
    """
    taken: list[float] = []
    for thing in things:
        began = time.perf_counter()
        action(thing)
        taken.append(time.perf_counter() - began)
        if sum(taken) > TIMED_S:
            break
    return taken[1:] or taken or [0.0]

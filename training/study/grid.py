"""Which autoencoders a sweep trains: one thing varied at a time around a centre, and width x k."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from model_store.manifest import SaeKind, Share
from training.config import Count, JumpReluConfig, Rate, ReluConfig, SaeConfig, Settings

COUNTED = (SaeKind.TOPK, SaeKind.BATCHTOPK)
"""Kinds that read k."""


class Training(Settings):
    """Another way to train: what it leaves out is the run's own."""

    learning_rate: Rate | None = None
    """Of Adam."""
    max_positions: Count | None = None
    """Most positions of the training histories, beside the newest ones."""
    steps: Count | None = None
    """Of the optimiser."""


class SweepSettings(Settings):
    """The grid, what is measured of each autoencoder, and what the selection asks for.

    What the grid does not vary (steps, batch size, learning rates ...) is the run's own `sae`.
    """

    kinds: tuple[SaeKind, ...] = tuple(SaeKind)
    """Compared at the centre; the first is the centre's."""
    centre_width_factor: Count = 16
    """Features for each hidden dimension, at the centre."""
    centre_k: Count = 32
    """Active features for each position, at the centre."""
    centre_block: Count | None = None
    """Hook at the centre; None: after the last block."""
    blocks: tuple[int, ...] | None = None
    """Hooks compared at the centre; None: after each block and after the final norm."""
    width_factors: tuple[Count, ...] = (4, 8, 16, 32)
    """Crossed with `ks`."""
    ks: tuple[Count, ...] = (16, 32, 48)
    """Crossed with `width_factors`."""
    crossed_kinds: tuple[SaeKind, ...] = COUNTED
    """Kinds whose widths and ks are crossed."""
    l1_weights: tuple[Rate, ...] = (0.01, 0.03)
    """Of RELU, each an autoencoder of the centre's width."""
    l0_weights: tuple[Rate, ...] = (0.0004, 0.0012)
    """Of JUMPRELU, the same."""
    trainings: tuple[Training, ...] = ()
    """Other ways to train the centre, by each counted kind."""
    stability_seeds: tuple[int, ...] = (1, 2)
    """Seeds with which the centre's counted kinds are trained again, to see what stays."""
    steps: Count | None = None
    """Optimiser steps of each; None: as many as the run's own."""
    max_positions: Count = 200_000
    """Positions of the training histories on which activations are measured."""
    moments_per_user: Count = 10
    """Newest positions of each user on which interpretability is measured."""
    max_moments: Count = 12_000
    """At most so many of them."""
    min_items: Count = 20
    """Fewest items of an attribute value that is asked about."""
    max_values: Count = 60
    """Most values of the catalogue that are asked about, those with the most interactions."""
    draws: Count = 1_000
    """Of users, for the interval of the NDCG kept."""
    kept_goal: Share = 0.985
    """Least NDCG@10 kept on validation items."""
    dead_goal: Share = 0.01
    """Share of dead features that must not be reached."""
    sparsity_tolerance: Share = 0.1
    """How far above the least L0 an autoencoder counts as equally sparse."""
    interpretability_tolerance: Share = 0.005
    """How far below the best figure one counts as equally interpretable."""


QUICK_SWEEP = SweepSettings(
    kinds=(SaeKind.TOPK, SaeKind.BATCHTOPK),
    centre_width_factor=4,
    centre_k=16,
    width_factors=(2, 4),
    ks=(8, 16),
    crossed_kinds=(SaeKind.TOPK,),
    stability_seeds=(1,),
    steps=200,
    max_positions=20_000,
    max_moments=2_000,
    draws=200,
)
"""Half a minute on ml-100k."""


@dataclass(frozen=True)
class Cell:
    """One autoencoder of a sweep."""

    kind: SaeKind
    """How it is sparse."""
    block: int
    """Its hook; n_blocks + 1 is after the final norm."""
    width_factor: int
    """Features for each hidden dimension."""
    k: int | None
    """Active features; None where the penalty decides."""
    penalty: float | None
    """Weight of L1 or L0; None where k decides."""
    seed: int | None = None
    """Of weights and batches; None: the run's, which the base model always has."""

    training: Training | None = None
    """How it is trained; None: as the run trains."""

    def config(self, base: SaeConfig, d_model: int, steps: int | None) -> SaeConfig:
        """How it is trained: `base`, with what the cell says."""
        # What a kind does not read has its default, so that it never trains one cell twice.
        unread = {"k": SaeConfig().k, "relu": ReluConfig(), "jumprelu": JumpReluConfig()}
        place = {"block": self.block, "seed": self.seed, "d_sae": self.width_factor * d_model}
        given = {
            "kind": self.kind,
            "steps": steps or base.steps,
            **place,
            **unread,
            **self._sparse(),
        }
        own = self.training.model_dump(exclude_none=True) if self.training else {}
        return SaeConfig.model_validate(base.model_dump() | given | own)

    def _sparse(self) -> dict[str, object]:
        if self.penalty is None:
            return {"k": self.k}
        if self.kind is SaeKind.RELU:
            return {"relu": ReluConfig(l1_weight=self.penalty)}
        return {"jumprelu": JumpReluConfig(l0_weight=self.penalty)}


def cells(settings: SweepSettings, n_blocks: int) -> tuple[Cell, ...]:
    """Every autoencoder of the sweep once, the centre first, those of one hook together."""
    centre = centre_of(settings, n_blocks)
    found = [centre]
    for kind in settings.kinds:
        found += _at_centre(settings, replace(centre, kind=kind))
    for kind in settings.crossed_kinds:
        found += _crossed(settings, replace(centre, kind=kind))
    for cell in reseeded(settings, centre):
        found += [replace(cell, seed=seed) for seed in settings.stability_seeds]
        found += [replace(cell, training=training) for training in settings.trainings]
    found += [replace(centre, block=block) for block in hooks(settings, n_blocks)]
    return tuple(sorted(dict.fromkeys(found), key=lambda cell: cell.block != centre.block))


def centre_of(settings: SweepSettings, n_blocks: int) -> Cell:
    """The autoencoder around which the sweep varies one thing at a time."""
    block = settings.centre_block or n_blocks
    return Cell(
        settings.kinds[0], block, settings.centre_width_factor, settings.centre_k, penalty=None
    )


def hooks(settings: SweepSettings, n_blocks: int) -> Sequence[int]:
    """The hooks compared."""
    return settings.blocks if settings.blocks is not None else range(1, n_blocks + 2)


def reseeded(settings: SweepSettings, centre: Cell) -> Iterator[Cell]:
    """The cells that are trained again with other seeds: the centre, by each counted kind."""
    for kind in settings.kinds:
        if kind in COUNTED:
            yield replace(centre, kind=kind)


def _at_centre(settings: SweepSettings, centre: Cell) -> Iterator[Cell]:
    if centre.kind in COUNTED:
        yield centre
        return
    weights = settings.l1_weights if centre.kind is SaeKind.RELU else settings.l0_weights
    for weight in weights:
        yield replace(centre, k=None, penalty=weight)


def _crossed(settings: SweepSettings, centre: Cell) -> Iterator[Cell]:
    for width in settings.width_factors:
        for k in settings.ks:
            yield replace(centre, width_factor=width, k=k)

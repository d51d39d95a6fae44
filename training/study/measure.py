"""Cells of a sweep, trained on one base model and measured on the same positions, users, moments.

Each autoencoder is kept in the work folder as any run's is, and its figures beside it.
"""

import json
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.batches import generator
from training.evaluate import sampled_rows
from training.pipeline import Run
from training.study.fidelity import (
    Bools,
    Floats,
    ReadUsers,
    best_separation,
    gains,
    kept_share,
    read_users,
    reconstruction,
)
from training.study.grid import Cell, SweepSettings, centre_of
from training.study.moments import Moments, newest_hidden, sampled_moments
from training.study.selection import SaeRow
from training.study.stages import fingerprint, write_whole
from training.study.values import study_values

ROW_REVISION = 1
"""Raised when the same autoencoder gives another row: rows are measured again."""
MEASURED_BY = {
    "max_positions",
    "moments_per_user",
    "max_moments",
    "min_items",
    "max_values",
    "draws",
}
"""Settings that a row depends on."""


class Hook:
    """What autoencoders of one hook are trained and measured on, read when it is asked for."""

    def __init__(self, run: Run, block: int, moments: Moments, settings: SweepSettings) -> None:
        self.block = block
        self.run = run.with_sae(run.config.sae.model_copy(update={"block": block}))
        self._moments = moments
        self._settings = settings

    @property
    def name(self) -> str:
        """In words."""
        return hook_name(self.block, self.run.config.base.n_blocks)

    @cached_property
    def positions(self) -> Tensor:
        """Hidden states of sampled positions of the training histories [rows, d_model]."""
        hidden, _ = self.run.read_positions
        return sampled_rows(hidden, self._settings.max_positions, self.run.config.seed)

    @cached_property
    def newest(self) -> Tensor:
        """Hidden states at the moments [rows, d_model]."""
        return newest_hidden(self.run.base_model, self._moments.begun, self.block)

    @cached_property
    def users(self) -> ReadUsers:
        """The validation users."""
        return read_users(self.run.base_model, self.run.split, self.block)


def hook_name(block: int, n_blocks: int) -> str:
    """What tables call the hook after `block`."""
    return f"block {block}" if block <= n_blocks else "final norm"


class Measure:
    """Trains cells and measures them; every hook is read once, one at a time is held."""

    def __init__(self, run: Run, settings: SweepSettings) -> None:
        self.run = run
        self.settings = settings
        self._hook: Hook | None = None

    @cached_property
    def moments(self) -> Moments:
        """Newest positions on which interpretability is measured."""
        settings = self.settings
        return sampled_moments(
            self.run.split.train,
            per_user=settings.moments_per_user,
            seed=self.run.config.seed,
            at_most=settings.max_moments,
        )

    @cached_property
    def labels(self) -> Bools:
        """Whether the last item carries each attribute value [moments, n_values]."""
        values = study_values(
            self.run.dataset,
            self.run.split.train,
            min_items=self.settings.min_items,
            max_values=self.settings.max_values,
            n_clusters=0,
            seed=self.run.config.seed,
        )
        return values.table.carries[self.moments.last_items]

    @cached_property
    def base_gains(self) -> Floats:
        """Gain of each validation user without an autoencoder [n]."""
        first = centre_of(self.settings, self.run.config.base.n_blocks).block
        return gains(self.hook(first).users.ranks())

    def row(self, cell: Cell) -> SaeRow:
        """The cell's figures: read where they are kept, else measured."""
        run = self.run_of(cell)
        path = self._path(run)
        if (kept := _kept_row(path)) is not None:
            own = cell.training.model_dump() if cell.training else {}
            return SaeRow(**kept | own)
        row = self._measured(cell, run)
        write_whole(path, json.dumps(asdict(row)))
        return row

    def run_of(self, cell: Cell) -> Run:
        """The run that trains the cell's autoencoder."""
        config, d_model = self.run.config.sae, self.run.config.base.d_model
        return self.hook(cell.block).run.with_sae(cell.config(config, d_model, self.settings.steps))

    def hook(self, block: int) -> Hook:
        """The hook after `block`."""
        if self._hook is None or self._hook.block != block:
            self._hook = None
            self._hook = Hook(self.run, block, self.moments, self.settings)
        return self._hook

    @torch.no_grad()
    def _measured(self, cell: Cell, run: Run) -> SaeRow:
        sae, hook = run.sae, self.hook(cell.block)
        kept = kept_share(gains(hook.users.ranks(sae)), self.base_gains, self._drawn_users)
        return SaeRow(
            kind=cell.kind.value,
            block=cell.block,
            hook=hook.name,
            d_sae=sae.shape.d_sae,
            width_factor=cell.width_factor,
            k=cell.k,
            penalty=cell.penalty,
            seed=run.config.sae_seed,
            **reconstruction(sae, hook.positions)._asdict(),
            ndcg_kept_share=kept.share,
            ndcg_kept_low=kept.low,
            ndcg_kept_high=kept.high,
            interpretability=best_separation(
                sae.encode(hook.newest).cpu().numpy(), self.labels, self._picks
            ),
            train_s=run.sae_train_s,
            **(cell.training.model_dump() if cell.training else {}),
        )

    @cached_property
    def _picks(self) -> Bools:
        """Moments of the half of the users that picks features."""
        drawn = generator(self.run.config.seed, 8).random(len(self.run.split.train)) < 0.5
        return drawn[self.moments.users]

    @cached_property
    def _drawn_users(self) -> Floats:
        """How often each bootstrap draw has each validation user [draws, n]."""
        n, rng = len(self.run.split.validation_users), generator(self.run.config.seed, 7)
        drawn = rng.multinomial(n, [1 / n] * n, size=self.settings.draws)
        return drawn.astype("float64")

    def _path(self, run: Run) -> Path:
        """Of a row, under everything that it depends on."""
        measured = self.settings.model_dump(mode="json", include=MEASURED_BY)
        items = [[item.title, dict(item.attributes)] for item in self.run.dataset.items]
        folder = self.run.work_dir / "sweep"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{fingerprint(ROW_REVISION, run.keys['sae'], measured, items)}.json"


def _kept_row(path: Path) -> dict[str, Any] | None:
    """The fields of a row in the file; None where there is none, or the file is damaged."""
    try:
        kept = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return kept if isinstance(kept, dict) else None

"""The sweep over autoencoders: hook, kind, width and k, and the one that the rule picks.

Each autoencoder is kept in the work folder as any run's is, and each row of figures beside it, so
that a sweep that was stopped goes on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from model_store.manifest import SaeKind
from training.pipeline import Run
from training.progress import Report, silent
from training.stability import stable_share
from training.study.grid import QUICK_SWEEP, Cell, SweepSettings, Training, cells
from training.study.measure import Measure
from training.study.selection import RULE, SaeRow, SelectionRule, reaches_goals, selected_row

__all__ = [
    "QUICK_SWEEP",
    "SaeRow",
    "Selected",
    "StablePair",
    "SweepSettings",
    "SweepStudy",
    "cell_of",
    "study_of",
]

STABILITY_ROWS = 50_000
"""Positions on which activations of two seeds are compared."""


@dataclass(frozen=True)
class StablePair:
    """Two autoencoders that differ in nothing but their seed."""

    kind: str
    """Of both."""
    block: int
    """Their hook."""
    d_sae: int
    """Features of each."""
    k: int
    """Active features of each."""
    seed: int
    """Of the one."""
    other_seed: int
    """Of the other."""
    stable_share: float
    """Share of the one's features with a partner in the other: decoder cosine and correlation of
    activations above 0.8."""


@dataclass(frozen=True)
class Selected:
    """What the rule picked."""

    row: SaeRow
    """Its figures."""
    reaches_goals: bool
    """Whether it keeps enough NDCG and has few enough dead features."""
    is_in_use: bool
    """Whether it is what the run's own config trains."""
    test_ndcg_at_10: float
    """NDCG@10 on test items with its reconstruction; read for this one alone."""
    test_ndcg_kept_share: float
    """That over the base model's."""


@dataclass(frozen=True)
class SweepStudy:
    """Every autoencoder of the grid; `dataclasses.asdict` of it is JSON."""

    validation_ndcg_at_10: float
    """Of the base model."""
    d_model: int
    """Width of the hidden state."""
    n_blocks: int
    """Transformer blocks; hook n_blocks + 1 is after the final norm."""
    n_positions: int
    """Positions of training histories measured."""
    n_moments: int
    """Newest positions on which interpretability was measured."""
    n_values: int
    """Attribute values asked about."""
    n_users: int
    """Validation users."""
    rows: tuple[SaeRow, ...]
    """The centre first."""
    stability: tuple[StablePair, ...]
    """The centre's counted kinds against their other seeds."""
    kept_goal: float
    """Of the rule."""
    dead_goal: float
    """Of the rule."""
    selected: Selected
    """By the rule."""
    rule: str
    """The rule, in words."""


def study_of(run: Run, settings: SweepSettings, report: Report = silent) -> SweepStudy:
    """Every autoencoder of the grid on the run's base model, and the one that the rule picks."""
    measure = Measure(run, settings)
    n_blocks = run.base_model.shape.n_blocks
    grid = cells(settings, n_blocks)
    rows = []
    for done, cell in enumerate(grid, start=1):
        rows.append(measure.row(cell))
        report("sweep", done, len(grid), f"{cell.kind} {rows[-1].ndcg_kept_share:.3f} kept")
    rule = rule_of(settings)
    asked = [row for row, cell in zip(rows, grid, strict=True) if _is_asked(cell, n_blocks)]
    chosen = selected_row(asked or rows, rule)
    return SweepStudy(
        validation_ndcg_at_10=float(measure.base_gains.mean()),
        d_model=run.base_model.shape.d_model,
        n_blocks=n_blocks,
        n_positions=min(settings.max_positions, sum(map(len, run.split.train))),
        n_moments=len(measure.moments.users),
        n_values=measure.labels.shape[1],
        n_users=len(run.split.validation_targets),
        rows=tuple(rows),
        stability=tuple(_stability(measure, grid)),
        kept_goal=rule.kept_goal,
        dead_goal=rule.dead_goal,
        selected=_selected(measure, chosen, grid[rows.index(chosen)], rule),
        rule=RULE,
    )


def _is_asked(cell: Cell, n_blocks: int) -> bool:
    """Whether the rule may pick the cell; see `selection`."""
    return cell.seed is None and cell.block >= n_blocks


def cell_of(row: SaeRow) -> Cell:
    """The cell whose row it is, but for a seed of its own."""
    own = (row.learning_rate, row.max_positions, row.steps)
    training = Training(learning_rate=own[0], max_positions=own[1], steps=own[2])
    return Cell(
        SaeKind(row.kind),
        row.block,
        row.width_factor,
        row.k,
        row.penalty,
        training=None if training == Training() else training,
    )


def rule_of(settings: SweepSettings) -> SelectionRule:
    """The bounds of the selection."""
    return SelectionRule(
        settings.kept_goal,
        settings.dead_goal,
        settings.sparsity_tolerance,
        settings.interpretability_tolerance,
    )


def _stability(measure: Measure, grid: Sequence[Cell]) -> Iterator[StablePair]:
    """Each cell with a seed of its own against the same cell with the run's."""
    for other in grid:
        if other.seed is None or other.k is None:
            continue
        run, reseeded = measure.run_of(replace(other, seed=None)), measure.run_of(other)
        hidden = measure.hook(other.block).positions[:STABILITY_ROWS]
        yield StablePair(
            kind=other.kind.value,
            block=other.block,
            d_sae=run.sae.shape.d_sae,
            k=other.k,
            seed=run.config.sae_seed,
            other_seed=reseeded.config.sae_seed,
            stable_share=stable_share(run.sae, reseeded.sae, hidden),
        )


def _selected(measure: Measure, row: SaeRow, cell: Cell, rule: SelectionRule) -> Selected:
    run = measure.run_of(cell)
    return Selected(
        row=row,
        reaches_goals=reaches_goals(row, rule),
        is_in_use=run.keys["sae"] == measure.run.keys["sae"],
        test_ndcg_at_10=run.metrics["sae_ndcg_at_10"],
        test_ndcg_kept_share=run.metrics["sae_ndcg_kept_share"],
    )

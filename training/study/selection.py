"""Which autoencoder of a sweep is used: one written rule.

0. Asked are those whose hook has no block above it: there an edit moves one position and costs no
   second pass through a block. All have the run's own seed.
1. It keeps enough of the NDCG@10 (on validation items) and has few enough dead features.
2. Of those, the least L0; what lies within the tolerance of it is equally sparse.
3. Of those, the most interpretable; what lies within its tolerance is equally interpretable.
4. Of those, the one with the fewest features, then the most NDCG kept.

Where none keeps enough, the one that keeps most among those with few enough dead features is used,
and the study says that the goal was missed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

RULE: Final = (
    "Of the autoencoders with no block above their hook that keep enough NDCG@10 on validation "
    "items and have few enough dead features, the one with the least L0; of those within the "
    "tolerance of it, the most interpretable; of those within its tolerance, the one with the "
    "fewest features, then the one that keeps most."
)
"""What reports say of the rule."""


@dataclass(frozen=True)
class SaeRow:
    """One autoencoder, measured."""

    kind: str
    """topk, batchtopk, relu or jumprelu."""
    block: int
    """Its hook: after this block; n_blocks + 1 is after the final norm."""
    hook: str
    """The same in words: `block 2` or `final norm`."""
    d_sae: int
    """Features."""
    width_factor: int
    """Features for each hidden dimension."""
    k: int | None
    """Active features asked for; None where a penalty decides."""
    penalty: float | None
    """Weight of L1 (relu) or L0 (jumprelu); None where k decides."""
    seed: int
    """Of the autoencoder; the base model is the run's."""
    fvu: float
    """Unexplained share of the variance, on positions of the training histories."""
    cosine: float
    """Mean over these positions of the cosine between hidden state and reconstruction."""
    l0: float
    """Mean number of active features there."""
    dead_share: float
    """Share of features that never fire there."""
    ndcg_kept_share: float
    """NDCG@10 with the reconstruction in place of the hidden state, over that without;
    validation items."""
    ndcg_kept_low: float
    """Lower end of its 95 % bootstrap interval over users."""
    ndcg_kept_high: float
    """Upper end."""
    interpretability: float
    """Mean over attribute values of the best feature's ROC AUC against the last item; the feature
    is picked on one half of the users and scored on the other."""
    train_s: float
    """Wall seconds of its training."""
    learning_rate: float | None = None
    """Its own; None: the run's."""
    max_positions: int | None = None
    """Positions that it learns from, beside newest ones; None: as many as the run."""
    steps: int | None = None
    """Of its training; None: as many as the run."""


@dataclass(frozen=True)
class SelectionRule:
    """The bounds of the rule."""

    kept_goal: float
    """Least NDCG kept."""
    dead_goal: float
    """Dead share that must not be reached."""
    sparsity_tolerance: float
    """Relative, above the least L0."""
    interpretability_tolerance: float
    """Absolute, below the best ROC AUC."""


def reaches_goals(row: SaeRow, rule: SelectionRule) -> bool:
    """Whether a row keeps enough and has few enough dead features."""
    return row.ndcg_kept_share >= rule.kept_goal and row.dead_share < rule.dead_goal


def selected_row(rows: Sequence[SaeRow], rule: SelectionRule) -> SaeRow:
    """The row that the rule picks of one or more; see the module."""
    enough = [row for row in rows if reaches_goals(row, rule)]
    if not enough:
        return _fallback(rows, rule)
    sparsest = min(row.l0 for row in enough)
    sparse = [row for row in enough if row.l0 <= sparsest * (1 + rule.sparsity_tolerance)]
    best = max(row.interpretability for row in sparse)
    clear = [
        row for row in sparse if row.interpretability >= best - rule.interpretability_tolerance
    ]
    return min(clear, key=lambda row: (row.d_sae, -row.ndcg_kept_share))


def _fallback(rows: Sequence[SaeRow], rule: SelectionRule) -> SaeRow:
    living = [row for row in rows if row.dead_share < rule.dead_goal] or rows
    return max(living, key=lambda row: row.ndcg_kept_share)

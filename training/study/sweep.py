"""The sweep over autoencoders: hook, kind, width and k, and the one that the rule picks."""

from dataclasses import dataclass

from training.study.grid import QUICK_SWEEP, SweepSettings
from training.study.selection import SaeRow

__all__ = ["QUICK_SWEEP", "SaeRow", "Selected", "StablePair", "SweepSettings", "SweepStudy"]


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

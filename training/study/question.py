"""What every set of directions is asked: the same rows, labels, halves of users and items."""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import sparse

from training.attributes import AttributeTable
from training.batches import generator
from training.co_occurrence import co_occurrence
from training.config import Count, Settings
from training.study.moments import Moments
from training.study.monosemanticity import jaccard, shown_items

LAST, NEXT, SHARE = "last item", "next item", "history share"
TARGETS = (LAST, NEXT, SHARE)
"""What carries an attribute; of the history's share, the label is "above its median"."""
MAX_SHOWN = 4_000
"""Most items that may be top items: similarities of all pairs are held."""
DERIVED = ("popularity", "cluster")
"""Attribute names that the catalogue does not give."""

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Int64 = npt.NDArray[np.int64]


class InterpretationSettings(Settings):
    """How much is read, and how."""

    max_moments: Count = 20_000
    """Moments read; more are sampled down, the same number of each user as far as that goes."""
    per_user: Count = 20
    """Most moments of one training history."""
    min_items: Count = 10
    """Fewest items of an attribute value."""
    max_values: Count = 60
    """Most attribute values of the catalogue that are asked about: those read most often."""
    n_clusters: Annotated[int, Field(ge=0)] = 10
    """Co-occurrence clusters of items; 0: none."""
    min_item_count: Count = 5
    """Fewest times that a top item was read as the newest."""
    strongest_share: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """Part of the moments, where a direction is strongest, that precision looks at."""
    random_draws: Count = 3
    """Times that each random control is drawn."""
    draws: Count = 1_000
    """Times that users are drawn for an interval."""
    similarity_draws: Annotated[int, Field(ge=2)] = 20
    """The same for how alike top items are, which is costly."""
    untrained_steps: Count = 1_000
    """Most steps of the SAE of an untrained model."""
    n_examples: Count = 24
    """Features shown with their items."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of moments, halves, random directions, clusters and drawn users."""


@dataclass(frozen=True, eq=False)
class Question:
    """What every set is asked: the same rows, labels, halves and drawn users."""

    moments: Moments
    """The rows."""
    values: tuple[str, ...]
    """`name=value` of each attribute value."""
    labels: Bools
    """[rows, 3 n_values]: all values of each target, targets in the order of TARGETS."""
    picks: Bools
    """[rows] whether the row's user is in the half that picks."""
    shown: Int64
    """Item indices that may be top items [n_shown]."""
    similarities: tuple[Floats, Floats]
    """Of shown items [n_shown, n_shown]: by attributes, by co-occurrence."""
    settings: InterpretationSettings
    """How much is read."""

    def columns(self, target: str) -> slice:
        """Where a target's labels stand."""
        start = TARGETS.index(target) * len(self.values)
        return slice(start, start + len(self.values))

    @cached_property
    def drawn_scoring(self) -> Floats:
        """Times that each row's user is drawn, of the half that scores [draws, rows of it]."""
        users = np.unique(self.moments.users[~self.picks], return_inverse=True)[1]
        return _drawn(users, self.settings.draws, self.settings.seed, 9)[:, users]

    @cached_property
    def drawn_rows(self) -> Floats:
        """Times that each row's user is drawn, among all users [similarity_draws, rows]."""
        users = np.unique(self.moments.users, return_inverse=True)[1]
        return _drawn(users, self.settings.similarity_draws, self.settings.seed, 10)[:, users]


def question(
    moments: Moments,
    table: AttributeTable,
    read: sparse.csr_array,
    settings: InterpretationSettings,
) -> Question:
    """The labels, halves and similarities of a study.

    Args:
        moments: what is read.
        table: attribute values of items.
        read: who read each item [n_items + 1, n_users], from `readers`.
        settings: halves and top items.
    """
    share = moments.share(table.carries)
    given = np.array([value.name not in DERIVED for value in table.values])
    last, following = table.carries[moments.last_items], table.carries[moments.next_items]
    shown = shown_items(moments.last_items, min_count=settings.min_item_count, at_most=MAX_SHOWN)
    return Question(
        moments=moments,
        values=tuple(f"{value.name}={value.value}" for value in table.values),
        labels=np.concatenate([last, following, share > np.median(share, axis=0)], axis=1),
        picks=picking_half(moments.users, settings.seed),
        shown=shown,
        similarities=(jaccard(table.carries[shown][:, given]), co_occurrence(read, shown)),
        settings=settings,
    )


def picking_half(users: Int64, seed: int) -> Bools:
    """[rows] whether each row's user is in one half of the users, drawn."""
    known = np.unique(users)
    half = generator(seed, 6).permutation(known)[: len(known) // 2]
    return np.isin(users, half)


def _drawn(users: Int64, draws: int, *key: int) -> Floats:
    """Times that each user is drawn with replacement, out of as many, [draws, n_users]."""
    n_users = int(users.max()) + 1
    even = np.full(n_users, 1 / n_users)
    return generator(*key).multinomial(n_users, even, size=draws).astype(np.float64)

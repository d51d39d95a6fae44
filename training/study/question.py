"""What every set of directions is asked: the same rows, labels, halves of users and items."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from training.attributes import AttributeTable
from training.batches import generator
from training.config import Count, Settings
from training.study.moments import Moments
from training.study.monosemanticity import jaccard

LAST, NEXT, SHARE = "last item", "next item", "history share"
DERIVED = ("popularity", "cluster")
"""Attribute names that the catalogue does not give."""

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


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
    n_examples: Count = 24
    """Features shown with their items."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of moments, halves, random directions, clusters and drawn users."""


@dataclass(frozen=True, eq=False)
class Question:
    """What every set is asked: the same rows, labels and halves."""

    moments: Moments
    """The rows."""
    values: tuple[str, ...]
    """`name=value` of each label column."""
    labels: dict[str, Bools]
    """By target, [rows, n_values]."""
    picks: Bools
    """[rows] whether the row's user is in the half that picks."""
    similarities: tuple[Floats, Floats]
    """Of items [n_items + 1, n_items + 1]: by attributes, by co-occurrence."""
    shown: Bools
    """[n_items + 1] items read often enough to be a top item."""
    settings: InterpretationSettings
    """How much is read."""


def question(
    moments: Moments, table: AttributeTable, cosine: Floats, settings: InterpretationSettings
) -> Question:
    """The labels, halves and similarities of a study.

    Args:
        moments: what is read.
        table: attribute values of items.
        cosine: co-occurrence of items [n_items + 1, n_items + 1].
        settings: halves and top items.
    """
    share = moments.share(table.carries)
    given = np.array([value.name not in DERIVED for value in table.values])
    return Question(
        moments=moments,
        values=tuple(f"{value.name}={value.value}" for value in table.values),
        labels={
            LAST: table.carries[moments.last_items],
            NEXT: table.carries[moments.next_items],
            SHARE: share > np.median(share, axis=0),
        },
        picks=_picking_half(moments.users, settings.seed),
        similarities=(jaccard(table.carries[:, given]), cosine),
        shown=np.bincount(moments.last_items, minlength=len(cosine)) >= settings.min_item_count,
        settings=settings,
    )


def _picking_half(users: npt.NDArray[np.int64], seed: int) -> Bools:
    known = np.unique(users)
    half = generator(seed, 6).permutation(known)[: len(known) // 2]
    return np.isin(users, half)

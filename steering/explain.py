"""What the activations of a history say: its most active features; an item's rank."""

import numpy as np
from numpy.typing import NDArray

from steering.space import Floats, Indices


def most_active(
    activations: Floats, reference: NDArray[np.float64], count: int
) -> list[tuple[int, float]]:
    """Up to `count` active features with their activations in reference units, strongest first.

    Args:
        activations: [d_sae] from the encoder.
        reference: [d_sae] reference activations; features without one are left out.
        count: how many.
    """
    alive = np.flatnonzero((activations > 0) & (reference > 0))
    strength = activations[alive] / reference[alive]
    order = np.argsort(-strength, kind="stable")[:count]
    return [(int(alive[i]), float(strength[i])) for i in order]


def ranks(scores: Floats, items: Indices) -> Indices:
    """Rank of each item, from 1, among all scores; ties: the smaller index first.

    Args:
        scores: [n_items + 1]; -inf where an item cannot be recommended.
        items: [n] item indices.
    """
    best_first = np.argsort(-scores, kind="stable")
    places = np.empty(len(scores), dtype=np.int64)
    places[best_first] = np.arange(1, len(scores) + 1)
    return places[items]

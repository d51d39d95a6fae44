"""How a shift of the hidden state moves each item's score, where that is linear."""

from functools import cached_property

import numpy as np

from model_store.bundle import Bundle
from steering.space import Floats, Indices


class ItemDirections:
    """The directions of one bundle's items; read from its graph when first asked for."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    @property
    def is_linear(self) -> bool:
        """Whether scores are linear in the hidden state: the hook is after the final norm."""
        manifest = self._bundle.manifest
        return manifest.hook_point.block == manifest.base_model.n_blocks + 1

    def moves(self, shifts: Floats, items: Indices) -> Floats:
        """[n, m] what shifts [n, d_model] add to the scores of items [m]."""
        return np.asarray(shifts @ self._directions[:, items])

    @cached_property
    def _directions(self) -> Floats:
        """[d_model, n_items + 1], the scores of each unit vector less those of none."""
        d_model = self._bundle.manifest.base_model.d_model
        hidden = np.concatenate([np.eye(d_model), np.zeros((1, d_model))]).astype(np.float32)
        items = np.ones((d_model + 1, 1), dtype=np.int64)
        nothing = np.zeros((d_model + 1, 0), dtype=np.int64)
        scores = self._bundle.graphs.top_k_and_scores(
            hidden[:, np.newaxis], items, nothing, 1
        ).all_scores
        scores[:, 0] = 0.0  # padding scores -inf
        directions: Floats = scores[:-1] - scores[-1]
        return directions

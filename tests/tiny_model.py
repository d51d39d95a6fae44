"""A small sequential model with an SAE, in plain numpy: the reference of the tests' bundles.

It has the shape of SASRec (item and position embeddings, causal blocks, scores by inner product
with the item embeddings), with a decaying causal average where SASRec has attention.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

GENRES = ("Horror", "Comedy", "Documentary", "Children's")
FEATURES_PER_GENRE = 3
DECAY = 0.7


@dataclass(frozen=True)
class TinyModel:
    """Random weights, the same for the same arguments; item embeddings cluster by genre."""

    n_items: int = 50
    """Items; item i carries genre (i - 1) % 4, and every fifth the next one too."""
    d_model: int = 8
    """Width of the hidden state."""
    d_sae: int = 32
    """Features; three for each genre first, the last one dead."""
    max_seq: int = 10
    """Longest history."""
    n_blocks: int = 2
    """Causal blocks."""
    hook_block: int = 2
    """The SAE reads after this block; n_blocks + 1 is after a final norm that changes nothing."""
    sae_k: int = 6
    """Active features per position."""
    seed: int = 0
    """Of all weights."""

    def genres(self, index: int) -> tuple[str, ...]:
        """Genres of the item with this index."""
        first = (index - 1) % len(GENRES)
        second = (first + 1) % len(GENRES)
        return (GENRES[first], GENRES[second]) if index % 5 == 0 else (GENRES[first],)

    @cached_property
    def centres(self) -> Array:
        """[4, d_model] unit vectors, one for each genre."""
        return _unit(self._rng("centres").normal(size=(len(GENRES), self.d_model)))

    @cached_property
    def item_embeddings(self) -> Array:
        """[n_items + 1, d_model]; row 0, padding, is zero."""
        rows = 0.4 * self._rng("items").normal(size=(self.n_items + 1, self.d_model))
        for index in range(1, self.n_items + 1):
            rows[index] += sum(self.centres[GENRES.index(genre)] for genre in self.genres(index))
        rows[0] = 0
        return _float32(rows)

    @cached_property
    def position_embeddings(self) -> Array:
        """[max_seq, d_model], counted from the newest item."""
        return _float32(0.1 * self._rng("positions").normal(size=(self.max_seq, self.d_model)))

    @cached_property
    def mixers(self) -> Array:
        """[n_blocks, d_model, d_model]."""
        shape = (self.n_blocks, self.d_model, self.d_model)
        noise = self._rng("mixers").normal(size=shape) / np.sqrt(self.d_model)
        return _float32(0.5 * np.eye(self.d_model) + 0.2 * noise)

    @cached_property
    def W_dec(self) -> Array:  # noqa: N802 - the field's name
        """[d_sae, d_model] unit rows; those of a genre's features lie about its centre."""
        rows = self._rng("decoder").normal(size=(self.d_sae, self.d_model))
        genre = np.repeat(self.centres, FEATURES_PER_GENRE, axis=0)[: self.d_sae - 1]
        rows[: len(genre)] = genre + 0.15 * rows[: len(genre)]
        return _float32(_unit(rows))

    @cached_property
    def W_enc(self) -> Array:  # noqa: N802 - the field's name
        """[d_model, d_sae]."""
        return self.W_dec.T.copy()

    @cached_property
    def b_enc(self) -> Array:
        """[d_sae]; the last feature can never fire."""
        bias = np.full(self.d_sae, -0.05)
        bias[-1] = -1e6
        return _float32(bias)

    @cached_property
    def b_dec(self) -> Array:
        """[d_model]."""
        return _float32(0.01 * self._rng("b_dec").normal(size=self.d_model))

    def histories(self, n: int) -> list[list[int]]:
        """`n` random histories of lengths 1 to max_seq, the first two of length 1 and max_seq."""
        rng = self._rng("histories")
        lengths = [1, self.max_seq, *rng.integers(1, self.max_seq + 1, size=n).tolist()]
        return [rng.integers(1, self.n_items + 1, size=length).tolist() for length in lengths[:n]]

    def hidden(self, history: Sequence[int]) -> Array:
        """Hidden state at the hook point, [seq, d_model], of one unpadded history."""
        newest_first = np.arange(len(history))[::-1]
        state = self.item_embeddings[list(history)] + self.position_embeddings[newest_first]
        return self._blocks(state, self.mixers[: self.hook_block])

    def activations(self, hidden: Array) -> Array:
        """SAE activations [rows, d_sae] of `hidden` [rows, d_model]."""
        pre = np.maximum(hidden @ self.W_enc + self.b_enc, 0)
        kept = np.argsort(-pre, axis=1, kind="stable")[:, : self.sae_k]
        activations = np.zeros_like(pre)
        np.put_along_axis(activations, kept, np.take_along_axis(pre, kept, axis=1), axis=1)
        return activations

    def scores(self, hidden: Array) -> Array:
        """[n_items + 1] from the hidden state at the hook point [seq, d_model]; padding: -inf."""
        last = self._blocks(hidden, self.mixers[self.hook_block :])[-1]
        scores: Array = self.item_embeddings @ last
        scores[0] = -np.inf
        return scores

    def steered(self, history: Sequence[int], deltas: dict[int, float]) -> Array:
        """[n_items + 1] scores with `deltas` added to the last position's activations."""
        hidden = self.hidden(history)
        hidden[-1] += sum(delta * self.W_dec[feature] for feature, delta in deltas.items())
        return self.scores(hidden)

    def _blocks(self, state: Array, mixers: Array) -> Array:
        distance = np.subtract.outer(np.arange(len(state)), np.arange(len(state)))
        mix = np.where(distance >= 0, DECAY ** np.maximum(distance, 0), 0)
        for mixer in mixers:
            state = state + np.tanh(mix @ state @ mixer)
        return state

    def _rng(self, purpose: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, *purpose.encode()])


def best(scores: Array, k: int) -> list[int]:
    """Indices of the k highest scores; ties: the smaller index first."""
    indices: list[int] = np.argsort(-scores, kind="stable")[:k].tolist()
    return indices


def _unit(rows: Array) -> Array:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True))


def _float32(array: Array) -> Array:
    # the reference computes in float64 with the very weights that the graphs hold in float32
    return array.astype(np.float32).astype(np.float64)

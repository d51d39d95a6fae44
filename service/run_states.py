"""Hidden states and activations of one run's histories: kept from before, or computed once.

Two requests of a run that have the same history share one computation, whether anything is kept
or not. What is handed out is read-only.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from model_store.bundle import Bundle
from service.padding import hidden_by_row, joined
from service.state_cache import Lookups, Sparse, State, StateCache
from steering.space import Floats, Indices

MOST_ACTIVE_SHARE = 1 / 4
"""Activations of which more are not zero are not kept: they would take the memory of hidden states
that save more."""


class RunStates:
    """What the model says of some histories before anything is edited."""

    def __init__(self, bundle: Bundle, histories: Sequence[Indices], cache: StateCache) -> None:
        """Look them up, and compute what is not there.

        Args:
            bundle: whose model to run.
            histories: [n] item indices each, oldest first, 1 <= n <= max_seq.
            cache: of this bundle.
        """
        self._bundle = bundle
        self._cache = cache
        self._keys = [own.tobytes() for own in histories]
        self._states = cache.found(self._keys)
        self._found = frozenset(self._states)
        missing = {
            key: own
            for key, own in zip(self._keys, histories, strict=True)
            if key not in self._found
        }
        if cache.is_on:
            self._count(len(missing))
        if missing:
            self._compute(missing)
        own = [self._states[key].hidden for key in self._keys]
        self.hidden = joined(own, bundle.W_dec.shape[1])
        """[batch, positions, d_model], each row at the right end, 0 to its left."""

    def activations(self, rows: Sequence[int], ends: Sequence[int], touched: Floats) -> Floats:
        """[positions, d_sae] SAE activations of some rows, one below the other.

        Args:
            rows: whose.
            ends: where each row's positions end, after a 0.
            touched: [positions, d_model] their hidden states at the positions that are edited.
        """
        keys = [self._keys[row] for row in rows]
        spans = [slice(*own) for own in pairwise(ends)]
        missing = {
            key: span
            for key, span in zip(keys, spans, strict=True)
            if self._states[key].activations is None
        }
        if len(missing) == len(rows):
            activations = self._bundle.graphs.activations(touched)
            self._keep(missing, activations)
            return activations
        return self._spread(keys, spans, self._encoded(missing, touched))

    def _count(self, n_missing: int) -> None:
        n_found = sum(key in self._found for key in self._keys)
        self._cache.count(Lookups(n_found, len(self._keys) - n_found - n_missing, n_missing))

    def _compute(self, missing: dict[bytes, Indices]) -> None:
        made = hidden_by_row(self._bundle, [*missing.values()])
        states = {key: State(own) for key, own in zip(missing, made, strict=True)}
        self._states |= states
        self._cache.keep(states)

    def _encoded(self, missing: dict[bytes, slice], touched: Floats) -> dict[bytes, Floats]:
        """[positions, d_sae] of each history whose activations are not known."""
        if not missing:
            return {}
        parts, spans = _parts(touched, missing)
        activations = self._bundle.graphs.activations(parts)
        self._keep(spans, activations)
        return {key: activations[span] for key, span in spans.items()}

    def _keep(self, spans: dict[bytes, slice], activations: Floats) -> None:
        """Keeps the activations that are worth it.

        To pick what is not zero out of one position costs half of what encoding it does, so that
        is kept of histories that came back; of many positions at once (ADR 0013).
        """
        if not self._cache.is_on:
            return
        worth = {
            key: span
            for key, span in spans.items()
            if span.stop - span.start > 1 or key in self._found
        }
        if not worth:
            return
        if len(worth) < len(spans):
            activations, worth = _parts(activations, worth)
        sparse = sparse_of(activations, [span.stop for span in worth.values()])
        states = {
            key: State(self._states[key].hidden, own)
            for key, own in zip(worth, sparse, strict=True)
            if own is not None
        }
        self._cache.keep(states)

    def _spread(
        self, keys: Sequence[bytes], spans: Sequence[slice], encoded: dict[bytes, Floats]
    ) -> Floats:
        """What is known and what was computed, in one array."""
        d_sae = self._bundle.W_dec.shape[0]
        activations = np.zeros((spans[-1].stop, d_sae), dtype=np.float32)
        known: list[Sparse] = []
        starts: list[int] = []
        for key, span in zip(keys, spans, strict=True):
            if (own := encoded.get(key)) is not None:
                activations[span] = own
            elif (sparse := self._states[key].activations) is not None:
                known.append(sparse)
                starts.append(span.start * d_sae)
        if not known:
            return activations
        places = np.frombuffer(b"".join(own.places for own in known), dtype=np.int32)
        counts = [len(own.places) // places.itemsize for own in known]
        values = np.frombuffer(b"".join(own.values for own in known), dtype=np.float32)
        activations.reshape(-1)[places + np.array(starts).repeat(counts)] = values
        return activations


def _parts(rows: Floats, spans: dict[bytes, slice]) -> tuple[Floats, dict[bytes, slice]]:
    """Some spans of rows, one below the other, and where they are now."""
    ends = np.cumsum([0, *(span.stop - span.start for span in spans.values())]).tolist()
    parts = np.concatenate([rows[span] for span in spans.values()])
    return parts, {key: slice(*own) for key, own in zip(spans, pairwise(ends), strict=True)}


def sparse_of(activations: Floats, ends: Sequence[int]) -> Iterator[Sparse | None]:
    """What is not zero of each row's activations; None: too much is.

    Args:
        activations: [positions, d_sae], the rows one below the other.
        ends: where each row's positions end.
    """
    d_sae = activations.shape[1]
    found = np.flatnonzero(activations != 0)
    values = activations.reshape(-1)[found].tobytes()
    bounds = np.array([0, *ends]) * d_sae
    cuts = np.searchsorted(found, bounds)
    places = (found - bounds[:-1].repeat(np.diff(cuts))).astype(np.int32).tobytes()
    sizes = np.diff(bounds).tolist()
    for (start, end), size in zip(pairwise((4 * cuts).tolist()), sizes, strict=True):
        is_sparse = end - start <= 4 * size * MOST_ACTIVE_SHARE
        yield Sparse(places[start:end], values[start:end]) if is_sparse else None

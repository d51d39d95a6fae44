"""The golden request: recorded answers that the graphs must repeat on this machine."""

from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from model_store.errors import BundleCorrupt, GoldenMismatch
from model_store.files import GOLDEN_FILE
from model_store.graphs import Graphs, Ranking, TopKAndScores
from model_store.manifest import Manifest, Record

Index = Annotated[int, Field(ge=0)]
Real = Annotated[float, Field(allow_inf_nan=False)]
Lists = tuple[tuple[Index, ...], ...]
Scores = tuple[tuple[Real, ...], ...]


class Golden(Record):
    """Contents of `golden.json`: histories and the reference's answers, none of them excluded."""

    items: Annotated[Lists, Field(min_length=1)]
    """Histories, oldest first, at most max_seq long; shorter ones are padded on the left."""
    k: Annotated[int, Field(ge=1)]
    """Length of each list."""
    feature_deltas: Annotated[dict[Index, Real], Field(min_length=1)]
    """Raw change of each feature's activation at the last position, for the steered answers."""
    atol: Annotated[float, Field(gt=0, le=0.1)]
    """Largest allowed difference of a score or an activation."""
    top_items: Lists
    """Unsteered lists."""
    top_scores: Scores
    """Their scores."""
    steered_top_items: Lists
    """Lists with `feature_deltas`."""
    steered_top_scores: Scores
    """Their scores."""
    activations: tuple[dict[Index, Real], ...] | None = None
    """Non-zero unsteered activations at the last position of each history."""


def read_golden(path: Path, manifest: Manifest) -> Golden:
    """The golden request in the file at `path`.

    Raises:
        BundleCorrupt: it does not parse, does not fit the manifest, or proves nothing.
    """
    try:
        golden = Golden.model_validate_json(path.read_bytes())
        _check_fits(golden, manifest)
    except ValueError as error:  # pydantic's too
        raise BundleCorrupt(path.name, str(error)) from None
    return golden


def check_golden(golden: Golden, graphs: Graphs, W_dec: NDArray[np.float32]) -> None:
    """Ask the golden request, unsteered and steered.

    A list may differ from the recorded one only where scores lie within `atol` of each other.

    Raises:
        GoldenMismatch: an answer is not the recorded one.
    """
    items = _padded(golden.items)
    hidden = graphs.hidden(items)
    if golden.activations is not None:
        _check_activations(golden, graphs.activations(hidden[:, -1]))
    unsteered = _answer(golden, graphs, hidden, items)
    _check_lists("unsteered", unsteered, golden.top_items, golden.top_scores, golden.atol)
    if graphs.ranking is not None:
        _check_ranked(graphs.ranking, hidden, items, unsteered, golden)
    steered = _answer(golden, graphs, _steered(hidden, golden, W_dec), items)
    _check_lists(
        "steered", steered, golden.steered_top_items, golden.steered_top_scores, golden.atol
    )


def answered(golden: Golden, graphs: Graphs, W_dec: NDArray[np.float32], atol: float) -> Golden:
    """The same request with these graphs' answers."""
    items = _padded(golden.items)
    hidden = graphs.hidden(items)
    unsteered = _answer(golden, graphs, hidden, items)
    steered = _answer(golden, graphs, _steered(hidden, golden, W_dec), items)
    rows = graphs.activations(hidden[:, -1])
    answers = {
        "atol": atol,
        "top_items": unsteered.items.tolist(),
        "top_scores": unsteered.scores.tolist(),
        "steered_top_items": steered.items.tolist(),
        "steered_top_scores": steered.scores.tolist(),
        "activations": [{int(f): float(row[f]) for f in np.flatnonzero(row)} for row in rows],
    }
    return Golden.model_validate(golden.model_dump() | answers)


def _check_fits(golden: Golden, manifest: Manifest) -> None:
    shape = manifest.base_model
    if any(not 1 <= len(row) <= shape.max_seq for row in golden.items):
        raise ValueError(f"items: a history is empty or longer than max_seq {shape.max_seq}")
    if max(max(row) for row in golden.items) > shape.n_items:
        raise ValueError(f"items: an index is beyond n_items {shape.n_items}")
    if max(golden.feature_deltas) >= manifest.sae.d_sae:
        raise ValueError(f"feature_deltas: an index is beyond d_sae {manifest.sae.d_sae}")
    if golden.k > shape.n_items:
        raise ValueError(f"k: is above n_items {shape.n_items}")
    for name in ("top_items", "top_scores", "steered_top_items", "steered_top_scores"):
        if [len(row) for row in getattr(golden, name)] != [golden.k] * len(golden.items):
            raise ValueError(f"{name}: must be {len(golden.items)} lists of {golden.k}")
    if max(map(max, (*golden.top_items, *golden.steered_top_items))) > shape.n_items:
        raise ValueError(f"top_items: an index is beyond n_items {shape.n_items}")
    _check_proves(golden)


def _check_proves(golden: Golden) -> None:
    if golden.activations is not None and len(golden.activations) != len(golden.items):
        raise ValueError(f"activations: must be {len(golden.items)} rows")
    changes = np.abs(np.subtract(golden.steered_top_scores, golden.top_scores))
    if changes.max() <= golden.atol:
        raise ValueError("steered_top_scores: the deltas change no score by more than atol")


def _padded(rows: Lists) -> NDArray[np.int64]:
    seq = max(map(len, rows))
    return np.array([(0,) * (seq - len(row)) + row for row in rows], dtype=np.int64)


def _steered(
    hidden: NDArray[np.float32], golden: Golden, W_dec: NDArray[np.float32]
) -> NDArray[np.float32]:
    deltas = np.array(list(golden.feature_deltas.values()), dtype=np.float32)
    steered = hidden.copy()
    steered[:, -1] += deltas @ W_dec[list(golden.feature_deltas)]
    return steered


def _answer(
    golden: Golden, graphs: Graphs, hidden: NDArray[np.float32], items: NDArray[np.int64]
) -> TopKAndScores:
    nothing = np.zeros((len(items), 0), dtype=np.int64)
    return graphs.top_k_and_scores(hidden, items, nothing, golden.k)


def _check_lists(
    which: str, answer: TopKAndScores, top_items: Lists, top_scores: Scores, atol: float
) -> None:
    expected = np.array(top_scores)
    # The recorded items hold their scores, and the answered ones are as good place by place:
    # the lists are then equal but for the order of items that tie within the tolerance.
    recorded = np.take_along_axis(answer.all_scores, np.array(top_items), axis=1)
    worst = max(_largest_gap(recorded, expected), _largest_gap(answer.scores, expected))
    if not worst <= atol:
        raise GoldenMismatch(
            GOLDEN_FILE, f"the {which} scores are off by {worst:.3g}, allowed is {atol:.3g}"
        )


def _check_ranked(
    ranking: Ranking,
    hidden: NDArray[np.float32],
    items: NDArray[np.int64],
    full: TopKAndScores,
    golden: Golden,
) -> None:
    """A large catalogue's own ranking is that of all its scores."""
    nothing = np.zeros((len(items), 0), dtype=np.int64)
    ranked = ranking.top_k(hidden, items, nothing, golden.k)
    answer = TopKAndScores(ranked.items, ranked.scores, full.all_scores)
    lists = tuple(map(tuple, ranked.items.tolist()))
    _check_lists("ranked", answer, lists, golden.top_scores, golden.atol)


def _check_activations(golden: Golden, activations: NDArray[np.float32]) -> None:
    expected = np.zeros_like(activations)
    for row, active in zip(expected, golden.activations or (), strict=True):
        row[list(active)] = list(active.values())
    worst = _largest_gap(activations, expected)
    if not worst <= golden.atol:
        raise GoldenMismatch(
            GOLDEN_FILE, f"the activations are off by {worst:.3g}, allowed is {golden.atol:.3g}"
        )


def _largest_gap(actual: NDArray[np.floating], expected: NDArray[np.floating]) -> float:
    return float(np.abs(actual - expected).max())

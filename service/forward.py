"""The steered forward pass of several histories at once.

Each row is edited by its own plan between the halves of the model, so a row's answer does not
depend on its neighbours; a row whose edit is the identity is never written to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple

import numpy as np

from model_store.bundle import Bundle
from model_store.graphs import TopK, TopKAndScores
from model_store.manifest import EditPositions
from steering.edit import Edit, edit
from steering.explain import ranks
from steering.plan import Plan
from steering.space import FeatureSpace, Floats, Indices


@dataclass(frozen=True, eq=False, slots=True)
class Question:
    """One history for the model."""

    items: Indices
    """[n] item indices, oldest first; 1 <= n <= max_seq."""
    excluded: Indices
    """[m] item indices that must not be answered, each once."""
    k: int
    """Items wanted."""
    plan: Plan
    """What to do to the activations."""
    is_full: bool
    """Whether the unsteered ranks, scores and activations are wanted too."""

    @property
    def reads_activations(self) -> bool:
        """Whether the SAE has to read this history."""
        return self.is_full or bool(self.plan.rules)


class Unsteered(NamedTuple):
    """What the answered items would have got without the plan."""

    ranks: Indices
    """[n] from 1, among the items that could be answered."""
    scores: Floats
    """[n]."""


@dataclass(frozen=True, eq=False, slots=True)
class Answer:
    """What the model says of one history."""

    items: Indices
    """[n] item indices, best first; n < k where fewer could be answered."""
    scores: Floats
    """[n]."""
    edit: Edit | None
    """What the plan did; None: it has no rules."""
    activations: Floats | None
    """[d_sae] at the last position before the plan; only for a full question."""
    unsteered: Unsteered | None
    """Only for a full question."""


class StageSeconds(NamedTuple):
    """Where a run's time went."""

    lower: float
    """Items to hidden states."""
    sae: float
    """Hidden states to activations, and the edits."""
    upper: float
    """Hidden states to scores and the best items: one graph."""
    top_k: float
    """Cutting the lists to each row's k, and unsteered ranks."""


class Encoded(NamedTuple):
    """Activations and edit of one row."""

    activations: Floats
    """[positions, d_sae]."""
    edit: Edit | None
    """None: the plan has no rules."""

    @property
    def is_steered(self) -> bool:
        """Whether the hidden state moves."""
        return self.edit is not None and not self.edit.is_identity


def forward(
    bundle: Bundle, space: FeatureSpace, questions: Sequence[Question]
) -> tuple[list[Answer], StageSeconds]:
    """One answer per question, in order, and where the time went.

    Args:
        bundle: whose model to run.
        space: of the bundle.
        questions: 1 or more, of any lengths.
    """
    laps = [perf_counter()]
    items = right_aligned([question.items for question in questions])
    hidden = bundle.graphs.hidden(items)
    laps.append(perf_counter())
    encoded = _encoded(bundle, space, questions, hidden)
    rows = [*range(len(questions)), *_rows_wanted_bare(questions, encoded)]
    steered = hidden[rows]
    _steer(steered, encoded)
    laps.append(perf_counter())
    scored = _scored(bundle, [questions[row] for row in rows], steered, items[rows])
    laps.append(perf_counter())
    bare = {row: place for place, row in enumerate(rows)}
    answers = [
        _answer(question, encoded.get(row), scored, row, bare[row])
        for row, question in enumerate(questions)
    ]
    laps.append(perf_counter())
    return answers, StageSeconds(*np.diff(laps).tolist())


def right_aligned(rows: Sequence[Indices]) -> Indices:
    """[batch, longest], each row at the right end, 0 to its left."""
    padded = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    for i, row in enumerate(rows):
        padded[i, padded.shape[1] - len(row) :] = row
    return padded


def _encoded(
    bundle: Bundle, space: FeatureSpace, questions: Sequence[Question], hidden: Floats
) -> dict[int, Encoded]:
    """Activations and edits of the rows that need any, by row."""
    read = [row for row, question in enumerate(questions) if question.reads_activations]
    if not read:
        return {}
    parts = [hidden[row, -_positions(bundle, questions[row], hidden) :] for row in read]
    activations = bundle.graphs.activations(np.concatenate(parts))
    ends = np.cumsum([len(part) for part in parts])
    return {
        row: Encoded(own, _edit(questions[row].plan, space, own, part, bundle.W_dec))
        for row, own, part in zip(read, np.split(activations, ends[:-1]), parts, strict=True)
    }


def _positions(bundle: Bundle, question: Question, hidden: Floats) -> int:
    """Number of newest positions that the edit touches; never padding."""
    if bundle.manifest.hook_point.positions is EditPositions.LAST:
        return 1
    return min(len(question.items), len(hidden[0]))


def _edit(
    plan: Plan, space: FeatureSpace, activations: Floats, hidden: Floats, w_dec: Floats
) -> Edit | None:
    return edit(plan, space, activations, hidden, w_dec) if plan.rules else None


def _rows_wanted_bare(questions: Sequence[Question], encoded: Mapping[int, Encoded]) -> list[int]:
    """Rows that are steered, and whose unsteered scores are wanted too."""
    return [row for row, own in encoded.items() if questions[row].is_full and own.is_steered]


def _steer(hidden: Floats, encoded: Mapping[int, Encoded]) -> None:
    for row, own in encoded.items():
        if own.edit is not None and own.is_steered:
            hidden[row, -len(own.edit.shift) :] += own.edit.shift


def _scored(
    bundle: Bundle, questions: Sequence[Question], hidden: Floats, items: Indices
) -> TopK | TopKAndScores:
    excluded = right_aligned([question.excluded for question in questions])
    k = max(question.k for question in questions)
    graphs = bundle.graphs
    rank = (
        graphs.top_k_and_scores if any(question.is_full for question in questions) else graphs.top_k
    )
    return rank(hidden, items, excluded, k)


def _answer(
    question: Question,
    encoded: Encoded | None,
    scored: TopK | TopKAndScores,
    row: int,
    bare_row: int,
) -> Answer:
    # items that cannot be answered score -inf and so end every list
    count = int(np.isfinite(scored.scores[row, : question.k]).sum())
    items = scored.items[row, :count]
    unsteered = None
    if question.is_full and isinstance(scored, TopKAndScores):
        bare = scored.all_scores[bare_row]
        unsteered = Unsteered(ranks(bare, items), bare[items])
    return Answer(
        items=items,
        scores=scored.scores[row, :count],
        edit=encoded.edit if encoded else None,
        activations=encoded.activations[-1] if encoded and question.is_full else None,
        unsteered=unsteered,
    )

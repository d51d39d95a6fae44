"""The steered forward pass of several histories at once.

Each row is edited by its own plan between the halves of the model, so a row's answer does not
depend on its neighbours; a row whose edit is the identity is never written to.

A question that asks for what takes several rows (`service.inquiry`) is answered in rounds. One pass
runs the lower half and the encoder once for each new question, and the upper half once over every
variant of every row; what needs another round comes back as Ongoing, to be handed in again beside
whatever is new by then.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from time import perf_counter
from typing import NamedTuple, Self, TypeAlias

import numpy as np

from model_store.bundle import Bundle
from model_store.graphs import TopK, TopKAndScores
from model_store.manifest import EditPositions
from service.inquiry import Asked, Inquired, Inquiry
from service.padding import right_aligned
from service.run_states import RunStates
from service.state_cache import StateCache
from steering.edit import Edit
from steering.edits import Model, edits
from steering.explain import ranks
from steering.plan import Plan
from steering.search import Slates
from steering.space import FeatureSpace, Floats, Indices
from steering.touched import Row as Edited


class Question(NamedTuple):
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
    asked: Asked | None = None
    """What takes several rows; None: nothing."""
    cache: StateCache | None = None
    """Of its bundle's hidden states; None: nothing is kept."""

    @property
    def reads_activations(self) -> bool:
        """Whether the SAE has to read this history."""
        return self.is_full or bool(self.plan.rules) or self.asked is not None


class Unsteered(NamedTuple):
    """What the answered items would have got without the plan."""

    ranks: Indices
    """[n] from 1, among the items that could be answered."""
    scores: Floats
    """[n]."""


class Answer(NamedTuple):
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
    """Only for a full question, or one that asked for the unsteered slate."""
    inquired: Inquired | None = None
    """What came of an inquiry; None: the question was a plain one."""


@dataclass(frozen=True, eq=False, slots=True)
class Ongoing:
    """A question that takes several rows, between two rounds."""

    question: Question
    hidden: Floats
    """[positions, d_model] its own, without padding."""
    activations: Floats
    """[d_sae] at the last position before the plan."""
    inquiry: Inquiry

    @property
    def k(self) -> int:
        """Length of the slates that it reads."""
        own = self.question
        return max(own.k, own.asked.places if own.asked else 0)


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

    @classmethod
    def between(cls, laps: Sequence[float]) -> Self:
        """From the moments at which each stage began, and the last ended."""
        return cls(*(end - start for start, end in pairwise(laps)))


class Encoded(NamedTuple):
    """Activations and edit of one row."""

    activations: Floats
    """[positions, d_sae]."""
    edit: Edit | None
    """None: the plan has no rules."""

    @property
    def shift(self) -> Floats | None:
        """[positions, d_model] by which the hidden state moves; None: it does not."""
        return None if self.edit is None or self.edit.is_identity else self.edit.shift


def forward(
    bundle: Bundle, space: FeatureSpace, asked: Sequence[Question | Ongoing]
) -> tuple[Sequence[Answer | Ongoing], StageSeconds]:
    """One answer per question, or its next round, in order, and where the time went.

    Args:
        bundle: whose model to run.
        space: of the bundle.
        asked: 1 or more, of any lengths; new, or what an earlier pass gave back.
    """
    plain = [own for own in asked if isinstance(own, Question) and own.asked is None]
    if len(plain) == len(asked):
        return _answered(bundle, space, plain)
    return _one_round(bundle, space, asked)


def _answered(
    bundle: Bundle, space: FeatureSpace, questions: Sequence[Question]
) -> tuple[list[Answer], StageSeconds]:
    """The pass of questions that each take one row, or two where the unsteered is wanted."""
    laps = [perf_counter()]
    states = _states(bundle, questions)
    items = right_aligned([question.items for question in questions])
    laps.append(perf_counter())
    encoded = _encoded(bundle, space, questions, states)
    steered = _steered(states.hidden, encoded)
    bare = _rows_wanted_bare(questions, encoded)
    if bare:
        steered = np.concatenate([steered, states.hidden[bare]])
        items = np.concatenate([items, items[bare]])
    laps.append(perf_counter())
    scored = _scored(bundle, [*questions, *(questions[row] for row in bare)], steered, items)
    laps.append(perf_counter())
    counts = _found(scored)
    places = {row: place for place, row in enumerate(bare, len(questions))}
    answers = [
        _answer(question, encoded.get(row), scored, row, count, places.get(row, row))
        for row, (question, count) in enumerate(zip(questions, counts, strict=False))
    ]
    laps.append(perf_counter())
    return answers, StageSeconds.between(laps)


def _states(bundle: Bundle, questions: Sequence[Question]) -> RunStates:
    """Hidden states of the questions' histories; one bundle's questions share one cache."""
    cache = questions[0].cache
    histories = [question.items for question in questions]
    return RunStates(bundle, histories, StateCache(0) if cache is None else cache)


def _encoded(
    bundle: Bundle, space: FeatureSpace, questions: Sequence[Question], states: RunStates
) -> dict[int, Encoded]:
    """Activations and edits of the rows that need any, by row."""
    read = [row for row, question in enumerate(questions) if question.reads_activations]
    if not read:
        return {}
    hidden = states.hidden
    counts = _positions(bundle, [questions[row] for row in read], hidden)
    if max(counts) == 1:
        touched = hidden[read, -1] if len(read) < len(hidden) else hidden[:, -1]
    else:
        parts = zip(read, counts, strict=True)
        touched = np.concatenate([hidden[row, -count:] for row, count in parts])
    ends = [0, *accumulate(counts)]
    activations = states.activations(read, ends, touched)
    asked = [questions[row] for row in read]
    rows = [Edited(own.plan, *ends[i : i + 2]) for i, own in enumerate(asked)]
    ruled = [i for i, own in enumerate(asked) if _is_ruled(own)]
    made = edits([rows[i] for i in ruled], Model(space, activations, touched, bundle.W_dec))
    edited = dict(zip(ruled, made, strict=True))
    return {
        read[i]: Encoded(activations[row.start : row.end], edited.get(i))
        for i, row in enumerate(rows)
    }


def _positions(bundle: Bundle, questions: Sequence[Question], hidden: Floats) -> list[int]:
    """Per row, the number of newest positions that the edit touches; never padding."""
    if bundle.manifest.hook_point.positions is EditPositions.LAST:
        return [1] * len(questions)
    return [min(len(question.items), hidden.shape[1]) for question in questions]


def _is_ruled(question: Question) -> bool:
    """Whether its plan is to be carried out; an inquiry edits by itself."""
    return bool(question.plan.rules) and question.asked is None


def _rows_wanted_bare(questions: Sequence[Question], encoded: Mapping[int, Encoded]) -> list[int]:
    """Rows that are steered, and whose unsteered scores are wanted too."""
    return [row for row, own in encoded.items() if questions[row].is_full and own.shift is not None]


def _steered(hidden: Floats, encoded: Mapping[int, Encoded]) -> Floats:
    """[batch, positions, d_model] the hidden states, moved where a plan moves them."""
    shifts = {row: own.shift for row, own in encoded.items() if own.shift is not None}
    if not shifts:
        return hidden
    steered = hidden.copy()
    for row, shift in shifts.items():
        steered[row, -len(shift) :] += shift
    return steered


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


def _found(scored: TopK | TopKAndScores) -> list[int]:
    """Per row, how many items there are in its list."""
    # items that cannot be answered score -inf and so end every list
    counts: list[int] = np.isfinite(scored.scores).sum(axis=1).tolist()
    return counts


def _answer(
    question: Question,
    encoded: Encoded | None,
    scored: TopK | TopKAndScores,
    row: int,
    n_found: int,
    bare_row: int,
) -> Answer:
    count = min(question.k, n_found)
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


@dataclass(frozen=True, eq=False, slots=True)
class _Single:
    """A plain question in a pass that has inquiries too."""

    question: Question
    hidden: Floats
    """[positions, d_model] its own, without padding."""
    encoded: Encoded | None

    @property
    def k(self) -> int:
        return self.question.k

    @property
    def wants_scores(self) -> bool:
        return self.question.is_full

    def variants(self) -> Floats:
        """[1 or 2, positions, d_model] steered, and bare where that is wanted too."""
        shift = None if self.encoded is None else self.encoded.shift
        if shift is None:
            return self.hidden[np.newaxis]
        steered = self.hidden.copy()
        steered[-len(shift) :] += shift
        return np.stack([steered, self.hidden] if self.question.is_full else [steered])

    def after(self, slates: Slates) -> Answer:
        """The answer."""
        scored = (
            TopK(slates.items, slates.scores)
            if slates.all_scores is None
            else TopKAndScores(slates.items, slates.scores, slates.all_scores)
        )
        return _answer(
            self.question, self.encoded, scored, 0, _found(scored)[0], len(slates.items) - 1
        )


@dataclass(frozen=True, eq=False, slots=True)
class _Round:
    """One round of an inquiry."""

    ongoing: Ongoing

    @property
    def question(self) -> Question:
        return self.ongoing.question

    @property
    def k(self) -> int:
        return self.ongoing.k

    @property
    def wants_scores(self) -> bool:
        return self.ongoing.inquiry.wants_scores

    def variants(self) -> Floats:
        """[variants, positions, d_model]."""
        shifts = self.ongoing.inquiry.shifts()
        hidden = np.repeat(self.ongoing.hidden[np.newaxis], len(shifts), axis=0)
        hidden[:, -shifts.shape[1] :] += shifts
        return hidden

    def after(self, slates: Slates) -> Answer | Ongoing:
        """The answer, or the next round."""
        self.ongoing.inquiry.read(slates)
        outcome = self.ongoing.inquiry.outcome
        return self.ongoing if outcome is None else _inquired(self.ongoing, outcome)


Row: TypeAlias = _Single | _Round


def _one_round(
    bundle: Bundle, space: FeatureSpace, asked: Sequence[Question | Ongoing]
) -> tuple[list[Answer | Ongoing], StageSeconds]:
    laps = [perf_counter()]
    new = [own for own in asked if isinstance(own, Question)]
    states = _states(bundle, new) if new else None
    laps.append(perf_counter())
    begun = iter(_begun(bundle, space, new, states) if states is not None else ())
    rows = [_Round(own) if isinstance(own, Ongoing) else next(begun) for own in asked]
    variants = [row.variants() for row in rows]
    laps.append(perf_counter())
    slates = _slates(bundle, rows, variants)
    laps.append(perf_counter())
    answers = [row.after(own) for row, own in zip(rows, slates, strict=True)]
    laps.append(perf_counter())
    return answers, StageSeconds.between(laps)


def _begun(
    bundle: Bundle, space: FeatureSpace, questions: Sequence[Question], states: RunStates
) -> Iterator[Row]:
    """The row of each new question."""
    encoded = _encoded(bundle, space, questions, states)
    for i, question in enumerate(questions):
        own = states.hidden[i, -min(len(question.items), states.hidden.shape[1]) :]
        if question.asked is None:
            yield _Single(question, own, encoded.get(i))
            continue
        activations = encoded[i].activations
        inquiry = Inquiry(
            question.asked,
            question.plan,
            space,
            activations,
            own[-len(activations) :],
            question.excluded,
            bundle.W_dec,
            question.k,
        )
        yield _Round(Ongoing(question, own, activations[-1], inquiry))


def _slates(bundle: Bundle, rows: Sequence[Row], variants: Sequence[Floats]) -> Iterator[Slates]:
    """What the upper half says of every variant, row by row."""
    counts = [len(own) for own in variants]
    questions = [row.question for row in rows]
    items = right_aligned([question.items for question in questions]).repeat(counts, axis=0)
    excluded = right_aligned([question.excluded for question in questions]).repeat(counts, axis=0)
    graphs = bundle.graphs
    wants_scores = any(row.wants_scores for row in rows)
    rank = graphs.top_k_and_scores if wants_scores else graphs.top_k
    scored = rank(_stacked(variants), items, excluded, max(row.k for row in rows))
    end = 0
    for row, count in zip(rows, counts, strict=True):
        start, end = end, end + count
        own = slice(start, end)
        all_scores = scored.all_scores[own] if isinstance(scored, TopKAndScores) else None
        yield Slates(scored.items[own, : row.k], scored.scores[own, : row.k], all_scores)


def _stacked(variants: Sequence[Floats]) -> Floats:
    """[all variants, longest, d_model], each at the right end, 0 to its left."""
    longest = max(own.shape[1] for own in variants)
    if all(own.shape[1] == longest for own in variants):
        return np.concatenate(variants)
    return np.concatenate(
        [np.pad(own, ((0, 0), (longest - own.shape[1], 0), (0, 0))) for own in variants]
    )


def _inquired(ongoing: Ongoing, outcome: Inquired) -> Answer:
    """The answer of a question that took several rows."""
    question, found = ongoing.question, outcome.found
    items = found.steered.items[: question.k]
    unsteered = None
    if found.unsteered is not None and found.unsteered.all_scores is not None:
        bare = found.unsteered.all_scores
        if question.asked and question.asked.wanted.needs_unsteered:
            unsteered = Unsteered(ranks(bare, items), bare[items])
    return Answer(
        items=items,
        scores=found.steered.scores[: question.k],
        edit=outcome.edit,
        activations=ongoing.activations if question.is_full else None,
        unsteered=unsteered,
        inquired=outcome,
    )

"""What one process can answer in a second without gRPC: the graphs alone, and with the edits."""

import time
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from steerrec.v1 import recommender_pb2

from model_store.bundle import Bundle
from model_store.manifest import EditPositions
from service.forward import Question, forward
from service.padding import hidden_states, right_aligned
from service.presets.conditions import compile_condition
from service.query import query_of
from service.recommend import history_of
from service.snapshot import feature_space_of
from steering.plan import Limits, plan_for
from steering.resolved import resolve_rules
from steering.space import FeatureSpace

Given = TypeVar("Given")


class Inputs(NamedTuple):
    """A batch as the graphs read it."""

    histories: list[NDArray[np.int64]]
    """[n] item indices each."""
    items: NDArray[np.int64]
    """[batch, seq]."""
    excluded: NDArray[np.int64]
    """[batch, m]."""
    k: int
    """Places wanted."""
    reads_activations: bool
    """Whether the encoder runs."""


def graphs_rate(bundle: Bundle, encoded: list[bytes], batch: int, seconds: float) -> float:
    """Requests a second of the graphs alone, nothing edited; inputs are made beforehand."""
    inputs = [_inputs(questions) for questions in _batches(bundle, encoded, batch)]
    return batch * _runs_per_s(lambda own: _run_graphs(bundle, own), inputs, seconds)


def steered_rate(bundle: Bundle, encoded: list[bytes], batch: int, seconds: float) -> float:
    """Requests a second of the steered forward pass; plans are made beforehand."""
    space = feature_space_of(bundle)
    batches = _batches(bundle, encoded, batch)
    return batch * _runs_per_s(lambda own: forward(bundle, space, own), batches, seconds)


def _runs_per_s(run: Callable[[Given], object], given: Sequence[Given], seconds: float) -> float:
    """Over the given by turns, after one run that is not counted."""
    supply = cycle(given)
    run(next(supply))
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        run(next(supply))
        done += 1
    return done / (time.perf_counter() - start)


def _run_graphs(bundle: Bundle, inputs: Inputs) -> None:
    hidden = hidden_states(bundle, inputs.histories)
    if inputs.reads_activations:
        is_last = bundle.manifest.hook_point.positions is EditPositions.LAST
        touched = hidden[:, -1] if is_last else hidden.reshape(-1, hidden.shape[-1])
        bundle.graphs.activations(touched)
    bundle.graphs.top_k(hidden, inputs.items, inputs.excluded, inputs.k)


def _inputs(questions: Sequence[Question]) -> Inputs:
    return Inputs(
        histories=[question.items for question in questions],
        items=right_aligned([question.items for question in questions]),
        excluded=right_aligned([question.excluded for question in questions]),
        k=max(question.k for question in questions),
        reads_activations=any(question.reads_activations for question in questions),
    )


def _batches(bundle: Bundle, encoded: list[bytes], batch: int) -> list[list[Question]]:
    """The questions in batches of one size; what is left over is left out."""
    space = feature_space_of(bundle)
    questions = [_question(bundle, space, message) for message in encoded]
    return [questions[i : i + batch] for i in range(0, len(questions) - batch + 1, batch)]


def _question(bundle: Bundle, space: FeatureSpace, message: bytes) -> Question:
    query = query_of(recommender_pb2.RecommendRequest.FromString(message), "bench")
    read = history_of(query.history, bundle.catalogue, bundle.manifest.base_model.max_seq)
    rules = resolve_rules(query.rules, space, compile_condition)
    return Question(
        items=np.array(read.read, dtype=np.int64),
        excluded=np.unique(np.array(read.known, dtype=np.int64)),
        k=query.k,
        plan=plan_for([rules], {}, Limits()),
        is_full=False,
    )

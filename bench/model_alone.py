"""The steered forward pass without gRPC: what one process can answer in a second."""

import time
from itertools import cycle, islice

import numpy as np
from steerrec.v1 import recommender_pb2

from model_store.bundle import Bundle
from service.forward import Question, forward
from service.presets.conditions import compile_condition
from service.query import query_of
from service.recommend import history_of
from service.snapshot import feature_space_of
from steering.plan import Limits, plan_for
from steering.resolved import resolve_rules
from steering.space import FeatureSpace


def model_rate(bundle: Bundle, encoded: list[bytes], batch: int, seconds: float) -> float:
    """Requests a second in batches of one size; plans are made beforehand."""
    space = feature_space_of(bundle)
    questions = cycle([_question(bundle, space, message) for message in encoded])
    forward(bundle, space, list(islice(questions, batch)))
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        forward(bundle, space, list(islice(questions, batch)))
        done += batch
    return done / (time.perf_counter() - start)


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

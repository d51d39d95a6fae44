"""The same questions for everybody: as the service's requests, and as indices and raw values."""

from typing import NamedTuple

import numpy as np
from steerrec.v1 import recommender_pb2

from bench.peers.frame import Float32, Int64, Row
from bench.requests import unlike_requests
from model_store.bundle import Bundle
from service.presets.conditions import compile_condition
from service.query import query_of
from service.recommend import history_of
from service.snapshot import feature_space_of
from steering.resolved import resolve_rules
from steering.space import FeatureSpace

N_RULES = 5


class Question(NamedTuple):
    """One question."""

    request: recommender_pb2.RecommendRequest
    """As the service is asked."""
    row: Row
    """As the exported graphs are."""


def questions_of(bundle: Bundle, repeated_share: float = 0.0) -> list[Question]:
    """The questions, rules unlike from one to the next, histories too but for a share.

    Rules ADD to one live feature each, at most one reference unit either way.

    Args:
        bundle: whose items, and features.
        repeated_share: how many have the history of an earlier one, not long ago.
    """
    space = feature_space_of(bundle)
    return [
        Question(own, row_of(bundle, space, own))
        for own in unlike_requests(bundle, N_RULES, repeated_share=repeated_share)
    ]


def row_of(bundle: Bundle, space: FeatureSpace, request: recommender_pb2.RecommendRequest) -> Row:
    """What the service reads of a request with rules on single features, each named once."""
    query = query_of(request, "bench")
    read = history_of(query.history, bundle.catalogue, bundle.manifest.base_model.max_seq)
    rules = resolve_rules(query.rules, space, compile_condition)
    return Row(
        items=np.array(read.read, dtype=np.int64),
        excluded=np.unique(np.array(read.known, dtype=np.int64)),
        features=np.array([int(own.indices[0]) for own in rules], dtype=np.int64),
        operations=np.array([own.rule.operation for own in rules], dtype=np.int64),
        values=np.array([own.values[0] for own in rules], dtype=np.float32),
        k=query.k,
    )


def slate_of(bundle: Bundle, body: bytes) -> tuple[Int64, Float32]:
    """Item indices and scores of the service's response.

    Raises:
        ValueError: it is no response.
    """
    try:
        response = recommender_pb2.RecommendResponse.FromString(body)
    except Exception as error:  # protobuf's own is of no public class
        raise ValueError(f"no RecommendResponse: {error}") from None
    items = [bundle.catalogue.index_of[own.item_id] for own in response.items]
    scores = [own.score for own in response.items]
    return np.array(items, dtype=np.int64), np.array(scores, dtype=np.float32)

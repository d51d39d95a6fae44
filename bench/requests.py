"""Requests as bytes: many users, each with rules of its own."""

import numpy as np
from steerrec.v1 import recommender_pb2, rule_pb2

from model_store.bundle import Bundle

N_REQUESTS = 512
K = 20


def encoded_requests(bundle: Bundle, n_rules: int, seed: int = 0) -> list[bytes]:
    """Serialised `RecommendRequest`s: history and rules differ from one to the next."""
    rng = np.random.default_rng(seed)
    return [
        _request(bundle, n_rules, rng).SerializeToString(deterministic=True)
        for _ in range(N_REQUESTS)
    ]


def _request(
    bundle: Bundle, n_rules: int, rng: np.random.Generator
) -> recommender_pb2.RecommendRequest:
    manifest, catalogue = bundle.manifest, bundle.catalogue
    popularity = catalogue.counts[1:] + 1.0
    length = int(min(3 + 5 * rng.pareto(1.2), 2 * manifest.base_model.max_seq))
    drawn = rng.choice(len(popularity), size=length, p=popularity / popularity.sum()) + 1
    return recommender_pb2.RecommendRequest(
        history=[catalogue.item_ids[i] for i in drawn.tolist()],
        k=K,
        rules=[_rule(bundle, rng) for _ in range(n_rules)],
    )


def _rule(bundle: Bundle, rng: np.random.Generator) -> rule_pb2.Rule:
    """ADD on one live feature, at most one reference unit either way."""
    alive = np.flatnonzero(bundle.reference_activations)
    return rule_pb2.Rule(
        feature_index=int(rng.choice(alive)),
        operation=rule_pb2.OPERATION_ADD,
        value=float(rng.uniform(-1, 1)),
    )

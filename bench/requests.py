"""Requests as bytes: many users, each with rules of its own."""

from loadtest.requests import Wanted, requests_of
from model_store.bundle import Bundle

N_REQUESTS = 512
K = 20


def encoded_requests(bundle: Bundle, n_rules: int, seed: int = 0) -> list[bytes]:
    """Serialised `RecommendRequest`s: history and rules differ from one to the next.

    Rules ADD to one live feature each, at most one reference unit either way.
    """
    wanted = Wanted(
        count=N_REQUESTS, k=K, n_rules=(n_rules,), by="feature", operations=("ADD",), seed=seed
    )
    return [own.SerializeToString(deterministic=True) for own in requests_of(bundle, wanted)]
